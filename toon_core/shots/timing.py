"""An exposure sheet in frames: when each drawing of a segment is shown, and for how long."""

from __future__ import annotations

from .sheet import Exposure, Key, Sheet


def end_of(sheet: Sheet, key: Key) -> int:
    """The frame of the next key; after the last one, the sheet's length."""
    return min((k.frame for k in sheet.keys if k.frame > key.frame), default=sheet.length)


def exposure_of(sheet: Sheet, key: Key) -> Exposure:
    own = sheet.segment(key).exposure
    return sheet.exposure if own is None else own


def drawing_starts(span: int, exposure: Exposure) -> list[int]:
    """Frames, counted from the key, on which a new drawing appears in a segment of `span` frames;
    the first, 0, is the key itself. A list of exposures goes on with its last."""
    lengths = (exposure,) if isinstance(exposure, int) else exposure
    starts, at = [], 0
    while at < span:
        starts.append(at)
        at += lengths[min(len(starts), len(lengths)) - 1]
    return starts


def starts_of(sheet: Sheet, key: Key) -> list[int]:
    """`drawing_starts` of the segment at a key, were it drawn."""
    return drawing_starts(end_of(sheet, key) - key.frame, exposure_of(sheet, key))


def shown(span: int, starts: list[int]) -> list[int]:
    """For each frame of a segment the number of the drawing that is shown."""
    return [sum(start <= frame for start in starts) - 1 for frame in range(span)]
