"""The exposure sheet of a shot: what it holds, and how it is written as one JSON document."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Collection
from dataclasses import MISSING, Field, asdict, dataclass, field, fields
from typing import Annotated, Any, Literal

from ..ranges import Items, Within

VERSION = 1
MOST_BYTES = 2**24  # of a document
MOST_FRAMES = 100_000
MOST_KEYS = 2_000
MOST_SEED = 2**53 - 1  # the greatest whole number that every JSON reader keeps

Frame = Annotated[int, Within(0, MOST_FRAMES)]
Share = Annotated[float, Within(0, 1)]
Seed = Annotated[int, Within(0, MOST_SEED)]
Rate = Annotated[int, Within(1, 60)]
Exposure = (
    Annotated[int, Within(1, 4)]
    | Annotated[tuple[int, ...], Within(1, MOST_FRAMES), Items(1, 1000)]
)
Chart = str | Annotated[tuple[float, ...], Items(0, 1000)]


class SheetError(ValueError):
    """What is wrong with a sheet: which field, of which key, on which frame. What it quotes may be
    anything: control characters become ?, and very long texts are cut."""

    def __init__(self, text: str) -> None:
        clean = "".join(c if c.isprintable() else "?" for c in text)
        super().__init__(clean if len(clean) <= 800 else f"{clean[:797]}...")


def _about(text: str, default: Any = MISSING) -> Any:
    """A field with its description, which the published schema shows."""
    return field(default=default, metadata={"about": text})


@dataclass(frozen=True, kw_only=True)
class Key:
    """A drawing on its frame."""

    id: str = _about("Its name in the document; without one, that of its picture.", "")
    frame: Frame = _about("Counted from 0.")
    image: str | int = _about("A file, relative to the sheet, or the place in a batch, from 0.")
    kind: Literal["key", "breakdown"] = _about("A mark; both end a segment.", "key")
    motion: Literal["auto", "through", "stop"] = _about(
        "Whether the motion goes on through this key at one speed; auto: judged by the pictures.",
        "auto",
    )
    note: str = _about("Free text.", "")


@dataclass(frozen=True, kw_only=True)
class Segment:
    """From a key to the next one. None: as the sheet says."""

    from_: str = _about("The id of the key that it starts at.")
    mode: Literal["tween", "hold"] = _about("hold: the key stands until the next one.", "tween")
    exposure: Exposure | None = _about("Frames that each drawing is shown, or of one by one.", None)
    slow_out: Share = _about("How slowly the first key is left.", 0.0)
    slow_in: Share = _about("How slowly the next key is reached.", 0.0)
    chart: Chart | None = _about(
        "Where the drawings lie on the way: the name of a chart, or a place of 0 to 1 for each.",
        None,
    )
    prompt: str | None = _about("What happens here.", None)
    negative: str | None = _about("What to avoid here.", None)
    seed: Seed | None = _about("Without one: from the sheet's seed and the key's id.", None)
    fs: Rate | None = _about("The frame rate that the model is told.", None)
    takes: Annotated[int, Within(1, 64)] = _about(
        "How many are made; the first is shown until one is locked.", 1
    )
    lock: str = _about("The name of the take that is shown whatever else changes.", "")


@dataclass(frozen=True, kw_only=True)
class Sketch:
    """A line drawing that one drawing between two keys follows."""

    frame: Frame = _about("Where the drawing begins that it is for.")
    image: str | int = _about("A file, relative to the sheet, or the place in a batch, from 0.")
    strength: Annotated[float, Within(0, 2)] | None = _about("Without one, the model's own.", None)
    start: Share = _about("Part of the sampling from which it acts.", 0.0)
    end: Share = _about("Part of the sampling to which it acts.", 1.0)


@dataclass(frozen=True, kw_only=True)
class Audio:
    """Sound of the movie."""

    file: str = _about("A file, relative to the sheet.")
    offset: Annotated[float, Within(-86400, 86400)] = _about(
        "Seconds into the shot at which it begins; negative: it has begun before.", 0.0
    )


@dataclass(frozen=True, kw_only=True)
class Sheet:
    """A checked sheet: keys in the order of their frames, a `Segment` for each that has one, and
    an id for every key. What is derived from it is in `plan.py`."""

    version: int = _about("1.")
    fps: Annotated[float, Within(0.1, 240)] = _about("Frames a second.", 24.0)
    length: Annotated[int, Within(2, MOST_FRAMES)] = _about("Frames of the result.")
    width: Annotated[int, Within(0, 16384)] = _about("Pixels, even; 0: the first key's.", 0)
    height: Annotated[int, Within(0, 16384)] = _about("Pixels, even; 0: the first key's.", 0)
    fit: Literal["pad", "crop", "stretch"] = _about(
        "How pictures of another size come to the result's.", "pad"
    )
    exposure: Exposure = _about("Frames that each drawing is shown: 1, 2 (on twos), 3 or 4.", 1)
    prompt: str = _about("What happens.", "")
    negative: str = _about("What to avoid.", "")
    seed: Seed = _about("From it and a key's id comes each segment's seed.", 123)
    fs: Rate | None = _about("The frame rate that the model is told; without one, its own.", None)
    loop: bool = _about(
        "The last segment ends at the first key, which would stand at length.", False
    )
    audio: Audio | None = _about("Sound of the movie.", None)
    keys: Annotated[tuple[Key, ...], Items(0, MOST_KEYS)] = _about(
        "At least two, the first on frame 0."
    )
    segments: Annotated[tuple[Segment, ...], Items(0, MOST_KEYS)] = _about(
        "Those that differ from the sheet's defaults.", ()
    )
    sketches: Annotated[tuple[Sketch, ...], Items(0, MOST_KEYS)] = _about(
        "Line drawings between keys.", ()
    )

    def to_json(self) -> dict[str, Any]:
        """The document; what is at its default is left out, ids of keys are not."""
        return _written(self)

    def segment(self, key: Key) -> Segment:
        return next((s for s in self.segments if s.from_ == key.id), Segment(from_=key.id))

    def seed_of(self, key: Key) -> int:
        """Of the segment that starts at a key; hangs on no other key."""
        own = self.segment(key).seed
        return derived_seed(self.seed, key.id) if own is None else own


def derived_seed(seed: int, *names: str | int) -> int:
    """A seed from another and names, as even as SHA-256 is."""
    text = json.dumps([seed, *names])
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:4], "big")


def free_id(name: str, taken: Collection[str]) -> str:
    """name, name@2, name@3 ...: the first that no key has."""
    free, count = name, 1
    while free in taken:
        count += 1
        free = f"{name}@{count}"
    return free


def json_name(one: Field[Any]) -> str:
    return one.name.rstrip("_")  # `from` is a word of Python


def _written(part: Any) -> dict[str, Any]:
    out: dict[str, Any] = {}
    for one in fields(part):
        value = getattr(part, one.name)
        if value == one.default:
            continue
        if isinstance(value, tuple) and value and hasattr(value[0], "__dataclass_fields__"):
            value = [_written(item) for item in value]
        elif isinstance(value, Audio):
            value = asdict(value)
        out[json_name(one)] = list(value) if isinstance(value, tuple) else value
    return out
