"""Painted backgrounds: skies, hills, woods, streets, rooms, water, patterns; with a texture at times.

A painter gets a `Sheet` in stage units and paints far to near; it returns the words of the place.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import cv2
import numpy as np

from train.data.puppets.geometry import Array
from train.data.puppets.outlines import Rng, around, cloud, drop, squircle, star
from train.data.puppets.palette import Colour, Tone, mix
from train.data.puppets.stage import BITS, Backdrop


@dataclass(frozen=True)
class Place:
    """A backdrop, where one stands on it (stage units), and what it is. `tone` is the ground's."""

    backdrop: Backdrop
    ground: float
    tone: Tone
    kind: str  # land, room, water, air or flat
    words: str
    hue: float


class Sheet:
    """A picture to paint on: `half` (x, y) stage units each way from the centre."""

    def __init__(self, rng: Rng, half: tuple[float, float], scale: float):
        self.rng, self.half, self.scale = rng, half, scale
        size = int(round(2 * half[1] * scale)), int(round(2 * half[0] * scale))
        self.picture = np.zeros((*size, 3), np.uint8)
        self.ground = float(rng.uniform(26, 42))
        self.hue = float(rng.random())
        self.rich = float(rng.uniform(0.35, 1.0))
        self.ink: Colour | None = None
        self.tone = Tone(0.8, 0.05, self.hue)

    def fill(self, top: Colour, bottom: Colour, low: float | None = None) -> None:
        """A vertical ramp, from the top of the picture down to `low`."""
        rows = self.picture.shape[0] if low is None else int((low + self.half[1]) * self.scale)
        ramp = np.linspace(0, 1, max(rows, 1))[:, None]
        self.picture[:rows] = (np.array(top) * (1 - ramp) + np.array(bottom) * ramp).round().astype(np.uint8)[:, None]

    def shape(self, points: Array, colour: Colour) -> None:
        """A filled outline (n 2) in stage units."""
        pixels = (points + self.half) * self.scale - 0.5
        fixed = np.round(np.clip(pixels, -8192, 8192) * 2**BITS).astype(np.int32)
        cv2.fillPoly(self.picture, [fixed], colour, cv2.LINE_AA, BITS)
        if self.ink is not None:
            cv2.polylines(self.picture, [fixed], True, self.ink, max(round(0.5 * self.scale), 1), cv2.LINE_AA, BITS)

    def box(self, left: float, top: float, right: float, bottom: float, colour: Colour) -> None:
        self.shape(np.array([[left, top], [right, top], [right, bottom], [left, bottom]], float), colour)

    def put(self, outline: Array, x: float, y: float, sx: float, sy: float, colour: Colour) -> None:
        self.shape(outline * (sx, sy) + (x, y), colour)

    def ridge(self, level: float, rough: float, colour: Colour, peaks: float = 1.0) -> None:
        """Hills from a wavy line down to the bottom."""
        rng, half = self.rng, self.half
        x = np.linspace(-half[0], half[0], 60)
        y = np.full_like(x, level)
        for k in range(1, 4):
            y += rough / k * np.sin(x * 0.035 * k * peaks * rng.uniform(0.7, 1.4) + rng.uniform(0, 6.3))
        self.shape(np.concatenate([np.stack([x, y], -1), [[half[0], half[1]], [-half[0], half[1]]]]), colour)

    def scatter(self, count: int, low: float, high: float) -> Array:
        """Places (n 2), far ones (small y) first."""
        p = self.rng.uniform((-self.half[0], low), (self.half[0], high), (count, 2))
        return p[np.argsort(p[:, 1])]

    def near(self, lightness: float, chroma: float, turn: float = 0.0) -> Tone:
        """A tone of this picture's mood."""
        return Tone(lightness, chroma * self.rich, self.hue + turn)


