"""Finds the shapes that only move, turn and scale, so that a transform replaces path keys."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

KEEP = 1.8  # largest distance of a transformed point to the drawn one, in table units
STROKE_SCALE = 0.08  # lines may not get visibly thinner


@dataclass(frozen=True)
class Moves:
    """Per frame: where the anchor goes, the turn in degrees and the scale in percent."""

    anchor: np.ndarray
    position: np.ndarray
    turn: np.ndarray
    scale: np.ndarray


def rigid_moves(table: np.ndarray, lined: bool) -> Moves | None:
    """Moves of paths (frames, [i, o, v], vertices, 2) from their first frame, if there are any.

    None where the shape bends or shears.
    """
    points = _points(table)
    anchor = points[0].mean(axis=0)
    source = points[0] - anchor
    if np.linalg.matrix_rank(source, tol=1.0) < 2:
        return None
    position = points.mean(axis=1)
    linear = np.linalg.lstsq(
        source, (points - position[:, None]).transpose(1, 0, 2).reshape(len(source), -1), rcond=None
    )[0].T.reshape(len(points), 2, 2)
    moves = _split(linear, anchor, position)
    far = np.abs(_apply(moves, source) - points).max()
    thin = np.abs(moves.scale / 100 - 1).max() > STROKE_SCALE
    return None if far > KEEP or (lined and thin) else moves


def _points(table: np.ndarray) -> np.ndarray:
    i, o, v = table[:, 0], table[:, 1], table[:, 2]
    return np.concatenate([v + i, v + o, v], axis=1).astype(float)


def _split(linear: np.ndarray, anchor: np.ndarray, position: np.ndarray) -> Moves:
    u, _, vt = np.linalg.svd(linear)
    turn = np.unwrap(np.arctan2((u @ vt)[:, 1, 0], (u @ vt)[:, 0, 0]))
    c, s = np.cos(turn), np.sin(turn)
    back = np.stack([np.stack([c, s], -1), np.stack([-s, c], -1)], 1) @ linear
    scale = np.stack([back[:, 0, 0], back[:, 1, 1]], -1) * 100
    turn = np.degrees(turn).round(6).round(2) + 0.0  # no negative zero, whose sign goes by the CPU
    return Moves(
        *(x.round(6).round(1) + 0.0 for x in (anchor, position)), turn, scale.round(6).round(1)
    )


def _apply(m: Moves, source: np.ndarray) -> np.ndarray:
    c, s = np.cos(np.radians(m.turn)), np.sin(np.radians(m.turn))
    turn = np.stack([np.stack([c, -s], -1), np.stack([s, c], -1)], 1)
    return (source * m.scale[:, None] / 100) @ turn.transpose(0, 2, 1) + m.position[:, None]


def runs(table: np.ndarray, tolerance: float) -> list[int]:
    """The fewest frames (greedy) between which straight interpolation is good enough."""
    flat = table.reshape(len(table), -1).astype(float)
    keys, last = [0], len(flat) - 1
    while keys[-1] < last:
        a = keys[-1]
        b = a + 1
        while b < last and _straight(flat, a, b + 1, tolerance):
            b += 1
        keys.append(b)
    return keys


def _straight(flat: np.ndarray, a: int, b: int, tolerance: float) -> bool:
    t = np.arange(1, b - a)[:, None] / (b - a)
    guess = flat[a] * (1 - t) + flat[b] * t
    return bool(np.abs(guess - flat[a + 1 : b]).max() <= tolerance)


def keyed(table: np.ndarray, tolerance: float, text: Callable[[int], list]) -> dict:
    """A Lottie property of the values: fixed, or keys; text(frame) writes a value.

    Keys one frame apart are held, which is exact at whole frames and half the text of linear ones.
    """
    if np.ptp(table, axis=0).max() <= tolerance:
        return {"a": 0, "k": text(0)[0] if len(text(0)) == 1 else text(0)}
    frames = runs(table, tolerance)
    linear = {"i": {"x": 1, "y": 1}, "o": {"x": 0, "y": 0}}
    keys = []
    for f, nxt in zip(frames, [*frames[1:], frames[-1] + 1], strict=True):
        keys.append({"t": f, "s": text(f), **({"h": 1} if nxt == f + 1 else linear)})
    return {"a": 1, "k": keys}
