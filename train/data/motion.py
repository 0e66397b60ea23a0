"""How much a clip changes: distances between its frames, from which windows are judged.

Distances are mean absolute differences of RGB over white, in units of 255, measured on frames
reduced to 64x64; only pairs at most `MAX_SPAN` frames apart are kept (a band).
"""

from dataclasses import dataclass

import numpy as np

from train.data.readers.frames import over_white
from train.engine.options import option

MAX_SPAN = 96
GRID = 64
CHUNK = 64  # frames reduced at once


@dataclass(frozen=True, kw_only=True)
class WindowRules:
    """Which windows are worth training on (units of 255; shares of the whole change)."""

    least_change: float = option(3.0, least=0)  # sum of the steps; below it the window holds still
    largest_step: float = option(0.5, least=0, most=1)  # share of one step; above it there is a cut
    # Rms distance to the best blend of the keys; below it a fade.
    fade_residual: float = option(0.12, least=0)
    # The same distance; above it the keys tell nothing of what is between.
    unseen: float = option(2.0, least=0)


@dataclass(frozen=True, kw_only=True)
class Motion:
    """Bands (n MAX_SPAN+1) of a clip of n frames: row i, column k tells of frames i and i+k."""

    change: np.ndarray
    gram: np.ndarray


@dataclass(frozen=True, kw_only=True)
class WindowStats:
    """Per window: `path` sum of steps, `largest` step, `ends` key to key, `fade` residual."""

    path: np.ndarray
    largest: np.ndarray
    ends: np.ndarray
    fade: np.ndarray


def measure_motion(frames: np.ndarray) -> Motion:
    """Motion bands of premultiplied uint8 RGBA frames (f h w 4)."""
    small = _reduce(frames)
    count = len(small)
    change = np.full((count, MAX_SPAN + 1), np.nan, np.float32)
    gram = np.full((count, MAX_SPAN + 1), np.nan, np.float32)
    centred = small.astype(np.float32) - 128
    for span in range(min(MAX_SPAN + 1, count)):
        first, last = small[: count - span], small[span:]
        change[: count - span, span] = np.abs(last - first).mean(-1)
        gram[: count - span, span] = np.einsum("ij,ij->i", centred[: count - span], centred[span:])
    return Motion(change=change, gram=gram / small.shape[1])


def _reduce(frames: np.ndarray) -> np.ndarray:
    """Frames over white as (f GRID*GRID*3) int16; those no larger than the grid as they are."""
    pixels = over_white(frames)
    if max(frames.shape[1:3]) > GRID:
        pixels = cells(pixels, GRID).round()
    return pixels.reshape(len(frames), -1).astype(np.int16)


def cells(frames: np.ndarray, grid: int) -> np.ndarray:
    """Means (f grid grid c) float32 of frames (f h w c) uint8, whatever their sides."""
    high, wide = (np.linspace(0, side, grid + 1) for side in frames.shape[1:3])
    parts = []
    for start in range(0, len(frames), CHUNK):
        rows = block_means(frames[start : start + CHUNK].astype(np.float32), high, 1)
        parts.append(block_means(rows, wide, 2))
    return np.concatenate(parts)


def block_means(values: np.ndarray, edges: np.ndarray, axis: int) -> np.ndarray:
    """Means between the edges along an axis; blocks of unequal size where they do not divide it."""
    starts = edges[:-1].astype(int)
    stops = np.maximum(edges[1:].astype(int), starts + 1)
    if values.shape[axis] % len(starts) == 0:
        shape = list(values.shape)
        shape[axis : axis + 1] = [len(starts), -1]
        return values.reshape(shape).mean(axis + 1)
    parts = [values.take(range(a, b), axis).mean(axis) for a, b in zip(starts, stops, strict=True)]
    return np.stack(parts, axis)


def window_stats(motion: Motion, length: int, stride: int = 1) -> WindowStats:
    """Statistics of every window of `length` frames, `stride` apart, by its start frame."""
    span = (length - 1) * stride
    count = len(motion.change) - span
    if count < 1 or span > MAX_SPAN:
        empty = np.zeros(0, np.float32)
        return WindowStats(path=empty, largest=empty, ends=empty, fade=empty)
    starts = np.arange(count)[:, None] + np.arange(length - 1) * stride
    steps = motion.change[starts, stride]
    return WindowStats(
        path=steps.sum(1),
        largest=steps.max(1),
        ends=motion.change[:count, span],
        fade=_fade_residual(motion, length, stride, count),
    )


def _fade_residual(motion: Motion, length: int, stride: int, count: int) -> np.ndarray:
    """Rms distance of inner frames to their best blend a*first + (1-a)*last, over rms(first-last).

    Solved from inner products alone; about 0 for a cross-fade, and large where things move.
    """
    span = (length - 1) * stride
    rows = np.arange(count)
    first = motion.gram[rows, 0]
    last = motion.gram[rows + span, 0]
    keys = np.maximum(first + last - 2 * motion.gram[rows, span], 1e-6)  # |first - last|^2
    total = np.zeros(count, np.float64)
    for k in range(stride, span, stride):
        inner = motion.gram[rows + k, 0]
        to_first, to_last = motion.gram[rows, k], motion.gram[rows + k, span - k]
        toward = to_first - to_last - motion.gram[rows, span] + last  # <inner-last, first-last>
        off = inner + last - 2 * to_last
        share = np.clip(toward / keys, 0, 1)
        total += np.maximum(off - 2 * share * toward + share**2 * keys, 0)
    return np.sqrt(total / (length - 2) / keys).astype(np.float32)


def is_good(stats: WindowStats, rules: WindowRules) -> np.ndarray:
    """Mask of the windows that move, that are no cut or fade, and whose keys show the motion."""
    moves = stats.path >= rules.least_change
    uncut = stats.largest <= rules.largest_step * stats.path
    shown = (stats.fade >= rules.fade_residual) & (stats.fade <= rules.unseen)
    return moves & uncut & shown


def large_windows(
    motion: Motion, length: int, change: float, rules: WindowRules, stride: int = 1
) -> list[int]:
    """Starts of disjoint good windows of `length` frames whose keys differ by `change` or more.

    The one with the largest change is taken first, then the next that does not overlap.
    """
    stats = window_stats(motion, length, stride)
    large = is_good(stats, rules) & (stats.ends >= change)
    chosen: list[int] = []
    for start in np.argsort(-stats.ends, kind="stable"):
        if large[start] and all(abs(start - other) >= length * stride for other in chosen):
            chosen.append(int(start))
    return chosen