def _sky(s: Sheet, night: bool) -> tuple[Tone, Tone]:
    rng = s.rng
    if night:
        top, low = Tone(rng.uniform(0.2, 0.32), 0.07, rng.uniform(0.66, 0.82)), Tone(rng.uniform(0.36, 0.5), 0.08, rng.uniform(0.7, 0.95))
    else:
        hue = rng.choice([0.66, 0.62, 0.95, 0.2, s.hue])
        top, low = Tone(rng.uniform(0.74, 0.88), 0.09 * s.rich, hue), Tone(rng.uniform(0.9, 0.96), 0.05 * s.rich, hue + rng.uniform(-0.2, 0.2))
    s.fill(top.rgb, low.rgb)
    if night:
        for x, y in s.scatter(26, -s.half[1], 5):
            r = rng.uniform(0.3, 0.9)
            s.put(star(4, 0.35, 0.1), x, y, r, r, (250, 246, 225))
    if rng.random() < 0.5:
        x, y, r = rng.uniform(-45, 45), rng.uniform(-40, -15), rng.uniform(5, 11)
        s.put(squircle(2), x, y, r, r, (252, 240, 205) if night else Tone(0.93, 0.12, 0.24).rgb)
    for _ in range(0 if night else int(rng.integers(0, 6))):
        size = rng.uniform(7, 18)
        x, y = rng.uniform(-s.half[0], s.half[0]), rng.uniform(-45, 0)
        s.put(cloud(rng, int(rng.integers(3, 6))), x, y, size, size * 0.8, mix(low.rgb, (255, 255, 255), 0.7))
    return top, low


def _tree(s: Sheet, x: float, y: float, size: float, tone: Tone, kind: int) -> None:
    trunk = Tone(0.45, 0.05, 0.14).by(0.1 * (tone.lightness - 0.5))
    s.shape(np.array([[x - 0.07 * size, y], [x - 0.045 * size, y - 0.5 * size], [x + 0.045 * size, y - 0.5 * size], [x + 0.07 * size, y]]), trunk.rgb)
    if kind == 0:
        s.put(squircle(2), x, y - 0.72 * size, 0.34 * size, 0.36 * size, tone.rgb)
        s.put(squircle(2), x + 0.06 * size, y - 0.66 * size, 0.25 * size, 0.26 * size, tone.by(-0.06).rgb)
    elif kind == 1:
        for k in range(3):
            w = (0.36 - 0.08 * k) * size
            top = y - (0.55 + 0.22 * k) * size
            s.shape(np.array([[x - w, top + 0.3 * size], [x, top - 0.12 * size], [x + w, top + 0.3 * size]]), tone.by(0.03 * k).rgb)
    else:
        s.put(drop(0.5), x, y - 0.7 * size, 0.24 * size, 0.5 * size, tone.rgb)


def _tufts(s: Sheet, tone: Tone) -> None:
    for x, y in s.scatter(int(s.rng.integers(0, 26)), s.ground - 8, s.half[1]):
        r = 1 + 0.06 * (y - s.ground + 8)
        s.shape(np.array([[x - r, y], [x - 0.9 * r, y - 1.6 * r], [x - 0.2 * r, y - 0.5 * r], [x + 0.2 * r, y - 2 * r], [x + 0.5 * r, y - 0.5 * r], [x + 1.2 * r, y - 1.4 * r], [x + r, y]]), tone.rgb)


def meadow(s: Sheet) -> str:
    rng, night = s.rng, s.rng.random() < 0.18
    _, low = _sky(s, night)
    green = Tone(0.45 if night else rng.uniform(0.7, 0.86), 0.12 * s.rich, rng.choice([0.36, 0.32, 0.42, 0.26, s.hue]))
    for k in range(int(rng.integers(1, 4))):
        far = Tone(low.lightness * 0.75 + green.lightness * 0.25, green.chroma * 0.5, green.hue + 0.1)
        s.ridge(-6 + 9 * k + rng.uniform(-6, 4), rng.uniform(3, 9), far.by(-0.04 * k, 1 + 0.3 * k).rgb)
    kind = int(rng.integers(3))
    for x, y in s.scatter(int(rng.integers(0, 7)), 12, s.ground - 8):
        _tree(s, x, y, rng.uniform(14, 26) * (0.5 + (y + 10) / 60), green.by(-0.12), kind)
    s.ridge(s.ground - rng.uniform(8, 14), rng.uniform(0.5, 2.5), green.rgb)
    s.tone = green
    _tufts(s, green.by(-0.07))
    for x, y in s.scatter(int(rng.choice([0, 0, 12])), s.ground, s.half[1]):
        s.put(star(5, 0.5, 0.3), x, y, 1.3, 1.3, Tone(0.9, 0.12, rng.random()).rgb)
    return "on a meadow at night" if night else "on a meadow"


