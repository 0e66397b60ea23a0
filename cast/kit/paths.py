"""Closed and open cubic paths, the poses that move them, and the shapes that puppets are cut from.

Units are canvas pixels, x to the right and y down; angles are degrees, clockwise on screen.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

Point = tuple[float, float]
HANDLE = 0.37  # handle length over chord: near a circle for arcs of 45 to 90 degrees


@dataclass(frozen=True)
class Pose:
    """An affine map of the plane: p -> linear @ p + shift."""

    linear: np.ndarray
    shift: np.ndarray

    def __matmul__(self, inner: Pose) -> Pose:
        return Pose(self.linear @ inner.linear, self.linear @ inner.shift + self.shift)

    def point(self, x: float, y: float) -> Point:
        px, py = self.linear @ np.array([x, y]) + self.shift
        return float(px), float(py)

    def points(self, pts: Sequence[Point]) -> list[Point]:
        return [self.point(*p) for p in pts]


def pose(
    x: float = 0, y: float = 0, turn: float = 0, sx: float = 1, sy: float = 1, lean: float = 0
) -> Pose:
    """Scale, then shear x by lean * y, then rotate by turn, then move to (x, y)."""
    c, s = np.cos(np.radians(turn)), np.sin(np.radians(turn))
    shear = np.array([[1.0, lean], [0.0, 1.0]])
    linear = np.array([[c, -s], [s, c]]) @ shear @ np.diag([sx, sy])
    return Pose(linear, np.array([x, y], dtype=float))


@dataclass(frozen=True)
class Path:
    """Cubic path: vertices v (n, 2) with handles into (i) and out of (o) each, relative to it."""

    v: np.ndarray
    i: np.ndarray
    o: np.ndarray
    closed: bool = True

    def at(self, m: Pose) -> Path:
        t = m.linear.T
        return Path(self.v @ t + m.shift, self.i @ t, self.o @ t, self.closed)

    def sample(self, u: np.ndarray) -> np.ndarray:
        """Points (k, 2) at parameters u, one unit a segment, wrapped when closed."""
        n = len(self.v)
        u = np.mod(u, n) if self.closed else np.clip(u, 0, n - 1 - 1e-9)
        k = np.floor(u).astype(int) % n
        t = (u - np.floor(u))[:, None]
        nxt = (k + 1) % n
        a, d = self.v[k], self.v[nxt]
        b, c = a + self.o[k], d + self.i[nxt]
        return (1 - t) ** 3 * a + 3 * t * (1 - t) ** 2 * b + 3 * t**2 * (1 - t) * c + t**3 * d


def smooth(points: Sequence[Point], closed: bool = True, sharp: Sequence[int] = ()) -> Path:
    """A curve through the points; those named in sharp are corners."""
    p = np.asarray(points, dtype=float)
    before, after = np.roll(p, 1, axis=0), np.roll(p, -1, axis=0)
    if not closed:
        before[0], after[-1] = p[0], p[-1]
    way = after - before
    way = way / np.maximum(np.linalg.norm(way, axis=1, keepdims=True), 1e-6)
    for k in sharp:
        way[k] = 0
    reach_in = np.linalg.norm(p - before, axis=1, keepdims=True)
    reach_out = np.linalg.norm(after - p, axis=1, keepdims=True)
    return Path(p, -way * reach_in * HANDLE, way * reach_out * HANDLE, closed)


def ellipse(x: float, y: float, rx: float, ry: float | None = None, turn: float = 0) -> Path:
    ry = rx if ry is None else ry
    v = np.array([[0, -ry], [rx, 0], [0, ry], [-rx, 0]], dtype=float)
    o = np.array([[rx, 0], [0, ry], [-rx, 0], [0, -ry]], dtype=float) * 0.5523
    return Path(v, -o, o).at(pose(x, y, turn))


def polygon(points: Sequence[Point], rounding: float = 0) -> Path:
    """A straight-edged shape whose corners are rounded by up to that many pixels."""
    p = np.asarray(points, dtype=float)
    if not rounding:
        return Path(p, np.zeros_like(p), np.zeros_like(p))
    v, i, o = [], [], []
    for k in range(len(p)):
        back, on = p[k - 1] - p[k], p[(k + 1) % len(p)] - p[k]
        for way, first in ((back, True), (on, False)):
            size = np.linalg.norm(way)
            cut = way / max(size, 1e-6) * min(rounding, size / 2)
            v.append(p[k] + cut)
            i.append(np.zeros(2) if first else -cut * 0.55)
            o.append(-cut * 0.55 if first else np.zeros(2))
    return Path(np.array(v), np.array(i), np.array(o))


def box(x: float, y: float, w: float, h: float, rounding: float = 0) -> Path:
    """A rectangle with its upper left corner at (x, y)."""
    return polygon([(x, y), (x + w, y), (x + w, y + h), (x, y + h)], rounding)


def _sides(points: Sequence[Point]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    p = np.asarray(points, dtype=float)
    way = np.gradient(p, axis=0)
    way = way / np.maximum(np.linalg.norm(way, axis=1, keepdims=True), 1e-6)
    return p, way, np.stack([-way[:, 1], way[:, 0]], axis=1)


def tube(points: Sequence[Point], widths: Sequence[float] | float) -> Path:
    """A limb: the spine through the points with these half widths and round ends.

    A half width of 0 at an end makes it a point.
    """
    p, way, side = _sides(points)
    w = np.broadcast_to(np.asarray(widths, dtype=float), (len(p),))[:, None]
    left, right = p - side * w, p + side * w
    head, tail = p[-1] + way[-1] * w[-1], p[0] - way[0] * w[0]
    ring = np.concatenate([left, head[None], right[::-1], tail[None]])
    return smooth(ring)


def spine(points: Sequence[Point], count: int) -> list[Point]:
    """Count points evenly along the smooth open curve through the given ones."""
    path = smooth(points, closed=False)
    fine = path.sample(np.linspace(0, len(points) - 1, 24 * len(points)))
    run = np.concatenate([[0], np.cumsum(np.linalg.norm(np.diff(fine, axis=0), axis=1))])
    at = np.linspace(0, run[-1], count)
    return [
        (float(np.interp(a, run, fine[:, 0])), float(np.interp(a, run, fine[:, 1]))) for a in at
    ]


def stroke(points: Sequence[Point], weight: float, taper: float = 0.45, count: int = 5) -> Path:
    """A brush line: thick in the middle, thinner by the taper at both ends."""
    half = weight / 2 * (taper + (1 - taper) * np.sin(np.linspace(0.1, np.pi - 0.1, count)))
    return tube(spine(points, count), half)


def crescent(path: Path, start: float, end: float, depth: float, count: int = 7) -> Path:
    """The shadow inside a closed clockwise shape along its edge from start to end (0..1)."""
    u = np.linspace(start, end, count) * len(path.v)
    edge = path.sample(u)
    _, way, side = _sides([tuple(e) for e in edge])
    inner = edge + side * depth * np.sin(np.linspace(0, np.pi, count))[:, None]
    ring = np.concatenate([edge, inner[-2:0:-1]])
    return smooth([tuple(r) for r in ring], sharp=(0, count - 1))


def elbow(a: Point, b: Point, upper: float, lower: float, bend: float = 1) -> Point:
    """Where the joint of a two-bone limb from a to b lies; bend is -1 or 1, the side."""
    d = np.subtract(b, a)
    reach = min(max(float(np.hypot(*d)), 1e-3), (upper + lower) * 0.999)
    along = (upper**2 - lower**2 + reach**2) / (2 * reach)
    off = bend * np.sqrt(max(upper**2 - along**2, 0.0))
    unit = d / max(float(np.hypot(*d)), 1e-6)
    x, y = np.asarray(a) + unit * along + np.array([-unit[1], unit[0]]) * off
    return float(x), float(y)
