"""Figure 10: a curve over the frame index for each variant, the keys apart."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import matplotlib
import numpy as np

from benchmarks.ablation.tables import Column
from train.engine.files import atomic_write

matplotlib.use("Agg")  # no window
from matplotlib import pyplot  # noqa: E402 (after the choice of what draws)

Found = Mapping[str, Mapping[str, Sequence[Sequence[float]]]]


def draw_curves(
    path: Path, found: Found, names: Mapping[str, str], columns: Sequence[Column]
) -> None:
    """found {metric: {variant: seeds x frames}}: one panel a metric; lines are means over the
    seeds, bands go from the least to the most of them. The keys are open dots."""
    shown = [column for column in columns if column.key in found]
    figure, panels = pyplot.subplots(1, len(shown), figsize=(5 * len(shown), 4), squeeze=False)
    for column, panel in zip(shown, panels[0], strict=True):
        for variant, seeds in found[column.key].items():
            rows = np.array(seeds)
            frames = np.arange(rows.shape[1])
            inner, ends, means = slice(1, -1), [0, -1], rows.mean(0)
            [line] = panel.plot(frames[inner], means[inner], marker="o", ms=3, label=names[variant])
            band = rows.min(0)[inner], rows.max(0)[inner]
            panel.fill_between(frames[inner], *band, color=line.get_color(), alpha=0.2)
            style = {"color": line.get_color(), "mfc": "none", "ls": "", "marker": "o"}
            panel.plot(frames[ends], means[ends], **style)
        panel.set(xlabel="frame", ylabel=column.title)
        panel.grid(alpha=0.3)
    panels[0][0].legend(fontsize="small")
    figure.tight_layout()
    options = {"dpi": 120, "format": "png", "metadata": {"Software": None}}
    atomic_write(path, lambda file: figure.savefig(file, **options))
    pyplot.close(figure)