def wood(s: Sheet) -> str:
    rng = s.rng
    hue = rng.choice([0.4, 0.46, 0.2, 0.62, s.hue])
    s.fill(Tone(0.82, 0.06 * s.rich, hue).rgb, Tone(0.92, 0.04 * s.rich, hue + 0.1).rgb)
    for depth in range(3):
        tone = Tone(0.76 - 0.13 * depth, 0.05 + 0.02 * depth, hue + 0.02 * depth)
        for _ in range(4):
            x, w = rng.uniform(-s.half[0], s.half[0]), rng.uniform(2, 4) * (1 + 0.7 * depth)
            s.shape(np.array([[x - w, 60], [x - 0.6 * w, -80], [x + 0.6 * w, -80], [x + w * 1.1, 60]]), tone.rgb)
        s.ridge(s.ground - 24 + 7 * depth, 2.5, tone.by(0.04).rgb, 2)
    s.tone = Tone(0.62, 0.08 * s.rich, hue)
    s.ridge(s.ground - 8, 1.5, s.tone.rgb)
    _tufts(s, s.tone.by(-0.07))
    return "in a wood"


def shore(s: Sheet) -> str:
    rng = s.rng
    _sky(s, False)
    level = rng.uniform(0, 12)
    sea = Tone(rng.uniform(0.62, 0.78), 0.09 * s.rich, rng.uniform(0.56, 0.66))
    s.box(-s.half[0], level, s.half[0], s.half[1], sea.rgb)
    for x, y in s.scatter(16, level + 1, s.ground - 8):
        s.put(squircle(2), x, y, rng.uniform(3, 8), 0.4, sea.by(0.1).rgb)
    s.tone = Tone(0.88, 0.06, 0.22)
    s.ridge(s.ground - 8, 2, s.tone.rgb)
    for x, y in s.scatter(8, s.ground, s.half[1]):
        s.put(squircle(2), x, y, 1.4, 0.8, s.tone.by(-0.07).rgb)
    return "on a beach"


def desert(s: Sheet) -> str:
    rng = s.rng
    _sky(s, False)
    sand = Tone(rng.uniform(0.76, 0.88), 0.08, rng.uniform(0.14, 0.22))
    for k in range(3):
        s.ridge(0 + 9 * k, rng.uniform(3, 8), sand.by(-0.03 * (2 - k), 0.8).rgb, 0.7)
    s.tone = sand
    s.ridge(s.ground - 9, 1.5, sand.rgb)
    return "in a desert"


def snow(s: Sheet) -> str:
    rng = s.rng
    _sky(s, rng.random() < 0.3)
    for k in range(2):
        s.ridge(-8 + 12 * k, rng.uniform(6, 12), Tone(0.84 + 0.04 * k, 0.03, 0.66).rgb, 1.5)
    for x, y in s.scatter(5, 12, s.ground - 9):
        _tree(s, x, y, rng.uniform(14, 24), Tone(0.55, 0.06, 0.5), 1)
    s.tone = Tone(0.95, 0.012, 0.66)
    s.ridge(s.ground - 9, 1.5, s.tone.rgb)
    return "in the snow"


def street(s: Sheet) -> str:
    rng, night = s.rng, s.rng.random() < 0.25
    _sky(s, night)
    x = -s.half[0]
    while x < s.half[0]:
        w, top = rng.uniform(14, 30), rng.uniform(-42, -5)
        wall = s.near(rng.uniform(0.3, 0.42) if night else rng.uniform(0.68, 0.86), 0.08, rng.choice([0, 0.1, 0.5, 0.35]))
        s.box(x, top, x + w, s.ground, wall.rgb)
        if rng.random() < 0.5:
            s.shape(np.array([[x - 1, top], [x + w / 2, top - rng.uniform(6, 14)], [x + w + 1, top]]), wall.by(-0.14).rgb)
        glass = (252, 226, 150) if night else wall.by(-0.2, 0.8).rgb
        for wy in np.arange(top + 4, s.ground - 16, 10):
            for wx in np.arange(x + 3, x + w - 5, 7):
                if rng.random() < 0.85:
                    s.box(wx, wy, wx + 4, wy + 5.5, glass)
        x += w + rng.choice([0, 0, 4])
    s.tone = Tone(0.5 if night else 0.76, 0.015, s.hue)
    s.box(-s.half[0], s.ground - 8, s.half[0], s.half[1], s.tone.rgb)
    s.box(-s.half[0], s.ground - 8, s.half[0], s.ground - 6.5, s.tone.by(-0.1).rgb)
    return "in a street at night" if night else "in a street"


