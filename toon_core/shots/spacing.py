"""Which of the frames that the model made is shown as which drawing, by the motion measured."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import avg_pool2d

from ..images import within
from .charts import Places

# Pixels: longer side at which change is measured, and side of the box that blurs it. On puppets,
# whose motion is known, the way is then off by 0.03 at its worst frame (median of 40 clips); 0.04
# without the blur, 0.05 by block matching, 0.13 by the frame's number.
SIDE, BOX = 128, 9


def way_of(frames: Tensor) -> list[float]:
    """frames (f h w 3) uint8 -> how much of the whole motion, 0 to 1, has happened at each: arc
    length, of the mean change from frame to frame. Even where nothing changes."""
    clip = torch.stack([_blurred(frame) for frame in frames])
    steps = (clip[1:] - clip[:-1]).abs().mean((1, 2, 3)).tolist()
    total = sum(steps)
    if total == 0:
        steps, total = [1.0] * len(steps), float(len(steps))
    way = [0.0]
    for step in steps:
        way.append(way[-1] + step / total)
    return [*way[:-1], 1.0]


def _blurred(frame: Tensor) -> Tensor:
    picture = within(frame.permute(2, 0, 1).float() / 255, SIDE)
    return avg_pool2d(picture, BOX, 1, BOX // 2, count_include_pad=False)


def chosen(
    way: Sequence[float], places: Places, pinned: Mapping[int, int] | None = None
) -> tuple[list[int], bool]:
    """For each inner drawing, whose place on the way is given, the number of a made frame, and
    whether some are shown twice.

    Frames of rising places rise, and are as near to their places as that allows (least squares);
    the keys' frames, first and last, are not among them. pinned {drawing: frame}: as sketched.
    Places that go back, or are more than the frames, may take a frame twice.
    """
    pinned = pinned or {}
    inner = range(1, len(way) - 1)
    rising = all(a <= b for a, b in zip(places, places[1:], strict=False))
    if not inner or not rising:
        return [pinned.get(j, _nearest(way, p)) for j, p in enumerate(places)], True
    strict = len(places) <= len(inner) and _room(pinned, len(places), len(inner))
    return _rising(way, places, pinned, strict), not strict


def _nearest(way: Sequence[float], place: float) -> int:
    inner = range(1, len(way) - 1) or range(len(way))
    return min(inner, key=lambda t: (abs(way[t] - place), t))


def _room(pinned: Mapping[int, int], drawings: int, inner: int) -> bool:
    """Whether the drawings before, between and after those pinned can each have a frame."""
    ends = [(-1, 0), *sorted(pinned.items()), (drawings, inner + 1)]
    return all(t2 - t1 >= j2 - j1 for (j1, t1), (j2, t2) in zip(ends[:-1], ends[1:], strict=True))


def _rising(
    way: Sequence[float], places: Places, pinned: Mapping[int, int], strict: bool
) -> list[int]:
    """Least squares, by dynamic programming over drawings and frames: to each frame from the
    cheapest one before it."""
    inner = np.arange(1, len(way) - 1)
    along, number = np.asarray(way)[inner], np.arange(len(inner))
    cost, came = np.zeros(len(inner)), []
    for j, place in enumerate(places):
        source = number
        if j:
            least = np.minimum.accumulate(cost)
            lower = np.append(True, cost[1:] < least[:-1])
            source = np.maximum.accumulate(np.where(lower, number, 0))
            cost = least
            if strict:
                source, cost = np.roll(source, 1), np.append(np.inf, cost[:-1])
        came.append(source)
        cost = cost + np.round((along - place) ** 2, 12)  # of two as near, the earlier
        if j in pinned:
            cost = np.where(inner == pinned[j], cost, np.inf)
    at, picked = int(cost.argmin()), []
    for source in reversed(came):
        picked.append(int(inner[at]))
        at = int(source[at])
    return picked[::-1]
