"""Clips as layers: how many all cores draw a second, and how many windows the device composes."""

from __future__ import annotations

import os
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import torch

from benchmarks.gpu_kit.results import Figures, Item
from benchmarks.gpu_kit.scale import Scale, median_seconds, peak
from train.data.resident.folder import LayersConfig, write_layers
from train.data.resident.windows import ResidentWindows


def items(scale: Scale) -> Iterator[Item]:
    yield Item("composed", lambda: composed(scale), 40)


def composed(scale: Scale) -> Figures:
    """nano's whole windows, and those of half the size and length; with sketches."""
    count, side, frames, batch = (12, 64, 8, 4) if scale.small else (2000, 128, 16, 128)
    with tempfile.TemporaryDirectory() as folder:
        config = LayersConfig(
            out=folder, count=count, held_out=2, frames=frames * 3 // 2, side=side
        )
        begin = time.monotonic()
        write_layers(config)
        taken = time.monotonic() - begin
        found: Figures = {"cores": os.cpu_count(), "drawn_s": count / taken}
        for name, part, more in (("whole", 1, False), ("half", 2, False), ("sketched", 1, True)):
            windows = ResidentWindows(
                Path(folder),
                "train",
                frames // part,
                side // part,
                0,
                10**6,
                torch.device(scale.device),
                more,
            )
            chosen = range(batch * part)

            def run(windows: ResidentWindows = windows, chosen: range = chosen) -> None:
                windows.batch_of(chosen)

            seconds = median_seconds(run, scale)
            with peak(scale.device) as most:
                run()
            found[name] = {"windows_s": len(chosen) / seconds, **most.figures}
    return found
