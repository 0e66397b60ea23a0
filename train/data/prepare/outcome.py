"""What came of one source, kept in `work/` until the shards are written and for later runs.

`<id>.json` has the fingerprint and the records, `<id>.npz` what clips are compared and shown by,
`<id>.tar` the members of the kept pieces. The json is written last: with it the work is done.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from math import inf
from pathlib import Path

import numpy as np

from train.data.shards import Record, from_line, read_place, to_line
from train.engine.files import atomic_write, write_text

FOLDER = "work"


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """`records` of the pieces in their order, with places inside the source's own tar.

    `large` counts the source's windows of large motion; `length` is 0 where it could not be read;
    `seconds` is what each step took.
    `stands_to` is the limit in minutes from which the source is tried again: the one that was too
    short for it, 0 after a crash.
    """

    fingerprint: str
    records: tuple[Record, ...]
    length: int = 0
    large: int = 0
    caption: str = ""
    stands_to: float = inf
    seconds: dict[str, float] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Previews:
    """What a source is compared and shown by: its motion signature; of every piece thumbnails and a
    strip of three pictures."""

    signature: np.ndarray
    thumbnails: np.ndarray
    strips: np.ndarray


def work_file(out: Path, identity: str, suffix: str) -> Path:
    """A source's file of one kind: .json, .npz or .tar."""
    return out / FOLDER / f"{identity}{suffix}"


def write_outcome(out: Path, identity: str, outcome: Outcome, previews: Previews | None) -> None:
    """The previews first, then the json that says that all is there."""
    if previews is not None:
        file = work_file(out, identity, ".npz")
        atomic_write(file, lambda f: np.savez_compressed(f, **vars(previews)), sync=True)
    entry = vars(outcome) | {"records": [to_line(record) for record in outcome.records]}
    text = json.dumps(entry, ensure_ascii=False)
    write_text(work_file(out, identity, ".json"), text, sync=True)


def read_outcome(out: Path, identity: str) -> Outcome | None:
    """None where the source was not finished, or by another version."""
    file = work_file(out, identity, ".json")
    try:
        entry = json.loads(file.read_text(encoding="utf-8"))
        records = tuple(from_line(line, str(file)) for line in entry["records"])
        return Outcome(**{**entry, "records": records})
    except (FileNotFoundError, ValueError, TypeError, KeyError):
        return None  # not there, or of another version: the work is done again


def read_previews(out: Path, identity: str) -> Previews:
    """The previews of a source that was read."""
    with np.load(work_file(out, identity, ".npz")) as arrays:
        return Previews(**{name: arrays[name] for name in arrays.files})


def restore_tar(out: Path, name: str, outcome: Outcome, index: Mapping[str, Record]) -> bool:
    """Bring a source's tar back from the shards that an earlier run wrote from it.

    False where that cannot be done: a piece is in no shard, or the shard is not there.
    """
    tar = work_file(out, name, ".tar")
    if tar.exists():
        return True
    kept = [index.get(record.id) for record in outcome.records if record.kept]
    if not all(r and r.kept and (out / r.shard).is_file() for r in kept):
        return False
    parts = [read_place(out / record.shard, record.places.span) for record in kept]
    if [len(part) for part in parts] != [record.places.span[1] for record in kept]:
        return False
    atomic_write(tar, lambda file: file.write(b"".join(parts)), sync=True)
    return True
