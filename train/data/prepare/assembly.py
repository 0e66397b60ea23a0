"""From the finished work of all sources to shards, index, splits and the sheet to judge them by."""

import json
import textwrap
from collections import Counter, defaultdict
from collections.abc import Mapping
from dataclasses import asdict, replace
from functools import partial
from pathlib import Path
from typing import IO

import numpy as np
from PIL import Image, ImageDraw

from train.data.prepare.config import PrepareConfig
from train.data.prepare.outcome import Outcome, Previews, read_previews, work_file
from train.data.prepare.splits import assign_splits, find_duplicates, find_groups
from train.data.shards import (
    END,
    INDEX,
    Place,
    Places,
    Record,
    find_shards,
    fragment,
    read_place,
    shard_name,
    to_line,
)
from train.engine.files import atomic_write, write_text

NOT_IN_JSON = {"kept", "reason", "no_model", "licence", "shard", "places"}  # the index alone has it
SHOWN = 60  # of each kind, evenly from all
COLUMNS = 4
CELL = (200, 116)
STRIP_TOP = 4
COLOURS = {True: (16, 110, 40), False: (170, 30, 30)}


def assemble(
    config: PrepareConfig, outcomes: Mapping[str, Outcome], licences: Mapping[str, str]
) -> list[Record]:
    """Write the shards, the index, with the `licences` of the sources, and the sheet; the records,
    sorted by id.

    The old index goes first and the new one comes last, so that a run killed here is seen to be
    unfinished; its work is all there still.
    """
    out = Path(config.out)
    names = [name for name in sorted(outcomes) if outcomes[name].length]
    previews = {name: read_previews(out, name) for name in names}
    split = _split_sources(config, outcomes, previews)
    records = _drop_duplicates(config, outcomes, previews)
    (out / INDEX).unlink(missing_ok=True)
    for shard in find_shards(out):
        shard.unlink()
    records = [(name, replace(r, licence=licences.get(name, ""))) for name, r in records]
    finished = _write_shards(config, records, split)
    lines = "".join(to_line(record) + "\n" for record in finished)
    write_text(out / INDEX, lines, sync=True)
    write_sheet(out, outcomes, previews, finished)
    return finished


def _split_sources(
    config: PrepareConfig, outcomes: Mapping[str, Outcome], previews: Mapping[str, Previews]
) -> dict[str, Record]:
    """Group and split of every source that could be read, whatever the filters made of it: so
    other filters do not move a clip from one split to the other."""
    sources = [
        Record(id=name, caption=outcomes[name].caption, large=outcomes[name].large)
        for name in previews
        if outcomes[name].length >= config.least_frames
    ]
    if not sources:
        return {}
    signatures = np.stack([previews[source.id].signature for source in sources])
    groups = find_groups(signatures, [source.caption for source in sources], config.families)
    grouped = [replace(s, group=sources[g].id) for s, g in zip(sources, groups, strict=True)]
    return {source.id: source for source in assign_splits(grouped, config.split)}


def _drop_duplicates(
    config: PrepareConfig, outcomes: Mapping[str, Outcome], previews: Mapping[str, Previews]
) -> list[tuple[str, Record]]:
    """(source, record) of every piece by id, later near-duplicates dropped."""
    pieces = [
        (record, name, previews[name].thumbnails[number] if record.kept else None)
        for name, outcome in outcomes.items()
        for number, record in enumerate(outcome.records)
    ]
    pieces.sort(key=lambda piece: piece[0].id)
    kept = [piece for piece in pieces if piece[0].kept]
    dropped: dict[str, Record] = {}
    if config.filters.duplicate and kept:
        found = find_duplicates(np.stack([p[2] for p in kept]), config.filters.duplicate)
        for later, first in found.items():
            record, reason = kept[later][0], f"duplicate: of {kept[first][0].id}"
            dropped[record.id] = replace(record, kept=False, reason=reason, places=Places())
    return [(name, dropped.get(record.id, record)) for record, name, _ in pieces]


