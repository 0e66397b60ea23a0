"""What must hold between the fields of a sheet."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from itertools import pairwise

from .charts import CHARTS
from .sheet import Key, Segment, Sheet, SheetError, Sketch
from .timing import starts_of


def check(sheet: Sheet) -> Sheet:
    """The sheet with its segments and sketches in the order of frames. SheetError naming the field,
    the key and the frame."""
    for name in ("width", "height"):
        if getattr(sheet, name) % 2:
            raise SheetError(f"{name} = {getattr(sheet, name)}: movies need an even number")
    if (sheet.width == 0) != (sheet.height == 0):
        raise SheetError(
            f"width = {sheet.width}, height = {sheet.height}: give both, or neither for the first "
            "key's size"
        )
    _keys(sheet)
    by_id = {key.id: key for key in sheet.keys}
    for segment in sheet.segments:
        _segment(sheet, by_id, segment)
    if doubled := _more_than_once(s.from_ for s in sheet.segments):
        raise SheetError(f"segments: two begin at key {doubled!r}: make them one")
    for sketch in sheet.sketches:
        _sketch(sheet, sketch)
    if doubled := _more_than_once(s.frame for s in sheet.sketches):
        raise SheetError(f"sketches: two on frame {doubled}: keep one")
    _together(sheet)
    segments = sorted(sheet.segments, key=lambda s: by_id[s.from_].frame)
    sketches = sorted(sheet.sketches, key=lambda s: s.frame)
    return replace(sheet, segments=tuple(segments), sketches=tuple(sketches))


def _more_than_once(items: object) -> object:
    return next((item for item, n in Counter(items).items() if n > 1), None)  # type: ignore[call-overload]


def _named(key: Key) -> str:
    return f"key {key.id!r} (frame {key.frame})"


def _keys(sheet: Sheet) -> None:
    if len(sheet.keys) < 2:
        raise SheetError(f"keys: {len(sheet.keys)} given, a shot needs two at least")
    if sheet.keys[0].frame != 0:
        raise SheetError(f"{_named(sheet.keys[0])} is the first: it belongs on frame 0")
    if doubled := _more_than_once(key.id for key in sheet.keys):
        raise SheetError(f"keys: two have the id {doubled!r}: give each its own")
    for key in sheet.keys:
        if len(key.id) > 200:
            raise SheetError(f"{_named(key)}: its id has {len(key.id)} characters, over 200")
        if isinstance(key.image, int) and key.image < 0:
            raise SheetError(f"{_named(key)}: image = {key.image}: places in a batch begin at 0")
        if key.frame >= sheet.length:
            raise SheetError(
                f"{_named(key)} lies outside of length = {sheet.length}: the last frame is "
                f"{sheet.length - 1}"
            )
    for one, other in pairwise(sheet.keys):
        if one.frame == other.frame:
            raise SheetError(f"{_named(one)} and {_named(other)} are on one frame: move one")


def _segment(sheet: Sheet, by_id: dict[str, Key], segment: Segment) -> None:
    at = f"segments: from = {segment.from_!r}"
    if segment.from_ not in by_id:
        raise SheetError(f"{at} is no key; keys: {', '.join(by_id)[:300]}")
    key = by_id[segment.from_]
    at = f"segments ({_named(key)}): "
    if key is sheet.keys[-1] and not sheet.loop and segment.mode != "hold":
        raise SheetError(
            f"{at}after the last key nothing is drawn: it is held to the end. Remove the segment, "
            "or set loop"
        )
    if isinstance(segment.chart, str) and segment.chart not in CHARTS:
        raise SheetError(f"{at}chart = {segment.chart!r}: expected {', '.join(CHARTS)}, or places")
    if segment.chart is not None and (segment.slow_out or segment.slow_in):
        raise SheetError(f"{at}a chart and slow_out or slow_in are given: keep one of them")
    if isinstance(segment.chart, tuple) and segment.mode == "tween":
        if not all(0 <= place <= 1 for place in segment.chart):
            raise SheetError(f"{at}chart: places lie in 0 to 1, given {segment.chart}")
        inner = len(starts_of(sheet, key)) - 1
        if len(segment.chart) != inner:
            raise SheetError(
                f"{at}chart has {len(segment.chart)} places for {inner} drawings between the keys: "
                "give one for each"
            )


def _sketch(sheet: Sheet, sketch: Sketch) -> None:
    at = f"sketches (frame {sketch.frame}): "
    if sketch.frame >= sheet.length:
        raise SheetError(f"{at}it lies outside of length = {sheet.length}")
    if isinstance(sketch.image, int) and sketch.image < 0:
        raise SheetError(f"{at}image = {sketch.image}: places in a batch begin at 0")
    if sketch.start >= sketch.end:
        raise SheetError(f"{at}start = {sketch.start} must be below end = {sketch.end}")
    key = key_at(sheet, sketch.frame)
    if key.frame == sketch.frame:
        raise SheetError(f"{at}{_named(key)} is there, which is a drawing already: move one")
    if not is_drawn(sheet, key):
        raise SheetError(f"{at}{_named(key)} is held there and nothing is drawn: move the sketch")


def _together(sheet: Sheet) -> None:
    """One sketch a drawing, and all of a segment alike, since one run of the model has one way."""
    seen: dict[tuple[str, int], Sketch] = {}
    for sketch in sheet.sketches:
        key = key_at(sheet, sketch.frame)
        starts = starts_of(sheet, key)
        drawing = max(i for i, s in enumerate(starts) if s <= sketch.frame - key.frame)
        at = f"sketches (frame {sketch.frame}): "
        if drawing == 0:
            raise SheetError(f"{at}{_named(key)} is still shown there: move the sketch")
        if other := seen.get((key.id, drawing)):
            raise SheetError(
                f"{at}one drawing is shown there and on frame {other.frame}, which has a sketch: "
                "keep one"
            )
        seen[key.id, drawing] = sketch
        first = next(s for (name, _), s in seen.items() if name == key.id)
        for field in ("strength", "start", "end"):
            if getattr(first, field) != getattr(sketch, field):
                raise SheetError(
                    f"{at}{field} = {getattr(sketch, field)}, and {getattr(first, field)} on frame "
                    f"{first.frame}: between two keys all sketches act alike"
                )


def key_at(sheet: Sheet, frame: int) -> Key:
    """The last key on or before a frame."""
    return max((k for k in sheet.keys if k.frame <= frame), key=lambda k: k.frame)


def is_drawn(sheet: Sheet, key: Key) -> bool:
    """Whether there are drawings between a key and the next one."""
    last = key.id == sheet.keys[-1].id
    return sheet.segment(key).mode == "tween" and (sheet.loop or not last)