def room(s: Sheet) -> str:
    rng = s.rng
    wall = s.near(rng.uniform(0.72, 0.92), 0.07)
    s.fill(wall.by(0.02).rgb, wall.by(-0.02).rgb)
    floor_at = s.ground - rng.uniform(8, 15)
    pattern = rng.integers(4)
    if pattern == 1:
        for x in np.arange(-s.half[0], s.half[0], 9):
            s.box(x, -s.half[1], x + 4, floor_at, wall.by(-0.03).rgb)
    elif pattern == 2:
        for k, y in enumerate(np.arange(-s.half[1], floor_at, 10)):
            for x in np.arange(-s.half[0] + 5 * (k % 2), s.half[0], 10):
                s.put(squircle(2, 12), x, y, 1.3, 1.3, wall.by(-0.05).rgb)
    if rng.random() < 0.6:
        x, w, h = rng.uniform(-40, 40), rng.uniform(9, 14), rng.uniform(11, 16)
        s.box(x - w - 2, -22 - h - 2, x + w + 2, -22 + h + 2, s.near(0.95, 0.02).rgb)
        s.box(x - w, -22 - h, x + w, -22 + h, Tone(0.85, 0.07, 0.63).rgb)
        s.box(x - 0.8, -22 - h, x + 0.8, -22 + h, s.near(0.95, 0.02).rgb)
        for side in (-1, 1):
            s.shape(np.array([[x + side * (w + 5), -22 - h - 4], [x + side * w * 0.5, -22 - h - 4], [x + side * (w - 1), 0 - 22 + h], [x + side * (w + 5), -20 + h]]), s.near(0.7, 0.13, 0.4).rgb)
    for _ in range(int(rng.integers(0, 3))):
        x, y, w, h = rng.uniform(-48, 48), rng.uniform(-36, -8), rng.uniform(4, 9), rng.uniform(5, 9)
        s.box(x - w, y - h, x + w, y + h, s.near(0.5, 0.08, 0.1).rgb)
        s.box(x - w + 1.4, y - h + 1.4, x + w - 1.4, y + h - 1.4, s.near(0.9, 0.08, rng.random()).rgb)
    if rng.random() < 0.5:
        x, y = rng.uniform(-45, 45), rng.uniform(-6, 8)
        wood_tone = Tone(0.55, 0.07, 0.15)
        s.box(x - 16, y, x + 16, y + 2, wood_tone.rgb)
        for k in range(5):
            h = rng.uniform(5, 10)
            s.box(x - 13 + 5 * k, y - h, x - 9.5 + 5 * k, y, s.near(rng.uniform(0.55, 0.8), 0.13, rng.random()).rgb)
    s.tone = Tone(rng.uniform(0.55, 0.8), 0.07, rng.choice([0.15, 0.13, s.hue + 0.3]))
    s.box(-s.half[0], floor_at, s.half[0], s.half[1], s.tone.rgb)
    s.box(-s.half[0], floor_at - 2.4, s.half[0], floor_at, wall.by(0.06, 0.5).rgb)
    if rng.random() < 0.5:
        for y in np.cumsum(np.arange(2.5, 9, 1.0)) + floor_at:
            s.box(-s.half[0], y, s.half[0], y + 0.5, s.tone.by(-0.05).rgb)
    if rng.random() < 0.5:
        s.put(squircle(2, 40), rng.uniform(-15, 15), s.ground + 5, rng.uniform(28, 46), 7, s.near(0.7, 0.12, 0.5).rgb)
    return "in a room"


