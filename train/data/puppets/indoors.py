"""Painted rooms, water, and plain or patterned grounds; each returns its words."""

from __future__ import annotations

import numpy as np

from train.data.puppets.outlines import around, squircle, star
from train.data.puppets.painting import Sheet
from train.data.puppets.palette import Tone


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
            s.shape(
                np.array(
                    [
                        [x + side * (w + 5), -22 - h - 4],
                        [x + side * w * 0.5, -22 - h - 4],
                        [x + side * (w - 1), 0 - 22 + h],
                        [x + side * (w + 5), -20 + h],
                    ]
                ),
                s.near(0.7, 0.13, 0.4).rgb,
            )
    for _ in range(int(rng.integers(0, 3))):
        x, y, w, h = (
            rng.uniform(-48, 48),
            rng.uniform(-36, -8),
            rng.uniform(4, 9),
            rng.uniform(5, 9),
        )
        s.box(x - w, y - h, x + w, y + h, s.near(0.5, 0.08, 0.1).rgb)
        s.box(
            x - w + 1.4, y - h + 1.4, x + w - 1.4, y + h - 1.4, s.near(0.9, 0.08, rng.random()).rgb
        )
    if rng.random() < 0.5:
        x, y = rng.uniform(-45, 45), rng.uniform(-6, 8)
        wood_tone = Tone(0.55, 0.07, 0.15)
        s.box(x - 16, y, x + 16, y + 2, wood_tone.rgb)
        for k in range(5):
            h = rng.uniform(5, 10)
            s.box(
                x - 13 + 5 * k,
                y - h,
                x - 9.5 + 5 * k,
                y,
                s.near(rng.uniform(0.55, 0.8), 0.13, rng.random()).rgb,
            )
    s.tone = Tone(rng.uniform(0.55, 0.8), 0.07, rng.choice([0.15, 0.13, s.hue + 0.3]))
    s.box(-s.half[0], floor_at, s.half[0], s.half[1], s.tone.rgb)
    s.box(-s.half[0], floor_at - 2.4, s.half[0], floor_at, wall.by(0.06, 0.5).rgb)
    if rng.random() < 0.5:
        for y in np.cumsum(np.arange(2.5, 9, 1.0)) + floor_at:
            s.box(-s.half[0], y, s.half[0], y + 0.5, s.tone.by(-0.05).rgb)
    if rng.random() < 0.5:
        s.put(
            squircle(2, 40),
            rng.uniform(-15, 15),
            s.ground + 5,
            rng.uniform(28, 46),
            7,
            s.near(0.7, 0.12, 0.5).rgb,
        )
    return "in a room"


def sea(s: Sheet) -> str:
    rng = s.rng
    top = Tone(rng.uniform(0.72, 0.86), 0.1 * s.rich + 0.02, rng.uniform(0.52, 0.64))
    s.fill(top.rgb, top.by(-0.28, 1.0, 0.03).rgb)
    for _ in range(int(rng.integers(0, 5))):
        x, w = rng.uniform(-50, 50), rng.uniform(3, 9)
        s.shape(
            np.array(
                [[x - w * 0.5, -90], [x + w * 0.5, -90], [x + w * 2 + 18, 70], [x - w + 18, 70]]
            ),
            top.by(-0.02).rgb,
        )
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
            s.shape(
                np.array(
                    [[x - 30, -90], [x - 30 + step / 2, -90], [x + 30 + step / 2, 90], [x + 30, 90]]
                ),
                other,
            )
    elif kind == 1:
        for k, x in enumerate(grid):
            for y in np.arange(-s.half[1], s.half[1], step) + (k % 2) * step / 2:
                s.put(squircle(2, 16), x, y, step * 0.22, step * 0.22, other)
    elif kind == 2:
        n = int(rng.integers(6, 12))
        for a in around(n):
            wide = np.pi / n / 1.0
            s.shape(
                np.array(
                    [
                        [0, 0],
                        [200 * np.cos(a), 200 * np.sin(a)],
                        [200 * np.cos(a + wide), 200 * np.sin(a + wide)],
                    ]
                ),
                other,
            )
    else:
        for x, y in s.scatter(24, -s.half[1], s.half[1]):
            r = rng.uniform(1.5, 5)
            s.put(star(5, 0.5, 0.2), x, y, r, r, other)
    return "before a pattern"
