"""The files of an evaluation: results, tables, curves, sheets, manifest, and the page with plots
and the clips playing side by side."""

import json
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from PIL import Image
from torch import Tensor

from train.engine.files import write_text

from .cache import write_json
from .manifest import manifest
from .report import Report
from .sheets import COLUMNS, draw_sheet, embedded, pick, stack
from .tables import Curve, Table, table_markdown, write_curves, write_table

PAGE_CLIPS = 80  # that the page plays: it holds their frames
TEMPLATES = Path(__file__).with_name("templates")
FPS = 8  # of clips that do not say theirs


def write(report: Report, *, started: float, processes: int) -> dict[str, object]:
    """All files into settings.out; returns what results.json holds. `started`: by
    `time.monotonic`, when the work began."""
    out, summary = report.settings.out, report.table.summary
    results = {"systems": summary, "seed": report.settings.sampling.seed, "size": report.size}
    write_json(out / "results.json", results)
    write_json(out / "clips.json", report.values)
    groups = {
        name: {"n": group.clips, "truth": group.truth, "systems": group.summary}
        for name, group in report.groups.items()
    }
    write_json(out / "groups.json", groups)
    _write_tables(report)
    write_curves(out / "frame_index", report.interpolated)
    _write_sheets(report)
    _write_report_page(out / "report.html", report)
    write_json(out / "manifest.json", manifest(report, time.monotonic() - started, processes))
    return results


def _write_tables(report: Report) -> None:
    out = report.settings.out

    def save(name: str, table: Table, before: str, more: str = "") -> None:
        write_table(out / name, table, before, f"\n{report.legend(table.metrics)}{more}")

    groups = (f"\n## {group.title}\n\n{table_markdown(group)}" for group in report.groups.values())
    save("table", report.table, report.caption(), "".join(groups))
    save("table_1", report.table_1, report.caption())
    save("table_3", report.table_3, report.caption())
    if report.decoded:
        save("table_4", report.table_4, report.caption_of_clips())
        write_curves(out / "figure_10", report.figure_10)


def _write_sheets(report: Report) -> None:
    """Best, median and worst clips by the perceptual distance of the first system."""
    for group, names in pick(report.distances()).items():
        place = f"({group} of {report.specs[0].name})"
        sheets = [_sheet(report, name, place) for name in names]
        stack(sheets).save(report.settings.out / f"sheet_{group}.png", optimize=True)


def _sheet(report: Report, name: str, place: str) -> Image.Image:
    prompt = report.clips[name].prompt
    shown = [m for m in report.columns if m.key in (report.perceptual, "psnr")]
    rows = {}
    for system, frames in report.rows(name).items():
        values = report.scores[system][name].values if system in report.scores else {}
        found = [f"{m.title} {values[m.key]:.{m.digits}f}" for m in shown if m.key in values]
        rows["\n".join([system, *found])] = frames
    return draw_sheet(" ".join([name, *([f'"{prompt}"'] if prompt else []), place]), rows)


def played(distances: Mapping[str, float], most: int = PAGE_CLIPS) -> list[str]:
    """The clips that the page plays: all, or the best and the worst of them."""
    order = sorted(distances, key=lambda name: (distances[name], name))
    half = most // 2
    return order if len(order) <= most else order[:half] + order[half - most :]


def _write_report_page(file: Path, report: Report) -> None:
    distances = report.distances()
    names = played(distances)
    notes = [report.caption()]
    if len(names) < len(distances):
        notes.append(
            f"Of {len(distances)} clips {len(names)} play here: the best and the worst by the "
            f"perceptual distance of {report.specs[0].name}."
        )
    page = Page(
        title=f"{len(report.clips)} clips of {report.testset}",
        notes=notes,
        table=report.table,
        paper=[report.table_1, report.table_3, *([report.table_4] if report.decoded else [])],
        groups=list(report.groups.values()),
        curves=[*(report.figure_10 if report.decoded else []), *report.interpolated],
        clips=report.values,
        prompts={name: report.clips[name].prompt for name in names},
        fps={name: report.clips[name].fps for name in names},
    )
    write_page(file, page, ((name, report.rows(name)) for name in names))


@dataclass(frozen=True, kw_only=True)
class Page:
    """What the page shows.

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
    """One self-contained file. media: clip by clip its rows {name: frames (f 3 h w) in [0, 1]}, the
    truth among them; a clip without media is in the tables alone."""
    facts = {
        "title": page.title,
        "notes": list(page.notes),
        "table": _page_table(page.table),
        "paper": [_page_table(table) for table in page.paper],
        "groups": [_page_table(table) for table in page.groups],
        "curves": [{"title": c.title, "systems": dict(c.systems)} for c in page.curves],
        "clips": page.clips,
        "prompts": dict(page.prompts),
        "stripColumns": COLUMNS,
        "media": {clip: _media(rows, page.fps.get(clip) or FPS) for clip, rows in media},
    }
    write_text(file, filled("report.html", facts))


def _page_table(table: Table) -> dict[str, object]:
    metrics = [
        {
            **{k: getattr(m, k) for k in ("key", "title", "better", "digits", "meaning", "model")},
            "truth": table.truth.get(m.key),
            "counted": table.counted(m),
            "best": table.best(m),
        }
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


def filled(template: str, facts: object) -> str:
    """A page of `templates/` with the facts that its script draws from."""
    page = (TEMPLATES / template).read_text(encoding="utf-8")
    return page.replace("@FACTS@", script_json(facts))


def script_json(content: object) -> str:
    """JSON to stand in a page's script element, which "</script" would end, and "<!--<script" keep
    open to the end of the page; ValueError for NaN, which is no JSON."""
    return json.dumps(content, allow_nan=False).replace("<", "\\u003c")
