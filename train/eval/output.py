"""The files of an evaluation: results, tables, curves, manifest, contact sheets (the truth and all
systems, frame by frame, keys marked), and the page with plots and the clips side by side."""

import base64
import io
import json
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path

from PIL import Image, ImageDraw, ImageFont
from torch import Tensor

from train.engine.files import write_text

from .cache import write_json
from .manifest import manifest
from .report import Report
from .tables import Curve, Table, table_markdown, write_curves, write_table
from .testset import pixels

PAGE_CLIPS = 80  # that the page plays: it holds their frames
TEMPLATES = Path(__file__).with_name("templates")
FPS = 8  # of clips that do not say theirs
COLUMNS = 4  # frames of a strip side by side: WebP ends at 16383 pixels

# Of contact sheets, in pixels.
CELL = 128
GAP = 4
LABEL = 132
HEADER = 22
INK, PAPER, KEY = (30, 30, 30), (255, 255, 255), (214, 60, 40)


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
    _write_report_page(out / "report.html", report)
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
        place = f"({group} of {report.specs[0].name})"
        sheets = [_sheet(report, name, place) for name in names]
        stack(sheets).save(report.settings.out / f"sheet_{group}.png", optimize=True)


def _sheet(report: Report, name: str, place: str) -> Image.Image:
    clip = report.clips[name]
    shown = [m for m in report.columns if m.key in (report.perceptual, "psnr")]
    rows = {}
    for system, frames in report.rows(name).items():
        values = clip.systems[system].values if system in clip.systems else {}
        found = [f"{m.title} {values[m.key]:.{m.digits}f}" for m in shown if m.key in values]
        rows["\n".join([system, *found])] = frames
    return draw_sheet(" ".join([name, *([f'"{clip.prompt}"'] if clip.prompt else []), place]), rows)


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


def draw_sheet(title: str, rows: dict[str, Tensor]) -> Image.Image:
    """One clip: rows {label: frames (f 3 h w) in [0, 1]}; labels may have several lines.

    The first and last column are the keys and are framed.
    """
    frames = next(iter(rows.values()))
    count, height = len(frames), CELL
    width = round(frames.shape[-1] * CELL / frames.shape[-2])
    sheet = Image.new(
        "RGB",
        (LABEL + count * (width + GAP), 2 * HEADER + len(rows) * (height + GAP)),
        PAPER,
    )
    draw = ImageDraw.Draw(sheet)
    draw.text((GAP, 3), title, INK, font=ImageFont.load_default(15))
    for column in range(count):
        is_key = column in (0, count - 1)
        text, colour = (f"{column} key", KEY) if is_key else (str(column), INK)
        x = LABEL + column * (width + GAP)
        draw.text((x + 2, HEADER + 4), text, colour, font=ImageFont.load_default(13))
    for row, (label, images) in enumerate(rows.items()):
        y = 2 * HEADER + row * (height + GAP)
        draw.multiline_text((GAP, y + GAP), label, INK, font=ImageFont.load_default(13))
        for column, image in enumerate(pixels(images)):
            x, picture = LABEL + column * (width + GAP), Image.fromarray(image)
            if picture.size != (width, height):
                picture = picture.resize((width, height), Image.Resampling.LANCZOS)
            sheet.paste(picture, (x, y))
            if column in (0, count - 1):
                draw.rectangle((x, y, x + width - 1, y + height - 1), outline=KEY, width=2)
    return sheet


def stack(sheets: list[Image.Image]) -> Image.Image:
    """Sheets of several clips one below the other."""
    width = max(sheet.width for sheet in sheets)
    tall = Image.new("RGB", (width, sum(s.height + 3 * GAP for s in sheets)), PAPER)
    y = 0
    for sheet in sheets:
        tall.paste(sheet, (0, y))
        y += sheet.height + 3 * GAP
    return tall


def _write_report_page(file: Path, report: Report) -> None:
    names = played(report.ranked)
    notes = [report.caption()]
    if len(names) < len(report.clips):
        notes.append(
            f"Of {len(report.clips)} clips {len(names)} play here: the best and the worst by the "
            f"perceptual distance of {report.specs[0].name}."
        )
    write_page(
        file,
        title=f"{len(report.clips)} clips of {report.testset}",
        notes=notes,
        table=report.table,
        paper=report.paper.values(),
        groups=report.groups.values(),
        curves=chain(*report.curves.values()),
        values=report.values,
        media=(
            Media(name=clip.name, prompt=clip.prompt, fps=clip.fps, rows=report.rows(clip.name))
            for clip in (report.clips[name] for name in names)
        ),
    )


def played(ranked: Sequence[str], most: int = PAGE_CLIPS) -> Sequence[str]:
    """The clips that the page plays: all, or the best and the worst of them."""
    half = most // 2
    return ranked if len(ranked) <= most else [*ranked[:half], *ranked[half - most :]]


@dataclass(frozen=True, kw_only=True)
class Media:
    """A clip as the page plays it; fps None where it is not known. rows: {name: frames (f 3 h w)
    in [0, 1]}, the truth among them."""

    name: str
    prompt: str
    fps: int | None
    rows: Mapping[str, Tensor]


def write_page(
    file: Path,
    *,
    title: str,
    notes: Sequence[str],
    table: Table,
    paper: Iterable[Table],
    groups: Iterable[Table],
    curves: Iterable[Curve],
    values: Mapping[str, Mapping[str, Mapping[str, float]]],
    media: Iterable[Media],
) -> None:
    """One self-contained file. table: all metrics, of which the bars and the order of the clips
    are, too. values: {system: {clip: {metric: value}}}; a clip without media is in the tables
    alone."""
    facts = {
        "title": title,
        "notes": notes,
        "table": _page_table(table),
        "paper": [_page_table(table) for table in paper],
        "groups": [_page_table(table) for table in groups],
        "curves": [{"title": c.title, "systems": c.systems} for c in curves],
        "clips": values,
        "stripColumns": COLUMNS,
        "media": {clip.name: _media(clip) for clip in media},
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


def _media(clip: Media) -> dict[str, object]:
    frames = next(iter(clip.rows.values()))
    return {
        "prompt": clip.prompt,
        "fps": clip.fps or FPS,
        "frames": len(frames),
        "height": frames.shape[-2],
        "width": frames.shape[-1],
        "rows": {name: embedded(frames) for name, frames in clip.rows.items()},
    }


def strip(frames: Tensor) -> Image.Image:
    """Frames (f 3 h w) in [0, 1] in rows of `COLUMNS`."""
    levels = pixels(frames)
    height, width = levels.shape[1:3]
    columns, rows = min(COLUMNS, len(levels)), -(-len(levels) // COLUMNS)
    sheet = Image.new("RGB", (columns * width, rows * height))
    for i, frame in enumerate(levels):
        row, column = divmod(i, COLUMNS)
        sheet.paste(Image.fromarray(frame), (column * width, row * height))
    return sheet


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
