"""Affine maps over time, and the forms that puppets are cut from: flat outlines and bending tubes.

Everything has the frames as its first axis; 1 stands for "the same in all". Units are stage units
(the frame's short side is 100), x to the right and y down; angles are radians, clockwise on screen.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

Array = np.ndarray
LIGHT = np.array([0.45, 0.89])  # ink is heavier, and shade lies, on the side away from the light
CAP = 5  # points of a round end
ROUND = np.stack([f(np.pi / 2 * np.linspace(1, -1, CAP + 2)[1:-1]) for f in (np.cos, np.sin)], -1)
CORNERS = np.array([[0.0, 0.0], [1.0, 0.0], [0.0, 1.0]])


def affine(x=0.0, y=0.0, turn=0.0, sx=1.0, sy=1.0, lean=0.0) -> Array:
    """(f 2 3): scale, then shear x by lean * y, then turn, then move. Arguments (f) or numbers."""
    c, s = np.cos(turn), np.sin(turn)
    entries = (c * sx, (c * lean - s) * sy, x, s * sx, (s * lean + c) * sy, y)
    out = np.empty((max(np.size(entry) for entry in entries), 6))
    for k, entry in enumerate(entries):
        out[:, k] = entry
    return out.reshape(-1, 2, 3)


def join(*maps: Array) -> Array:
    """The map that applies the last of the maps first."""
    result = maps[0]
    for inner in maps[1:]:
        linear = result[..., :2]
        shift = linear @ inner[..., 2:] + result[..., 2:]
        result = np.concatenate([linear @ inner[..., :2] + 0 * shift[..., :1], shift], -1)
    return result


def move(a: Array, points: Array) -> Array:
    """Points (n 2) or (f n 2) under a map (f 2 3) -> (f n 2)."""
    x, y = points[..., 0], points[..., 1]
    out = np.empty((max(len(a), len(points) if points.ndim == 3 else 1), *points.shape[-2:]))
    for k in (0, 1):
        out[..., k] = a[:, k, 0, None] * x + a[:, k, 1, None] * y + a[:, k, 2, None]
    return out


@dataclass(frozen=True)
class Form:
    """A closed outline over time, cut into cells that each move by an affine map.

    points (f n 2); anchors (f m 3 2): three points of the surface that each cell's map is known by;
    cells: the outline's point numbers of each cell, None where the whole outline is one.
    """

    points: Array
    anchors: Array
    cells: tuple[tuple[int, ...], ...] | None = None

    def normals(self) -> Array:
        """Outward unit normals (f n 2) of the outline."""
        ring = np.concatenate([self.points[:, -1:], self.points, self.points[:, :1]], 1)
        x, y = (ring[:, 2:] - ring[:, :-2]).transpose(2, 0, 1)
        area = np.einsum("fn,fn->f", ring[:, 1:-1, 0], y) - np.einsum(
            "fn,fn->f", ring[:, 1:-1, 1], x
        )
        scale = np.where(area > 0, 1.0, -1.0)[:, None] / np.maximum(np.sqrt(x * x + y * y), 1e-6)
        out = np.empty_like(self.points)
        out[..., 0], out[..., 1] = y * scale, -x * scale
        return out

    def grown(self, width: float, brush: float = 0.5) -> Form:
        """Wider by `width` all around, by the share `brush` more on the shaded side."""
        normals = self.normals()
        weight = 1 - brush * 0.5 + brush * np.clip(normals @ LIGHT, 0, 1)
        return Form(self.points + normals * (width * weight)[..., None], self.anchors, self.cells)

    def under(self, a: Array) -> Form:
        """The same, carried along by a map (f 2 3)."""
        anchors = np.broadcast_to(
            self.anchors, (max(len(a), len(self.anchors)), *self.anchors.shape[1:])
        )
        moved = move(a, anchors.reshape(len(anchors), -1, 2)).reshape(len(anchors), -1, 3, 2)
        return Form(move(a, self.points), moved, self.cells)

    def crescent(self, start: float, stop: float, depth: float) -> Form:
        """The shade inside along the edge from start to stop (0..1 of the outline)."""
        n = self.points.shape[1]
        picked = np.unique(np.round(np.linspace(start, stop, 12) * n).astype(int))
        edge, normals = self.points[:, picked % n], self.normals()[:, picked % n]
        bow = np.sin(np.linspace(0, np.pi, len(picked)))[:, None] * depth
        return Form(np.concatenate([edge, (edge - normals * bow)[:, -2:0:-1]], 1), self.anchors)


def profile(values: Sequence[float], count: int) -> Array:
    """Half widths (count) along a smooth curve through the values."""
    v = np.array([2 * values[0] - values[1], *values, 2 * values[-1] - values[-2]])
    place = np.linspace(0, len(values) - 1, count)
    k = np.minimum(place.astype(int), len(values) - 2)
    t = place - k
    a, b, c, d = (v[k + i] for i in range(4))
    return b + 0.5 * t * (c - a + t * (2 * a - 5 * b + 4 * c - d + t * (3 * (b - c) + d - a)))


def flat(outline: Array, a: Array) -> Form:
    """An outline (n 2) or (f n 2) that moves by a map (f 2 3)."""
    return Form(move(a, outline), move(a, CORNERS)[:, None])


def strip(upper: Array, lower: Array) -> Form:
    """What lies between two lines (f n 2) that bend on their own, point for point."""
    n = upper.shape[1]
    cells = tuple((i, i + 1, 2 * n - 2 - i, 2 * n - 1 - i) for i in range(n - 1))
    middle = (lower[:, 1:] + lower[:, :-1]) / 2
    points = np.concatenate([upper, lower[:, ::-1]], 1)
    return Form(points, np.stack([upper[:, :-1], upper[:, 1:], middle], 2), cells)


def bezier(points: Sequence[Array], count: int) -> Array:
    """`count` points (f count 2) along the Bezier curve of control points (f 2) or (2)."""
    level = [np.atleast_2d(p)[:, None] for p in points]
    t = np.linspace(0, 1, count)[None, :, None]
    while len(level) > 1:
        level = [a * (1 - t) + b * t for a, b in zip(level, level[1:], strict=False)]
    return level[0]


def through(a: Array, joint: Array, b: Array, count: int = 6) -> Array:
    """A smoothly bent limb (f count 2) from a over its joint to b, all (f 2)."""
    return bezier([a, joint + 0.7 * (joint - (a + b) / 2), b], count)


def chain(start: Array, angles: Array, length: float) -> Array:
    """Points (f k+1 2) from start (f 2) by k steps in the directions of angles (f k)."""
    steps = np.stack([np.cos(angles), np.sin(angles)], -1) * (length / angles.shape[1])
    start = np.broadcast_to(np.atleast_2d(start)[:, None], (len(steps), 1, 2))
    return np.concatenate([start, start + steps.cumsum(1)], 1)


@dataclass(frozen=True)
class Tube:
    """A bending form: half widths (k) or (f k) about a spine (f k 2), with round ends."""

    spine: Array
    widths: Array
    ends: tuple[float, float] = (1.0, 1.0)  # how far the round ends stand out
    side: float = 1.0  # -1: right and left change places, as in a mirror

    def _sides(self) -> tuple[Array, Array, Array]:
        p = self.spine
        way = np.empty_like(p)
        way[:, 1:-1] = p[:, 2:] - p[:, :-2]
        way[:, 0], way[:, -1] = p[:, 1] - p[:, 0], p[:, -1] - p[:, -2]
        way /= np.maximum(np.sqrt((way * way).sum(-1, keepdims=True)), 1e-6)
        across = np.empty_like(way)
        across[..., 0], across[..., 1] = -way[..., 1] * self.side, way[..., 0] * self.side
        return way, across, np.broadcast_to(self.widths, self.spine.shape[:2])[..., None]

    def form(self) -> Form:
        """Outline: along the right of the way, the far end, back along the left, the near end."""
        way, across, width = self._sides()
        k = self.spine.shape[1]
        right, left = self.spine + across * width, self.spine - across * width

        def cap(at: int, sign: float, bulge: float) -> Array:
            ahead = way[:, at, None] * (ROUND[:, :1] * sign * bulge)
            side = across[:, at, None] * (ROUND[:, 1:] * sign)
            return self.spine[:, at, None] + width[:, at, None] * (ahead + side)

        far, near = cap(k - 1, 1, self.ends[1]), cap(0, -1, self.ends[0])
        points = np.concatenate([right, far, left[:, ::-1], near], 1)
        spans = np.empty((len(points), k - 1, 2, 3, 2))  # two triangles between stations
        spans[:, :, 0, 0], spans[:, :, 0, 1] = right[:, :-1], right[:, 1:]
        spans[:, :, 0, 2] = spans[:, :, 1, 0] = left[:, :-1]
        spans[:, :, 1, 1], spans[:, :, 1, 2] = right[:, 1:], left[:, 1:]
        ends = [np.stack([self.spine, right, self.spine + way], 2)[:, e, None] for e in (0, -1)]
        anchors = [ends[0], spans.reshape(len(points), 2 * k - 2, 3, 2), ends[1]]
        return Form(points, np.concatenate(anchors, 1), _tube_cells(k))

    def at(self, u: Array, v: Array) -> Array:
        """Points (f n 2) at shares u (0..1) of the spine and v (-1..1) of the half width."""
        _, across, width = self._sides()
        place = np.clip(np.atleast_1d(u), 0, 1) * (self.spine.shape[1] - 1)
        low = np.minimum(place.astype(int), self.spine.shape[1] - 2)
        share = (place - low)[:, None]

        def between(values: Array) -> Array:
            return values[:, low] * (1 - share) + values[:, low + 1] * share

        return between(self.spine) + between(across * width) * np.atleast_1d(v)[:, None]

    def map(self, u: float, size: float = 1.0) -> Array:
        """The map (f 2 3) of a frame at share u: x across the tube, y backwards along it."""
        way, across, _ = self._sides()
        place = u * (self.spine.shape[1] - 1)
        low = min(int(place), self.spine.shape[1] - 2)
        share = place - low
        mid, x, y = (
            s[:, low] * (1 - share) + s[:, low + 1] * share for s in (self.spine, across, way)
        )
        return np.stack([x * size, -y * size, mid], -1)


@lru_cache
def _tube_cells(k: int) -> tuple[tuple[int, ...], ...]:
    """Of a tube of k stations, along it: near end, two triangles between stations, far end."""
    other = [2 * k + CAP - 1 - i for i in range(k)]  # of the left side's points
    spans = [
        cell
        for i in range(k - 1)
        for cell in ((i, i + 1, other[i]), (other[i], i + 1, other[i + 1]))
    ]
    near = (*range(2 * k + CAP - 1, 2 * k + 2 * CAP), 0)
    return near, *spans, tuple(range(k - 1, k + CAP + 1))


def scale_of(m: Array) -> Array:
    """How much a map (f 2 3) enlarges, (f 1)."""
    linear = m[..., :2]
    return np.sqrt(np.abs(linear[:, 0, 0] * linear[:, 1, 1] - linear[:, 0, 1] * linear[:, 1, 0]))[
        :, None
    ]