def _write_shards(
    config: PrepareConfig, records: list[tuple[str, Record]], split: Mapping[str, Record]
) -> list[Record]:
    """Shards of about `shard_mb`, of which no clip is divided; the records with their places."""
    out, finished = Path(config.out), []
    clips: dict[str, list[tuple[Path, Place, bytes]]] = defaultdict(list)  # of a shard
    numbers, ends = Counter(), Counter()  # of each split's last shard
    for name, record in records:
        if name in split:
            record = replace(record, split=split[name].split, group=split[name].group)
        if record.kept:
            side = "train" if record.split == "both" else record.split
            span = record.places.span
            json_member, [(start, size)] = fragment([(f"{record.id}.json", _facts(record))])
            length = span[1] + len(json_member)
            if ends[side] and ends[side] + length > config.shard_mb * 2**20:
                numbers[side] += 1
                ends[side] = 0
            shard = shard_name(side, numbers[side])
            clips[shard].append((work_file(out, name, ".tar"), span, json_member))
            places = record.places.moved(ends[side] - span[0])
            places = replace(places, json=(ends[side] + span[1] + start, size))
            record = replace(record, shard=shard, places=places)
            ends[side] += length
        finished.append(record)
    for shard, parts in clips.items():
        atomic_write(out / shard, partial(_write_shard, parts), sync=True)
    return finished


def _facts(record: Record) -> bytes:
    """The json of a clip inside its shard."""
    facts = {name: value for name, value in asdict(record).items() if name not in NOT_IN_JSON}
    return json.dumps(facts, ensure_ascii=False).encode()


def _write_shard(parts: list[tuple[Path, Place, bytes]], file: IO[bytes]) -> None:
    for tar, span, json_member in parts:
        file.write(read_place(tar, span))
        file.write(json_member)
    file.write(END)


def write_sheet(
    out: Path,
    outcomes: Mapping[str, Outcome],
    previews: Mapping[str, Previews],
    records: list[Record],
) -> None:
    """`sheet.png`: three pictures, name and caption or reason of each clip, kept ones first."""
    strips: dict[str, np.ndarray] = {}
    for name, own in previews.items():  # what ended the reading of a source has none
        strips |= {r.id: s for r, s in zip(outcomes[name].records, own.strips, strict=False)}
    kept, dropped = ([r for r in records if r.kept is side] for side in (True, False))
    dropped.sort(key=lambda record: (record.reason.split(":")[0], record.id))
    shown = _thin_out(kept) + _thin_out(dropped)
    rows = -(-len(shown) // COLUMNS)
    sheet = Image.new("RGB", (COLUMNS * CELL[0], rows * CELL[1] + 20), "white")
    head = f"kept {len(kept)}, dropped {len(dropped)}; shown {len(shown)}"
    ImageDraw.Draw(sheet).text((4, 4), head, fill="black")
    for number, record in enumerate(shown):
        place = number % COLUMNS * CELL[0], number // COLUMNS * CELL[1] + 20
        sheet.paste(_draw_cell(record, strips.get(record.id)), place)
    sheet.save(out / "sheet.png")


def _thin_out(records: list[Record]) -> list[Record]:
    if len(records) <= SHOWN:
        return records
    return [records[i] for i in np.linspace(0, len(records) - 1, SHOWN).round().astype(int)]


def _draw_cell(record: Record, strip: np.ndarray | None) -> Image.Image:
    cell = Image.new("RGB", CELL, "white")
    if strip is not None:
        cell.paste(Image.fromarray(strip), (4, STRIP_TOP))
    text = f"{record.fps:g} fps, {record.caption}" if record.kept else record.reason
    text, name = (t.encode("ascii", "replace").decode() for t in (text, record.id))  # the font's
    lines = textwrap.wrap(name, 32)[:1] + textwrap.wrap(text, 32)[:2]
    colour = COLOURS[record.kept]
    draw = ImageDraw.Draw(cell)
    draw.rectangle((4, STRIP_TOP + 64, CELL[0] - 5, STRIP_TOP + 65), fill=colour)
    draw.text((4, STRIP_TOP + 67), "\n".join(lines), fill=colour)
    return cell
