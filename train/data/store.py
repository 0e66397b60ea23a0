"""The one store of clips: WebDataset tar shards with `index.jsonl` beside them.

A clip `walk` is the members `walk.json`, `walk.motion.npz` (train.data.motion), one
`walk.<frame>.webp` a frame (lossless, alpha kept) and, where sketches were drawn, one
`walk.<frame>.sketch.webp`. The index has one line a clip, with the place of each of its members,
so that any frame is read at random; lines with `kept: false` name what was dropped and why.
"""

import contextlib
import hashlib
import io
import json
import logging
import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass, field, fields
from math import isfinite
from pathlib import Path
from typing import Any

import numpy as np

from toon_core.pictures import UNREADABLE
from train.data.frames import FrameCache, decode_frame, decode_grey
from train.data.motion import Motion
from train.data.names import printable

log = logging.getLogger("toon.data")

INDEX = "index.jsonl"
SPLITS = ("train", "test")
Place = tuple[int, int]  # first byte and length inside the shard


@dataclass(frozen=True, kw_only=True)
class Places:
    """Where a clip's members lie in its shard; `span` is the whole clip but for its json."""

    span: Place = (0, 0)
    json: Place = (0, 0)
    motion: Place | None = None
    frames: tuple[Place, ...] = ()
    sketches: tuple[Place, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Record:
    """One line of the index, or one clip of a plain folder.

    `start` is the first frame in the source, `large` counts disjoint windows of large motion,
    `motion` is the mean change a second of 255, `scores` has what the filters measured and
    `no_model` the steps that were left out. A dropped clip has `kept` False and its `reason`.
    """

    id: str
    kept: bool = True
    reason: str = ""
    source: str = ""
    start: int = 0
    caption: str = ""
    caption_by: str = ""
    fps: float = 0.0
    frames: int = 0
    height: int = 0
    width: int = 0
    bucket: str = ""
    alpha: bool = False
    split: str = ""
    group: str = ""
    large: int = 0
    motion: float = 0.0
    sketch: str = ""
    scores: dict[str, float] = field(default_factory=dict)
    no_model: tuple[str, ...] = ()
    shard: str = ""
    places: Places = field(default_factory=Places)


def to_line(record: Record) -> str:
    """A record as one line of JSON."""
    return json.dumps(asdict(record), ensure_ascii=False, separators=(",", ":"))


def from_line(line: str, source: str) -> Record:
    """The record of a line; ValueError naming `source` where it is none."""
    try:
        entry = json.loads(line)
        wanted = {f.name for f in fields(Record)}
        if surplus := set(entry) - wanted:
            raise ValueError(f"unknown field {min(surplus)!r}")
        places = {name: _as_tuples(place) for name, place in entry["places"].items()}
        missing = tuple(entry["no_model"])
        record = Record(**{**entry, "no_model": missing, "places": Places(**places)})
        _check(record)
        return record
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
        raise ValueError(f"{source}: no line of train.prepare ({error})") from error


def _check(record: Record) -> None:
    """ValueError for what would lead out of the store, or is of another kind."""
    for name in (record.id, record.shard):
        if name and Path(name).name != name:
            raise ValueError(f"{printable(name, 80)!r} is no name of a clip or shard")
    for f in fields(Record):
        value, kind = getattr(record, f.name), type(f.default)
        allowed = (int, float) if kind is float else kind
        if kind in (bool, int, float, str) and not isinstance(value, allowed):
            raise ValueError(f"{f.name} is no {kind.__name__}")
    if not isfinite(record.fps):
        raise ValueError(f"fps is {record.fps}")
    p = record.places
    if record.kept and len(p.frames) != record.frames:
        raise ValueError(f"{record.frames} frames in {len(p.frames)} places")
    for place in (p.span, p.json, p.motion or (0, 0), *p.frames, *p.sketches):
        if [type(n) for n in place] != [int, int] or min(place) < 0:
            raise ValueError(f"{str(place)[:40]} is no place in a shard")


def _as_tuples(value: Any) -> Any:
    return tuple(map(_as_tuples, value)) if isinstance(value, list) else value


def read_index(root: Path) -> list[Record]:
    """Every record of a store, the dropped ones too; ValueError where there is no index."""
    file = root / INDEX
    if not file.is_file():
        raise ValueError(
            f"data={root}: no {INDEX} there; make one with "
            f"`python -m train.prepare data=FOLDER out={root}`"
        )
    try:
        lines = file.read_text(encoding="utf-8").split("\n")
    except UnicodeDecodeError as error:
        raise ValueError(f"{file}: no text in UTF-8, so no index of train.prepare") from error
    return [from_line(line, f"{file}, line {n}") for n, line in enumerate(lines, 1) if line]


def select_split(records: Iterable[Record], name: str) -> list[Record]:
    """The records of one split, "train" or "test"."""
    if name not in SPLITS:
        raise ValueError(f"split {name!r}: expected one of {SPLITS}")
    return [record for record in records if record.split in (name, "both")]


def stable_hash(*parts: object) -> int:
    """A 64-bit hash that is the same on every machine and run."""
    text = "\0".join(map(str, parts)).encode()
    return int.from_bytes(hashlib.sha256(text).digest()[:8], "big")


class Store:
    """A prepared store, opened for reading: clips by frame, at random.

    Clips of a shard that is missing or cut short are left out with a warning. Raises ValueError
    where `root` is no finished store, or none of its clips is there.
    """

    def __init__(self, root: str | Path) -> None:
        self.root = Path(root)
        kept = [record for record in read_index(self.root) if record.kept]
        self.records = self._readable(kept)
        if not self.records:
            raise ValueError(f"data={root}: its index has {len(kept)} clips, none can be read")
        self._open: dict[str, int] = {}
        self._cache = FrameCache()

    def __getstate__(self) -> dict:
        return self.__dict__ | {"_open": {}, "_cache": FrameCache()}  # a worker opens its own

    def __del__(self) -> None:
        for handle in getattr(self, "_open", {}).values():
            os.close(handle)

    def _readable(self, records: list[Record]) -> list[Record]:
        sizes = {record.shard: 0 for record in records}
        for shard in sorted(sizes):
            with contextlib.suppress(OSError):
                sizes[shard] = os.path.getsize(self.root / shard)
        good = [record for record in records if _end(record) <= sizes[record.shard]]
        lost = {record.shard for record in records if _end(record) > sizes[record.shard]}
        if lost:
            names = ", ".join(sorted(lost))
            log.warning(
                "%s: %d clips are left out, %s is missing or cut short",
                self.root, len(records) - len(good), names,
            )  # fmt: skip
        return good

    def split(self, name: str) -> list[Record]:
        """The records of one split, "train" or "test"."""
        return select_split(self.records, name)

    def stamp(self) -> list[str]:
        """Another list for other clips."""
        return [to_line(record) for record in self.records]

    def frames(self, record: Record, indices: Sequence[int] | None = None) -> np.ndarray:
        """Frames (n h w 4) of a clip, uint8 premultiplied RGBA; by default all of them."""
        return self._images(record, "frames", decode_frame, indices)

    def sketches(self, record: Record, indices: Sequence[int] | None = None) -> np.ndarray | None:
        """Sketches (n h w) of a clip, uint8, bright on black; None where none were drawn."""
        if not record.places.sketches:
            return None
        return self._images(record, "sketches", decode_grey, indices)

    def motion(self, record: Record) -> Motion:
        """Motion bands of a clip; ValueError naming it where they cannot be read."""
        with self._naming(record, "motion"):
            data = self._bytes(record, record.places.motion)
            with np.load(io.BytesIO(data)) as bands:
                return Motion(change=bands["change"].astype(np.float32), gram=bands["gram"])

    def _images(self, record: Record, kind: str, decode, indices) -> np.ndarray:
        places = getattr(record.places, kind)
        wanted = range(record.frames) if indices is None else indices
        images = []
        for index in wanted:
            place = places[index]

            def read(place: Place = place) -> np.ndarray:
                return decode(self._bytes(record, place))

            with self._naming(record, f"{kind[:-1]} {index}"):
                images.append(self._cache.get((record.id, kind, index), read))
        with self._naming(record, kind):
            return np.stack(images)

    @contextlib.contextmanager
    def _naming(self, record: Record, what: str) -> Iterator[None]:
        """Whatever cannot be read is a ValueError that names the clip."""
        try:
            yield
        except UNREADABLE as error:
            raise ValueError(
                f"{self.root / record.shard}: {record.id}, {what}: cannot be read ({error})"
            ) from error

    def _bytes(self, record: Record, place: Place) -> bytes:
        if record.shard not in self._open:
            self._open[record.shard] = os.open(self.root / record.shard, os.O_RDONLY)
        return os.pread(self._open[record.shard], place[1], place[0])


def _end(record: Record) -> int:
    """One past the last byte of a clip in its shard."""
    p = record.places
    return max(start + size for start, size in (p.json, *p.frames, *p.sketches))
