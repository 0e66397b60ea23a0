"""The report as one self-contained page: tables, plots, and the clips playing side by side."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from torch import Tensor

from .columns import Metric
from .strips import COLUMNS, embedded

TEMPLATE = Path(__file__).with_name("page.html")


@dataclass(frozen=True, kw_only=True)
class Page:
    """What a report shows.

    truth: {metric: what the true frames get}. summary: {system: {metric: {mean, lo, hi, n,
    model}}}. clips: {system: {clip: {metric: value}}}. curves: {system: [a value for each frame]}
    of what `curve_title` says. groups: {part of the clips: (how many, its summary)}.
    """

    title: str
    notes: Sequence[str]
    columns: Sequence[Metric]
    truth: Mapping[str, float]
    summary: Mapping[str, Mapping[str, Mapping[str, object]]]
    clips: Mapping[str, Mapping[str, Mapping[str, float]]]
    prompts: Mapping[str, str]
    curves: Mapping[str, Sequence[float]]
    curve_title: str = ""
    groups: Mapping[str, tuple[int, Mapping]] | None = None


def write_page(file: Path, page: Page, media: Mapping[str, Mapping[str, Tensor]]) -> None:
    """media: {clip: {row: frames (f 3 h w) in [0, 1]}}, the truth among the rows; a clip without
    media is in the tables alone."""
    facts = {
        "title": page.title,
        "notes": list(page.notes),
        "metrics": [vars(m) | {"truth": page.truth.get(m.key)} for m in page.columns],
        "summary": page.summary,
        "clips": page.clips,
        "prompts": dict(page.prompts),
        "curves": {name: list(values) for name, values in page.curves.items()},
        "curveTitle": page.curve_title,
        "groups": [
            {"name": name, "count": count, "summary": summary}
            for name, (count, summary) in (page.groups or {}).items()
        ],
        "stripColumns": COLUMNS,
        "media": {clip: _rows(rows) for clip, rows in media.items()},
    }
    # "</" would end the script in which the facts stand; NaN is no JSON.
    text = json.dumps(facts, allow_nan=False).replace("</", "<\\/")
    html = TEMPLATE.read_text("utf-8").replace("@FACTS@", text)
    part = file.with_suffix(".part")
    part.write_text(html, encoding="utf-8")
    part.replace(file)


def _rows(rows: Mapping[str, Tensor]) -> dict[str, object]:
    frames = next(iter(rows.values()))
    return {
        "frames": len(frames),
        "height": frames.shape[-2],
        "width": frames.shape[-1],
        "rows": {name: embedded(clip) for name, clip in rows.items()},
    }
