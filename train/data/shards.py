"""The files of prepared clips: WebDataset tar shards, and `index.jsonl` with a record of each clip.

A clip `walk` is the members `walk.json`, `walk.motion.npz` (train.data.motion), one
`walk.<frame>.webp` a frame (lossless, alpha kept) and, where sketches were drawn, one
`walk.<frame>.sketch.webp`. The index has one line a clip, with the place of each of its members,
so that any frame is read at random; lines with `kept: false` name what was dropped and why.
Equal clips give equal bytes.
"""

from __future__ import annotations

import hashlib
import json
import math
import re
import tarfile
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field, fields, replace
from pathlib import Path
from typing import Any

from train.engine.files import printable

INDEX = "index.jsonl"
SPLITS = ("train", "test")
NO_LICENCE = "not stated"
BLOCK = 512
END = bytes(2 * BLOCK)  # of a tar
SHARD = re.compile(rf"({'|'.join(SPLITS)})-\d{{6,}}\.tar(\.part(ial)?)?")
Place = tuple[int, int]  # first byte and length inside the shard
# Width over height, as film and comic pages have them.
RATIOS = {
    "1:2": 1 / 2,
    "9:16": 9 / 16,
    "2:3": 2 / 3,
    "3:4": 3 / 4,
    "1:1": 1.0,
    "4:3": 4 / 3,
    "3:2": 3 / 2,
    "8:5": 8 / 5,
    "16:9": 16 / 9,
    "2:1": 2.0,
    "12:5": 12 / 5,
}


@dataclass(frozen=True, kw_only=True)
class Places:
    """The places of a clip's members in its shard; `span` is the whole clip but for its json."""

    span: Place = (0, 0)
    json: Place = (0, 0)
    motion: Place | None = None
    frames: tuple[Place, ...] = ()
    sketches: tuple[Place, ...] = ()

    def moved(self, shift: int) -> Places:
        """The places, but for the json's, of a clip that begins `shift` bytes later."""

        def move(place: Place) -> Place:
            return (place[0] + shift, place[1])

        return replace(
            self,
            span=move(self.span),
            motion=move(self.motion) if self.motion else None,
            frames=tuple(map(move, self.frames)),
            sketches=tuple(map(move, self.sketches)),
        )


@dataclass(frozen=True, kw_only=True)
class Record:
    """One line of the index, or one clip of a plain folder.

    `start` is the first frame in the source, `licence` says whose the clip is and on what terms,
    `large` counts disjoint windows of large motion, `motion` is the mean change a second of 255,
    `scores` has what the filters measured and `no_model` the steps that were left out. A dropped
    clip has `kept` False and its `reason`.
    """

    id: str
    kept: bool = True
    reason: str = ""
    source: str = ""
    start: int = 0
    caption: str = ""
    caption_by: str = ""
    licence: str = ""
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


def to_line(record: Record, without: str = "") -> str:
    """A record as one line of JSON, but for the field `without`."""
    facts = {name: value for name, value in asdict(record).items() if name != without}
    return json.dumps(facts, ensure_ascii=False, separators=(",", ":"))


def from_line(line: str, source: str) -> Record:
    """The record of a line; ValueError naming `source` where it is none."""
    try:
        entry = json.loads(line)
        if surplus := set(entry) - {f.name for f in fields(Record)}:
            raise ValueError(f"unknown field {min(surplus)!r}")
        places = {name: _as_tuples(place) for name, place in entry["places"].items()}
        no_model = tuple(entry["no_model"])
        record = Record(**{**entry, "no_model": no_model, "places": Places(**places)})
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
    if not math.isfinite(record.fps):
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


def stable_hash(*parts: object) -> int:
    """A 64-bit hash that is the same on every machine and run."""
    text = "\0".join(map(str, parts)).encode()
    return int.from_bytes(hashlib.sha256(text).digest()[:8], "big")


def bucket_of(height: int, width: int) -> str:
    """The bucket of the nearest aspect, by the logarithm of the ratio."""
    aspect = math.log(width / height)
    return min(RATIOS, key=lambda name: abs(math.log(RATIOS[name]) - aspect))


def bucket_shape(name: str, area: int, multiple: int) -> tuple[int, int]:
    """Height and width of a bucket of about `area` pixels, in multiples that the model takes."""
    height = math.sqrt(area / RATIOS[name])
    high = max(1, round(height / multiple))
    wide = max(1, round(height * RATIOS[name] / multiple))
    return high * multiple, wide * multiple


def shard_name(split: str, number: int) -> str:
    return f"{split}-{number:06d}.tar"


def find_shards(folder: Path) -> list[Path]:
    """The shards in a folder, finished or not; no other tar."""
    return [path for path in sorted(folder.glob("*.tar*")) if SHARD.fullmatch(path.name)]


def fragment(members: Iterable[tuple[str, bytes]]) -> tuple[bytes, list[Place]]:
    """Members as they stand in a tar, without its end, and the place of each one's data; no times,
    no owner."""
    whole, places = bytearray(), []
    for name, data in members:
        info = tarfile.TarInfo(name)
        info.size, info.mtime, info.mode = len(data), 0, 0o644
        whole += info.tobuf(tarfile.PAX_FORMAT)
        places.append((len(whole), len(data)))
        whole += data + bytes(-len(data) % BLOCK)
    return bytes(whole), places


def read_place(shard: Path, place: Place) -> bytes:
    """Some bytes of a shard."""
    with open(shard, "rb") as file:
        file.seek(place[0])
        return file.read(place[1])
