"""What came of one source, kept in `work/` until the shards are written and for later runs.

`<id>.json` has the fingerprint and the records, `<id>.npz` what clips are compared and shown by,
`<id>.tar` the members of the kept pieces. The json is written last: with it the work is done.
"""

import json
from dataclasses import dataclass
from math import inf
from pathlib import Path

import numpy as np

from train.data.shards import write_atomic
from train.data.store import Record, from_line, to_line

FOLDER = "work"


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """`records` of the pieces in their order, with places inside the source's own tar.

    `large` counts the source's windows of large motion; `length` is 0 where it could not be read.
    `stands_to` is the limit in minutes from which the source is tried again: the one that was too
    short for it, 0 after a crash.
    """

    fingerprint: str
    records: tuple[Record, ...]
    length: int = 0
    large: int = 0
    caption: str = ""
    stands_to: float = inf


@dataclass(frozen=True, kw_only=True)
class Looks:
    """Of one source: its motion signature, and thumbnails and a strip of every piece."""

    signature: np.ndarray
    thumbnails: np.ndarray
    strips: np.ndarray


def work_file(out: Path, identity: str, suffix: str) -> Path:
    """A source's file of one kind: .json, .npz or .tar."""
    return out / FOLDER / f"{identity}{suffix}"


def write_outcome(out: Path, identity: str, outcome: Outcome, looks: Looks | None) -> None:
    """The looks first, then the json that says that all is there."""
    if looks is not None:
        write_atomic(
            work_file(out, identity, ".npz"), lambda f: np.savez_compressed(f, **vars(looks))
        )
    entry = vars(outcome) | {"records": [to_line(record) for record in outcome.records]}
    text = json.dumps(entry, ensure_ascii=False)
    write_atomic(work_file(out, identity, ".json"), lambda f: f.write(text.encode()))


def read_outcome(out: Path, identity: str) -> Outcome | None:
    """None where the source was not finished, or by another version."""
    file = work_file(out, identity, ".json")
    if not file.exists():
        return None
    try:
        entry = json.loads(file.read_text(encoding="utf-8"))
        records = tuple(from_line(line, str(file)) for line in entry["records"])
        return Outcome(**{**entry, "records": records})
    except (ValueError, TypeError, KeyError):
        return None  # of another version: the work is done again


def read_looks(out: Path, identity: str) -> Looks:
    """Of a source that was read."""
    with np.load(work_file(out, identity, ".npz")) as arrays:
        return Looks(**{name: arrays[name] for name in arrays.files})
