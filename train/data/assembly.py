"""From the finished work of all sources to shards, index and splits."""

import json
import os
from collections.abc import Mapping
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np

from train.data.lookalikes import find_duplicates, find_groups
from train.data.options import PrepareConfig
from train.data.outcome import Looks, Outcome, read_looks, work_file
from train.data.shards import ShardWriter, found_shards, fragment, write_atomic
from train.data.splits import assign_splits
from train.data.store import INDEX, SPLITS, Places, Record, to_line

NOT_IN_JSON = {"kept", "reason", "no_model", "shard", "places"}  # the index alone has them


def assemble(config: PrepareConfig, outcomes: Mapping[str, Outcome]) -> list[Record]:
    """Write the shards and the index; the records, sorted by id.

    The old index goes first and the new one comes last, so that a run killed here is seen to be
    unfinished; its work is all there still.
    """
    out = Path(config.out)
    looks = {name: read_looks(out, name) for name in sorted(outcomes) if outcomes[name].length}
    split = _split_sources(config, outcomes, looks)
    records = _deduplicated(config, outcomes, looks)
    (out / INDEX).unlink(missing_ok=True)
    for shard in found_shards(out):
        shard.unlink()
    finished = _write_shards(config, records, split)
    lines = "".join(to_line(record) + "\n" for record in finished)
    write_atomic(out / INDEX, lambda file: file.write(lines.encode()))
    return finished


def _split_sources(
    config: PrepareConfig, outcomes: Mapping[str, Outcome], looks: Mapping[str, Looks]
) -> dict[str, Record]:
    """Group and split of every source that could be read, whatever the filters made of it: so
    other filters do not move a clip from one split to the other."""
    sources = [
        Record(id=name, caption=outcomes[name].caption, large=outcomes[name].large)
        for name in looks
        if outcomes[name].length >= config.least_frames
    ]
    if not sources:
        return {}
    signatures = np.stack([looks[source.id].signature for source in sources])
    groups = find_groups(signatures, [source.caption for source in sources], config.families)
    grouped = [replace(s, group=sources[g].id) for s, g in zip(sources, groups, strict=True)]
    return {source.id: source for source in assign_splits(grouped, config.split)}


def _deduplicated(
    config: PrepareConfig, outcomes: Mapping[str, Outcome], looks: Mapping[str, Looks]
) -> list[tuple[str, Record]]:
    """(source, record) of every piece by id, later near-duplicates dropped."""
    pieces = [
        (record, name, looks[name].thumbnails[number] if record.kept else None)
        for name, outcome in outcomes.items()
        for number, record in enumerate(outcome.records)
    ]
    pieces.sort(key=lambda piece: piece[0].id)
    kept = [piece for piece in pieces if piece[0].kept]
    repeats: dict[str, str] = {}
    if config.filters.duplicate and kept:
        found = find_duplicates(np.stack([p[2] for p in kept]), config.filters.duplicate)
        repeats = {kept[later][0].id: kept[first][0].id for later, first in found.items()}
    return [(name, _dropped_as_repeat(record, repeats)) for record, name, _ in pieces]


def _dropped_as_repeat(record: Record, repeats: Mapping[str, str]) -> Record:
    if record.id not in repeats:
        return record
    reason = f"duplicate: of {repeats[record.id]}"
    return replace(record, kept=False, reason=reason, places=Places())


def _write_shards(
    config: PrepareConfig, records: list[tuple[str, Record]], split: Mapping[str, Record]
) -> list[Record]:
    out = Path(config.out)
    writers = {name: ShardWriter(out, name, config.shard_mb * 2**20) for name in SPLITS}
    finished = []
    for name, record in records:
        if name in split:
            record = replace(record, split=split[name].split, group=split[name].group)
        if record.kept:
            part = _part(work_file(out, name, ".tar"), record.places)
            writer = writers["train" if record.split == "both" else record.split]
            record = _stored(writer, record, part)
        finished.append(record)
    for writer in writers.values():
        writer.close()
    return finished


def _part(tar: Path, places: Places) -> bytes:
    start, size = places.span
    with open(tar, "rb") as file:
        return os.pread(file.fileno(), size, start)


def _stored(writer: ShardWriter, record: Record, part: bytes) -> Record:
    facts = {name: value for name, value in asdict(record).items() if name not in NOT_IN_JSON}
    text = json.dumps(facts, ensure_ascii=False).encode()
    end, places = fragment([(f"{record.id}.json", text)])
    shard, start = writer.add(part + end)
    shift = start - record.places.span[0]
    own = (start + len(part) + places[0][0], places[0][1])
    return replace(record, shard=shard, places=replace(_moved(record.places, shift), json=own))


def _moved(places: Places, shift: int) -> Places:
    def moved(place):
        return (place[0] + shift, place[1])

    return Places(
        span=moved(places.span),
        motion=moved(places.motion),
        frames=tuple(map(moved, places.frames)),
        sketches=tuple(map(moved, places.sketches)),
    )


def restore(out: Path, name: str, outcome: Outcome, index: Mapping[str, Record]) -> bool:
    """Bring a source's tar back from the shards that an earlier run wrote from it.

    False where that cannot be done: a piece is in no shard, or the shard is not there.
    """
    tar = work_file(out, name, ".tar")
    if tar.exists():
        return True
    kept = [index.get(record.id) for record in outcome.records if record.kept]
    if not all(r and r.kept and (out / r.shard).is_file() for r in kept):
        return False
    parts = [_part(out / record.shard, record.places) for record in kept]
    if [len(part) for part in parts] != [record.places.span[1] for record in kept]:
        return False
    write_atomic(tar, lambda file: file.write(b"".join(parts)))
    return True