def sea(s: Sheet) -> str:
    rng = s.rng
    top = Tone(rng.uniform(0.72, 0.86), 0.1 * s.rich + 0.02, rng.uniform(0.52, 0.64))
    s.fill(top.rgb, top.by(-0.28, 1.0, 0.03).rgb)
    for _ in range(int(rng.integers(0, 5))):
        x, w = rng.uniform(-50, 50), rng.uniform(3, 9)
        s.shape(np.array([[x - w * 0.5, -90], [x + w * 0.5, -90], [x + w * 2 + 18, 70], [x - w + 18, 70]]), top.by(-0.02).rgb)
    for depth in range(2):
        s.ridge(s.ground - 12 + 8 * depth, 4, top.by(-0.3 - 0.05 * depth).rgb, 1.5)
    s.tone = Tone(0.8, 0.06, 0.22) if rng.random() < 0.6 else top.by(-0.36)
    s.ridge(s.ground, 1.6, s.tone.rgb)
    for x, y in s.scatter(int(rng.integers(2, 9)), s.ground, s.ground + 6):
        h, weed = rng.uniform(10, 26), Tone(0.6, 0.12, rng.uniform(0.34, 0.5))
        t = np.linspace(0, 1, 8)
        mid = x + 2 * np.sin(t * 6 + x)
        left = np.stack([mid - 1.6 * (1 - t), y - h * t], -1)
        right = np.stack([mid + 1.6 * (1 - t), y - h * t], -1)
        s.shape(np.concatenate([left, right[::-1]]), weed.rgb)
    for x, y in s.scatter(10, -45, s.ground):
        s.put(squircle(2, 14), x, y, *(2 * [rng.uniform(0.5, 1.6)]), top.by(0.1).rgb)
    return "under the sea"


def space(s: Sheet) -> str:
    rng = s.rng
    deep = Tone(rng.uniform(0.18, 0.3), 0.07, rng.uniform(0.66, 0.95))
    s.fill(deep.rgb, deep.by(0.08, 1.2, 0.08).rgb)
    for x, y in s.scatter(70, -s.half[1], s.half[1]):
        r = rng.uniform(0.25, 0.9)
        s.put(star(4, 0.4, 0.1), x, y, r, r, (250, 248, 235))
    for _ in range(int(rng.integers(1, 4))):
        x, y, r, tone = rng.uniform(-50, 50), rng.uniform(-45, 25), rng.uniform(4, 12), Tone(rng.uniform(0.5, 0.8), 0.12, rng.random())
        s.put(squircle(2, 32), x, y, r, r, tone.rgb)
        s.put(squircle(2, 32), x - r * 0.2, y - r * 0.2, r * 0.72, r * 0.72, tone.by(0.07).rgb)
    s.tone = Tone(0.6, 0.05, rng.random())
    s.ridge(s.ground - 6, 2, s.tone.rgb)
    for x, y in s.scatter(8, s.ground - 3, s.half[1]):
        s.put(squircle(2, 20), x, y, 3.2, 1.2, s.tone.by(-0.08).rgb)
    return "on a planet in space"


def sky(s: Sheet) -> str:
    _, low = _sky(s, s.rng.random() < 0.15)
    for x, y in s.scatter(5, 10, 60):
        size = s.rng.uniform(12, 26)
        s.put(cloud(s.rng, 5), x, y, size, size * 0.8, mix(low.rgb, (255, 255, 255), 0.8))
    s.tone = low
    return "in the sky"


def ramp(s: Sheet) -> str:
    tone = s.near(s.rng.uniform(0.6, 0.93), 0.1)
    s.fill(tone.rgb, tone.by(s.rng.uniform(-0.15, 0.1), 1, s.rng.uniform(-0.1, 0.1)).rgb)
    s.tone = tone
    return "on a soft ground of one colour"


def plain(s: Sheet) -> str:
    s.tone = s.near(s.rng.uniform(0.5, 0.97), 0.1)
    s.fill(s.tone.rgb, s.tone.rgb)
    return "on a plain ground"


