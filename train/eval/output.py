"""The files of an evaluation: results, tables, curves, manifest, contact sheets (the truth and all
systems, frame by frame, keys marked), and the page with plots and the clips side by side."""

import base64
import io
import json
import time
from collections.abc import Iterable, Iterator, Sequence
from itertools import chain
from pathlib import Path

from PIL import Image
from torch import Tensor
from torchvision.utils import make_grid

from train.engine.files import write_text
from train.engine.logger import labelled_rows

from .cache import write_json
from .manifest import manifest
from .report import Report
from .tables import Table, table_markdown, write_curves, write_table
from .testset import pixels

PAGE_CLIPS = 80  # that the page plays: it holds their frames
TEMPLATES = Path(__file__).with_name("templates")
CELL = 128  # height of a sheet's frames in pixels
FPS = 8  # of clips that do not say theirs
COLUMNS = 4  # frames of a strip side by side: WebP ends at 16383 pixels


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
    for name, curves in report.curves.items():
        write_curves(out / name, curves)
    _write_sheets(report)
    write_page(out / "report.html", report)
    write_json(out / "manifest.json", manifest(report, time.monotonic() - started, processes))
    return results


def _write_tables(report: Report) -> None:
    groups = (f"\n## {group.title}\n\n{table_markdown(group)}" for group in report.groups.values())
    for name, table in {"table": report.table, **report.paper}.items():
        before = report.caption_of_clips() if name == "table_4" else report.caption()
        after = "".join(groups) if name == "table" else ""
        legend = f"\n{report.legend(table.metrics)}{after}"
        write_table(report.settings.out / name, table, before, legend)


def _write_sheets(report: Report) -> None:
    """Best, median and worst clips by the perceptual distance of the first system."""
    for group, names in pick(report.ranked).items():
        sheet = draw_sheet(_sheet_rows(report, names, f"{group} of {report.specs[0].name}"))
        sheet.save(report.settings.out / f"sheet_{group}.png", optimize=True)


def _sheet_rows(report: Report, names: Iterable[str], place: str) -> Iterator[tuple[str, Tensor]]:
    """Of each clip a row of the truth, and one of each system with what it scored."""
    shown = [m for m in report.columns if m.key in (report.perceptual, "psnr")]
    for clip in (report.clips[name] for name in names):
        for name, frames in report.rows(clip.name).items():
            about = [f'"{clip.prompt}"', place] if clip.prompt else [place]
            if name in clip.systems:
                values = clip.systems[name].values
                found = [m for m in shown if m.key in values]
                about = [f"{m.title} {values[m.key]:.{m.digits}f}" for m in found]
            yield ", ".join([f"{name}: {clip.name}", *about]), frames


def pick(ranked: Sequence[str], count: int = 3) -> dict[str, Sequence[str]]:
    """The first, the middle and the last clips.

    With few clips a clip can be in more than one group.
    """
    start = max(0, (len(ranked) - count) // 2)
    return {
        "best": ranked[:count],
        "median": ranked[start : start + count],
        "worst": ranked[-count:],
    }


def draw_sheet(rows: Iterable[tuple[str, Tensor]]) -> Image.Image:
    """Clips (f 3 h w) in [0, 1] under their labels; the first and the last frame are the keys and
    are framed."""
    turned = ((label, 2 * frames.transpose(0, 1) - 1) for label, frames in rows)
    return Image.fromarray(labelled_rows(turned, height=CELL, keys=True))


def write_page(file: Path, report: Report) -> None:
    """One self-contained file: tables, plots, and the clips that it plays."""
    names, notes = played(report.ranked), [report.caption()]
    if len(names) < len(report.clips):
        notes.append(
            f"Of {len(report.clips)} clips {len(names)} play here: the best and the worst by the "
            f"perceptual distance of {report.specs[0].name}."
        )
    facts = {
        "title": f"{len(report.clips)} clips of {report.testset}",
        "notes": notes,
        "table": _page_table(report.table),
        "paper": [_page_table(table) for table in report.paper.values()],
        "groups": [_page_table(table) for table in report.groups.values()],
        "curves": [
            {"title": curve.title, "systems": curve.systems}
            for curve in chain(*report.curves.values())
        ],
        "clips": report.values,
        "stripColumns": COLUMNS,
        "media": {name: _media(report, name) for name in names},
    }
    write_text(file, filled("report.html", facts))


def played(ranked: Sequence[str], most: int = PAGE_CLIPS) -> Sequence[str]:
    """The clips that the page plays: all, or the best and the worst of them."""
    half = most // 2
    return ranked if len(ranked) <= most else [*ranked[:half], *ranked[half - most :]]


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


def _media(report: Report, name: str) -> dict[str, object]:
    """A clip as the page plays it."""
    clip, rows = report.clips[name], report.rows(name)
    height, width = clip.size
    return {
        "prompt": clip.prompt,
        "fps": clip.fps or FPS,
        "frames": clip.frames,
        "height": height,
        "width": width,
        "rows": {name: embedded(frames) for name, frames in rows.items()},
    }


def strip(frames: Tensor) -> Image.Image:
    """Frames (f 3 h w) in [0, 1] in rows of `COLUMNS`."""
    return Image.fromarray(pixels(make_grid(frames, COLUMNS, padding=0)[None])[0])


def embedded(frames: Tensor, quality: int = 80) -> str:
    """The strip as a data URL, lossy."""
    file = io.BytesIO()
    strip(frames).save(file, "WEBP", quality=quality)
    return "data:image/webp;base64," + base64.b64encode(file.getvalue()).decode("ascii")


def filled(template: str, facts: object) -> str:
    """A page of `templates/` with the facts that its script draws from."""
    page = (TEMPLATES / template).read_text(encoding="utf-8")
    return page.replace("@FACTS@", script_json(facts))


def script_json(content: object) -> str:
    """JSON to stand in a page's script element, which "</script" would end, and "<!--<script" keep
    open to the end of the page; ValueError for NaN, which is no JSON."""
    return json.dumps(content, allow_nan=False).replace("<", "\\u003c")
