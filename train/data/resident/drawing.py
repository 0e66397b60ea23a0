"""What chance decides of a batch of windows, drawn on the CPU a clip at a time: item i hangs on
(seed, i) alone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

Array = np.ndarray

# Shares of windows, and ranges in units of half a frame.
REVERSED, MIRRORED, RECOLOURED, ELSEWHERE = 0.3, 0.5, 0.2, 0.25
PLACED, SCALE = 0.6, (1.0, 1.3)
SECOND, SECOND_SCALE, SECOND_SHIFT, SECOND_DRIFT, IN_FRONT = 0.15, (0.4, 0.75), 0.6, 0.035, 0.5
STRIDES = (1, 1, 1, 2)
ORDERS = np.array([(0, 1, 2), (0, 2, 1), (1, 0, 2), (1, 2, 0), (2, 0, 1), (2, 1, 0)])


@dataclass(frozen=True, kw_only=True)
class Figure:
    """Which clip's frames a window shows, and how they lie in it, each of b windows.

    clip (b) int; frames (b f) int; maps (b f 2 3) float32: from -1 to 1 across the window to the
    same across the clip's frame; order (b 3) int: of red, green and blue."""

    clip: Array
    frames: Array
    maps: Array
    order: Array


@dataclass(frozen=True, kw_only=True)
class Draws:
    """behind (b) int: whose picture; second (b) int: another figure behind the first (-1), in front
    of it (1), or none; told (b): whether the clip's prompt still says what is to be seen."""

    first: Figure
    other: Figure
    behind: Array
    mirrored: Array
    second: Array
    told: Array
    strides: Array


def draw(seed: int, indices: Sequence[int], clips: int, length: int, frames: int) -> Draws:
    """For windows of `frames` of clips of `length`."""
    made = [_one(np.random.default_rng([seed, i]), clips, length, frames) for i in indices]
    stacked = {name: np.stack([one[name] for one in made]) for name in made[0]}
    figures = [
        Figure(**{part: stacked.pop(f"{which}.{part}") for part in ("clip", "frames", "maps")}
               | {"order": stacked.pop(f"{which}.order")})
        for which in ("first", "other")
    ]  # fmt: skip
    return Draws(first=figures[0], other=figures[1], **stacked)


def _one(rng: np.random.Generator, clips: int, length: int, frames: int) -> dict[str, Array]:
    stride = int(rng.choice(STRIDES))
    stride = stride if (frames - 1) * stride < length else 1
    clip, other, elsewhere = (int(n) for n in rng.integers(clips, size=3))
    mirrored = rng.random() < MIRRORED
    recoloured, moved = rng.random() < RECOLOURED, rng.random() < ELSEWHERE
    second = 0
    if rng.random() < SECOND and other != clip:
        second = 1 if rng.random() < IN_FRONT else -1
    picked = _frames(rng, length, frames, stride)
    return {
        "first.clip": np.int64(clip),
        "first.frames": picked,
        "first.maps": _placed(rng, frames, mirrored),
        "first.order": ORDERS[rng.integers(1, 6)] if recoloured else ORDERS[0],
        "other.clip": np.int64(other),
        "other.frames": _frames(rng, length, frames, stride),
        "other.maps": _beside(rng, frames),
        "other.order": ORDERS[0],
        "behind": np.int64(elsewhere if moved else clip),
        "mirrored": np.bool_(mirrored),
        "second": np.int64(second),
        "told": np.bool_(not (recoloured or moved or second)),
        "strides": np.int64(stride),
    }


def _frames(rng: np.random.Generator, length: int, frames: int, stride: int) -> Array:
    start = int(rng.integers(length - (frames - 1) * stride))
    picked = start + stride * np.arange(frames)
    return picked[::-1].copy() if rng.random() < REVERSED else picked


def _placed(rng: np.random.Generator, frames: int, mirrored: bool) -> Array:
    """Where the figures of a window are: as they were, or larger, and then moved and drifting as
    far as their layer still covers the window: what its edges cut would show."""
    if rng.random() >= PLACED:
        return _maps(frames, 1.0, np.zeros(2), np.zeros(2), mirrored)
    scale = rng.uniform(*SCALE)
    shift, way = rng.uniform(-0.5, 0.5, (2, 2)) * (scale - 1)
    return _maps(frames, scale, shift, way * 2 / frames, mirrored)


def _beside(rng: np.random.Generator, frames: int) -> Array:
    scale, shift = rng.uniform(*SECOND_SCALE), rng.uniform(-SECOND_SHIFT, SECOND_SHIFT, 2)
    drift = np.array([rng.uniform(-SECOND_DRIFT, SECOND_DRIFT), 0.0])
    return _maps(frames, scale, shift, drift, rng.random() < MIRRORED)


def _maps(frames: int, scale: float, shift: Array, drift: Array, mirrored: bool) -> Array:
    """The layer at `scale`, its centre moved by `shift` and, from the middle on, by `drift`."""
    moves = shift + (np.arange(frames) - (frames - 1) / 2)[:, None] * drift
    signs = np.array([-1.0 if mirrored else 1.0, 1.0])
    maps = np.zeros((frames, 2, 3), np.float32)
    maps[:, (0, 1), (0, 1)] = signs / scale
    maps[:, :, 2] = -moves * signs / scale
    return maps
