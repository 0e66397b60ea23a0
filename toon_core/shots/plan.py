"""A sheet and its key pictures -> what is to be made and shown in every segment."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Literal

import torch
from torch import Tensor

from ..images import within
from .charts import Places, eased, places
from .making import FRAMES
from .motion import block_motion
from .rules import is_drawn
from .sheet import Key, Sheet, SheetError, Sketch, derived_seed
from .timing import starts_of

Motion = Literal["through", "stop"]

AGREE = 0.5  # cosine between the ways in and out of a key from which it is passed through
STEEPEST = 3.0  # slope of a spacing that still rises (Fritsch and Carlson 1980)
COARSE, REACH = 64, 24  # pixels: longer side at which two keys are compared, and how far apart
MOST_PASSES = 2  # times that a clip is made denser
# Drawings for each made frame up to which a few are held instead: with nano, 15 drawings from 14
# frames are nearer to the truth than from a denser pass, whose halves end at no true key.
HELD = 1.3


@dataclass(frozen=True, kw_only=True)
class SegmentPlan:
    """From a key to the next one.

    starts: frames, from the key's, on which drawings begin; the first is the key. places: of the
    others, 0 to 1, on the way; empty in a hold. levels: how often the clip is made denser, 0 for
    the model's 16 frames. sketches: by the number of the made frame.
    """

    key: Key
    next: Key | None
    span: int
    starts: tuple[int, ...]
    places: tuple[float, ...]
    levels: int
    seeds: tuple[int, ...]
    fs: int
    prompt: str
    negative: str
    lock: str
    sketches: dict[int, Sketch]
    pinned: dict[int, int]

    @property
    def drawn(self) -> bool:
        """Whether the model is asked."""
        return bool(self.places)

    @property
    def made(self) -> int:
        """Frames that are made."""
        return made_frames(self.levels)


def made_frames(levels: int) -> int:
    """Each denser pass puts as many frames again between those of the one before."""
    return (FRAMES - 1) * 2**levels + 1


@dataclass(frozen=True)
class Plan:
    segments: tuple[SegmentPlan, ...]
    motions: dict[str, Motion]  # by key: what `auto` was taken for


def plan(sheet: Sheet, pictures: Sequence[Tensor], fs: int, dense: bool = True) -> Plan:
    """pictures: of the keys, (3 h w) in [0, 1], of one shape, as `coarse` gives them. Only they and
    the sheet decide, so that no take changes another segment's timing. fs: what the model is told
    where the sheet does not say. dense=False: more drawings than the model makes are held."""
    moves = _moves(sheet, pictures)
    motions = _motions(sheet, moves)
    slopes = _slopes(sheet, moves, motions)
    made = [_segment(sheet, i, slopes[i], fs, dense) for i in range(len(sheet.keys))]
    return Plan(tuple(made), motions)


def _segment(sheet: Sheet, i: int, slope: tuple[float, float], fs: int, dense: bool) -> SegmentPlan:
    key, after = sheet.keys[i], _next(sheet, i)
    own = sheet.segment(key)
    span = (after.frame if after and after.frame > key.frame else sheet.length) - key.frame
    starts = starts_of(sheet, key) if is_drawn(sheet, key) else [0]
    times = [start / span for start in starts[1:]]
    if own.chart is not None and is_drawn(sheet, key):
        where: Places = places(own.chart, times)
    else:
        where = [eased(u, *slope) for u in times]
    sketches = [s for s in sheet.sketches if key.frame < s.frame < key.frame + span]
    levels = 0
    if dense and not sketches:
        while levels < MOST_PASSES and len(where) > HELD * (made_frames(levels) - 2):
            levels += 1
    pinned: dict[int, int] = {}
    hints: dict[int, Sketch] = {}
    for sketch in sketches:
        drawing = sum(start <= sketch.frame - key.frame for start in starts) - 2
        frame = min(max(round(where[drawing] * (FRAMES - 1)), 1), FRAMES - 2)
        if frame in hints:
            raise SheetError(
                f"sketches (frame {sketch.frame}): it falls on one of the model's {FRAMES} frames "
                f"with that of frame {hints[frame].frame}: use a longer exposure, or put a "
                "breakdown between them"
            )
        pinned[drawing], hints[frame] = frame, sketch
    seed = sheet.seed_of(key)
    takes = [seed, *(derived_seed(seed, "take", n) for n in range(1, own.takes))]
    return SegmentPlan(
        key=key,
        next=after,
        span=span,
        starts=tuple(starts),
        places=tuple(where),
        levels=levels,
        seeds=tuple(takes),
        fs=own.fs or sheet.fs or fs,
        prompt=sheet.prompt if own.prompt is None else own.prompt,
        negative=sheet.negative if own.negative is None else own.negative,
        lock=own.lock,
        sketches=hints,
        pinned=pinned,
    )


def _next(sheet: Sheet, i: int) -> Key | None:
    if i + 1 < len(sheet.keys):
        return sheet.keys[i + 1]
    return sheet.keys[0] if sheet.loop else None


@dataclass(frozen=True)
class _Move:
    """Between two key pictures, from the first one's blocks and from the second one's."""

    out: Tensor  # (2 rows columns) pixels, from the first key's blocks to the second
    back: Tensor  # the same from the second key's blocks to the first
    distance: float  # mean length where something moves; 0 where nothing is found


def _moves(sheet: Sheet, pictures: Sequence[Tensor]) -> list[_Move | None]:
    """From each key to the next; None after the last one, and where nothing is drawn."""
    found: list[_Move | None] = []
    for i, key in enumerate(sheet.keys):
        after = _next(sheet, i)
        if after is None or not is_drawn(sheet, key):
            found.append(None)
            continue
        a, b = pictures[i], pictures[(i + 1) % len(pictures)]
        out, back = block_motion(a, b, reach=REACH), block_motion(b, a, reach=REACH)
        lengths = torch.cat([out.length[out.moving], back.length[back.moving]])
        found.append(
            _Move(
                torch.stack([out.dx, out.dy]) * out.moving,
                torch.stack([back.dx, back.dy]) * back.moving,
                float(lengths.mean()) if len(lengths) else 0.0,
            )
        )
    return found


def coarse(picture: Tensor) -> Tensor:
    """(3 h w) at which keys are compared here."""
    return within(picture, COARSE)


def _motions(sheet: Sheet, moves: Sequence[_Move | None]) -> dict[str, Motion]:
    return {key.id: _motion(key, moves[i - 1], moves[i]) for i, key in enumerate(sheet.keys)}


def _motion(key: Key, before: _Move | None, after: _Move | None) -> Motion:
    """Of a key between two moves. The blocks of its picture that move on both sides vote, by how
    far they go, whether they go on or turn round."""
    if before is None or after is None or not (before.distance and after.distance):
        return "stop"
    if key.motion != "auto":
        return key.motion
    way_in, way_out = -before.back, after.out
    lengths = way_in.norm(dim=0) * way_out.norm(dim=0)
    if not lengths.any():
        return "stop"
    agreement = (way_in * way_out).sum(0)
    return "through" if float(agreement.sum() / lengths.sum()) > AGREE else "stop"


def _slopes(
    sheet: Sheet, moves: Sequence[_Move | None], motions: dict[str, Motion]
) -> list[tuple[float, float]]:
    """Of each segment's spacing at its two ends, 1 for even. At a key that is passed through the
    speed is one: the weighted harmonic mean of both sides' (Fritsch and Butland 1984)."""
    frames = [key.frame for key in sheet.keys] + [sheet.length]
    spans = [b - a for a, b in pairwise(frames)]
    speeds = [m.distance / s if m else 0.0 for m, s in zip(moves, spans, strict=True)]
    begin = [1 - sheet.segment(key).slow_out for key in sheet.keys]
    end = [1 - sheet.segment(key).slow_in for key in sheet.keys]
    for i, key in enumerate(sheet.keys):
        if motions[key.id] != "through":
            continue
        w1, w2 = 2 * spans[i] + spans[i - 1], spans[i] + 2 * spans[i - 1]
        speed = (w1 + w2) / (w1 / speeds[i - 1] + w2 / speeds[i])
        if not sheet.segment(sheet.keys[i - 1]).slow_in:
            end[i - 1] = min(speed / speeds[i - 1], STEEPEST)
        if not sheet.segment(key).slow_out:
            begin[i] = min(speed / speeds[i], STEEPEST)
    return list(zip(begin, end, strict=True))