def floor(s: Sheet) -> str:
    """A wall and a floor, no more."""
    tone = s.near(s.rng.uniform(0.7, 0.95), 0.08)
    s.fill(tone.rgb, tone.by(-0.04).rgb)
    s.tone = tone.by(s.rng.choice([-0.14, 0.05]), 1.1, s.rng.choice([0, 0.1, 0.4]))
    s.box(-s.half[0], s.ground - 7, s.half[0], s.half[1], s.tone.rgb)
    return "before a plain wall"


def pattern(s: Sheet) -> str:
    rng = s.rng
    tone = s.near(rng.uniform(0.65, 0.93), 0.1)
    other = tone.by(rng.choice([-0.08, 0.06]), 1.1, rng.choice([0, 0.1, 0.5])).rgb
    s.fill(tone.rgb, tone.rgb)
    s.tone = tone
    kind, step = int(rng.integers(4)), rng.uniform(9, 20)
    grid = np.arange(-s.half[0] - step, s.half[0] + step, step)
    if kind == 0:
        for x in grid:
            s.shape(np.array([[x - 30, -90], [x - 30 + step / 2, -90], [x + 30 + step / 2, 90], [x + 30, 90]]), other)
    elif kind == 1:
        for k, x in enumerate(grid):
            for y in np.arange(-s.half[1], s.half[1], step) + (k % 2) * step / 2:
                s.put(squircle(2, 16), x, y, step * 0.22, step * 0.22, other)
    elif kind == 2:
        n = int(rng.integers(6, 12))
        for a in around(n):
            wide = np.pi / n / 1.0
            s.shape(np.array([[0, 0], [200 * np.cos(a), 200 * np.sin(a)], [200 * np.cos(a + wide), 200 * np.sin(a + wide)]]), other)
    else:
        for x, y in s.scatter(24, -s.half[1], s.half[1]):
            r = rng.uniform(1.5, 5)
            s.put(star(5, 0.5, 0.2), x, y, r, r, other)
    return "before a pattern"


SCENES: dict[str, dict[Callable[[Sheet], str], float]] = {
    "plain": {plain: 1.0},
    "simple": {plain: 0.25, ramp: 0.35, floor: 0.25, pattern: 0.15},
    "land": {meadow: 0.3, wood: 0.1, shore: 0.08, desert: 0.07, snow: 0.08, street: 0.12, room: 0.2, space: 0.05},
    "water": {sea: 1.0},
    "air": {sky: 0.7, meadow: 0.3},
}
FLAT = {plain, ramp, floor, pattern}


def paint_place(rng: Rng, scenes: str, aspect: float, scale: float, texture: bool) -> Place:
    """A place of a kind of scenes, `scale` pixels a stage unit, wide enough for pans."""
    painters = SCENES[scenes]
    shares = np.array(list(painters.values()))
    painter = list(painters)[rng.choice(len(painters), p=shares / shares.sum())]
    sheet = Sheet(rng, (50 * max(aspect, 1) + 28, 50 * max(1 / aspect, 1) + 16), scale)
    if painter not in FLAT and rng.random() < 0.25:
        sheet.ink = sheet.near(0.3, 0.05).rgb
    words = painter(sheet)
    if texture:
        _texture(sheet)
    kind = {"water": "water", "air": "air"}.get(scenes, "room" if painter is room else "flat" if painter in FLAT else "land")
    return Place(Backdrop(sheet.picture, scale), sheet.ground, sheet.tone, kind, words, sheet.hue)


def _texture(s: Sheet) -> None:
    """Paper grain, brush strokes or washes, all over the picture."""
    rng, kind = s.rng, int(s.rng.integers(4))
    if kind == 0:
        return
    height, width = s.picture.shape[:2]
    cell = {1: (0.6, 0.6), 2: (9.0, 1.0), 3: (14.0, 11.0)}[kind]
    small = [max(int(2 * h / c), 2) for h, c in zip(s.half, cell, strict=True)]
    noise = rng.standard_normal((small[1], small[0])).astype(np.float32)
    noise = cv2.resize(noise, (width, height), interpolation=cv2.INTER_CUBIC)
    strength = rng.uniform(0.02, 0.05)
    lit = s.picture * (1 + strength * noise)[..., None]
    s.picture = np.clip(lit, 0, 255).astype(np.uint8)
