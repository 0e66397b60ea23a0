"""The files of an evaluation: results, tables, curves, sheets, page and manifest."""

import time
from collections.abc import Mapping
from pathlib import Path

from PIL import Image

from .frame_curves import write_curves
from .gather import Report
from .manifest import manifest
from .page import Page, write_page
from .paper import figure_10, table_1, table_3, table_4
from .report import explained, of_clips, told
from .sheets import draw_sheet, pick, stack
from .store import write_json
from .tables import Table, markdown, write_table

PAGE_CLIPS = 80  # that the page plays: it holds their frames


def write(report: Report, *, started: float, processes: int) -> dict[str, object]:
    """All files into settings.out; returns what results.json holds. `started`: by
    `time.monotonic`, when the work began."""
    out, run = report.settings.out, report.run
    results = {"systems": report.table.summary, "seed": run.sampling.seed, "size": run.size}
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
    _write_page(out / "report.html", report)
    write_json(out / "manifest.json", manifest(report, time.monotonic() - started, processes))
    return results


def _write_tables(report: Report) -> None:
    out, run = report.settings.out, report.run

    def save(name: str, table: Table, before: str, more: str = "") -> None:
        write_table(out / name, table, before, f"\n{explained(table.metrics, run)}{more}")

    groups = (f"\n## {group.title}\n\n{markdown(group)}" for group in report.groups.values())
    save("table", report.table, told(run), "".join(groups))
    save("table_1", table_1(report), told(run))
    save("table_3", table_3(report), told(run))
    if report.decoded:
        save("table_4", table_4(report), of_clips(run))
        write_curves(out / "figure_10", figure_10(report))


def _write_sheets(report: Report) -> None:
    """Best, median and worst clips by the perceptual distance of the first system."""
    groups = pick(_distances(report))
    for group, names in groups.items():
        place = f"({group} of {report.specs[0].name})"
        sheets = [_sheet(report, name, place) for name in names]
        stack(sheets).save(report.settings.out / f"sheet_{group}.png", optimize=True)


def _distances(report: Report) -> dict[str, float]:
    """{clip: LPIPS of the first system, or where no network is there what SSIM lacks}."""
    key = report.run.measure.perceptual
    scored = report.scores[report.specs[0].name]
    return {name: s.values.get(key, 1 - s.values["ssim"]) for name, s in scored.items()}


def _sheet(report: Report, name: str, place: str) -> Image.Image:
    measure, prompt = report.run.measure, report.seen[name].prompt
    shown = [m for m in measure.columns() if m.key in (measure.perceptual, "psnr")]
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


def _write_page(file: Path, report: Report) -> None:
    distances = _distances(report)
    names = played(distances)
    notes = [told(report.run)]
    if len(names) < len(distances):
        notes.append(
            f"Of {len(distances)} clips {len(names)} play here: the best and the worst by the "
            f"perceptual distance of {report.specs[0].name}."
        )
    page = Page(
        title=f"{report.run.clips} clips of {report.run.testset}",
        notes=notes,
        table=report.table,
        paper=[table_1(report), table_3(report), *([table_4(report)] if report.decoded else [])],
        groups=list(report.groups.values()),
        curves=[*(figure_10(report) if report.decoded else []), *report.interpolated],
        clips=report.values,
        prompts={name: report.seen[name].prompt for name in names},
        fps={name: report.seen[name].fps for name in names},
    )
    write_page(file, page, ((name, report.rows(name)) for name in names))
