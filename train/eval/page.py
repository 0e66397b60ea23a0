"""The report as one self-contained page: tables, plots, and the clips playing side by side."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from torch import Tensor

from .frame_curves import Curve
from .store import script_json
from .strips import COLUMNS, embedded
from .tables import Table, counted

TEMPLATE = Path(__file__).with_name("page.html")
FPS = 8  # of clips that do not say theirs


@dataclass(frozen=True, kw_only=True)
class Page:
    """What a report shows.

    table: all metrics, of which the bars and the order of the clips are, too. clips: {system:
    {clip: {metric: value}}}. prompts and fps: {clip: ...}, fps None where it is not known.
    """

    title: str
    notes: Sequence[str]
    table: Table
    paper: Sequence[Table]
    groups: Sequence[Table]
    curves: Sequence[Curve]
    clips: Mapping[str, Mapping[str, Mapping[str, float]]]
    prompts: Mapping[str, str]
    fps: Mapping[str, int | None]


def write_page(file: Path, page: Page, media: Iterable[tuple[str, Mapping[str, Tensor]]]) -> None:
    """media: clip by clip its rows {name: frames (f 3 h w) in [0, 1]}, the truth among them; a
    clip without media is in the tables alone."""
    facts = {
        "title": page.title,
        "notes": list(page.notes),
        "table": _table(page.table),
        "paper": [_table(table) for table in page.paper],
        "groups": [_table(table) for table in page.groups],
        "curves": [{"title": c.title, "systems": dict(c.systems)} for c in page.curves],
        "clips": page.clips,
        "prompts": dict(page.prompts),
        "stripColumns": COLUMNS,
        "media": {clip: _media(rows, page.fps.get(clip) or FPS) for clip, rows in media},
    }
    html = TEMPLATE.read_text("utf-8").replace("@FACTS@", script_json(facts))
    part = file.with_suffix(".part")
    part.write_text(html, encoding="utf-8")
    part.replace(file)


def _table(table: Table) -> dict[str, object]:
    metrics = [
        vars(m) | {"truth": table.truth.get(m.key), "counted": counted(table, m)}
        for m in table.metrics
    ]
    shown = {"title": table.title, "note": table.note}
    return shown | {"metrics": metrics, "summary": table.summary}


def _media(rows: Mapping[str, Tensor], fps: int) -> dict[str, object]:
    frames = next(iter(rows.values()))
    return {
        "frames": len(frames),
        "height": frames.shape[-2],
        "width": frames.shape[-1],
        "fps": fps,
        "rows": {name: embedded(clip) for name, clip in rows.items()},
    }
