"""A rendered frame as a key of its own: a breakdown, chosen by eye."""

from __future__ import annotations

from dataclasses import replace

from .rules import check, is_drawn, key_at
from .sheet import Key, Segment, Sheet, SheetError, free_id
from .timing import end_of, shown, starts_of


def promote(sheet: Sheet, frame: int, image: str) -> Sheet:
    """The sheet with a breakdown at `frame`, whose picture is the file `image`. Both halves are
    then other segments than the one before, and are made anew; the others stay.

    The second half takes the first one's prompt, exposure and fs, and its slow in; a lock, a chart
    and a sketch of that very drawing do not fit the halves and go. SheetError where there is a key,
    or no drawing.
    """
    if not 0 <= frame < sheet.length:
        raise SheetError(f"frame {frame}: the shot has frames 0 to {sheet.length - 1}")
    key = key_at(sheet, frame)
    starts = starts_of(sheet, key) if is_drawn(sheet, key) else [0]
    drawings = shown(end_of(sheet, key) - key.frame, starts)
    drawing = drawings[frame - key.frame]
    if drawing == 0:
        raise SheetError(
            f"frame {frame} shows key {key.id!r}: choose a frame that was drawn between two keys"
        )
    new = Key(
        id=free_id(image, {k.id for k in sheet.keys}), frame=frame, image=image, kind="breakdown"
    )
    own = sheet.segment(key)
    first = replace(own, slow_in=0.0, chart=None, lock="")
    second = replace(own, from_=new.id, slow_out=0.0, chart=None, lock="", seed=None)
    segments = [s for s in sheet.segments if s.from_ != key.id]
    segments += [s for s in (first, second) if s != Segment(from_=s.from_)]
    keys = sorted([*sheet.keys, new], key=lambda k: k.frame)
    begin, count = key.frame + starts[drawing], drawings.count(drawing)
    sketches = tuple(s for s in sheet.sketches if not begin <= s.frame < begin + count)
    return check(replace(sheet, keys=tuple(keys), segments=tuple(segments), sketches=sketches))
