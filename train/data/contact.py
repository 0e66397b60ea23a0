"""The sheet of a prepared store: what was kept, and what was dropped for which reason."""

import textwrap
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw

from train.data.outcome import Outcome, read_looks
from train.data.store import Record

SHOWN = 60  # of each kind, evenly from all
COLUMNS = 4
CELL = (200, 116)
STRIP_TOP = 4
COLOURS = {True: (16, 110, 40), False: (170, 30, 30)}


def write_sheet(out: Path, outcomes: Mapping[str, Outcome], records: list[Record]) -> None:
    """`sheet.png`: three pictures, name and caption or reason of each clip, kept ones first."""
    strips = _strips(out, outcomes)
    kept, dropped = ([r for r in records if r.kept is side] for side in (True, False))
    dropped.sort(key=lambda record: (record.reason.split(":")[0], record.id))
    shown = _chosen(kept) + _chosen(dropped)
    rows = -(-len(shown) // COLUMNS)
    sheet = Image.new("RGB", (COLUMNS * CELL[0], rows * CELL[1] + 20), "white")
    head = f"kept {len(kept)}, dropped {len(dropped)}; shown {len(shown)}"
    ImageDraw.Draw(sheet).text((4, 4), head, fill="black")
    for number, record in enumerate(shown):
        place = number % COLUMNS * CELL[0], number // COLUMNS * CELL[1] + 20
        sheet.paste(_cell(record, strips.get(record.id)), place)
    sheet.save(out / "sheet.png")


def _strips(out: Path, outcomes: Mapping[str, Outcome]) -> dict[str, np.ndarray]:
    found = {}
    for name, outcome in outcomes.items():
        if outcome.length:
            pictures = read_looks(out, name).strips
            found |= {r.id: p for r, p in zip(outcome.records, pictures, strict=False)}
    return found


def _chosen(records: list[Record]) -> list[Record]:
    if len(records) <= SHOWN:
        return records
    return [records[i] for i in np.linspace(0, len(records) - 1, SHOWN).round().astype(int)]


def _cell(record: Record, strip: np.ndarray | None) -> Image.Image:
    cell = Image.new("RGB", CELL, "white")
    if strip is not None:
        cell.paste(Image.fromarray(strip), (4, STRIP_TOP))
    told = f"{record.fps:g} fps, {record.caption}" if record.kept else record.reason
    lines = textwrap.wrap(_ascii(record.id), 32)[:1] + textwrap.wrap(_ascii(told), 32)[:2]
    colour = COLOURS[record.kept]
    draw = ImageDraw.Draw(cell)
    draw.rectangle((4, STRIP_TOP + 64, CELL[0] - 5, STRIP_TOP + 65), fill=colour)
    draw.text((4, STRIP_TOP + 67), "\n".join(lines), fill=colour)
    return cell


def _ascii(text: str) -> str:
    """The built-in font knows no other letters."""
    return text.encode("ascii", "replace").decode()
