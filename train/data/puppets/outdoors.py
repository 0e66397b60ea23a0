"""Painted landscapes: skies, meadows, woods, shores, streets, space; each returns its words."""

from __future__ import annotations

import numpy as np

from train.data.puppets.outlines import cloud, drop, squircle, star
from train.data.puppets.painting import Sheet
from train.data.puppets.palette import Tone, mix


def paint_sky(s: Sheet, night: bool) -> tuple[Tone, Tone]:
    rng = s.rng
    if night:
        top, low = (
            Tone(rng.uniform(0.2, 0.32), 0.07, rng.uniform(0.66, 0.82)),
            Tone(rng.uniform(0.36, 0.5), 0.08, rng.uniform(0.7, 0.95)),
        )
    else:
        hue = rng.choice([0.66, 0.62, 0.95, 0.2, s.hue])
        top, low = (
            Tone(rng.uniform(0.74, 0.88), 0.09 * s.rich, hue),
            Tone(rng.uniform(0.9, 0.96), 0.05 * s.rich, hue + rng.uniform(-0.2, 0.2)),
        )
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
        s.put(
            cloud(rng, int(rng.integers(3, 6))),
            x,
            y,
            size,
            size * 0.8,
            mix(low.rgb, (255, 255, 255), 0.7),
        )
    return top, low


def paint_tree(s: Sheet, x: float, y: float, size: float, tone: Tone, kind: int) -> None:
    trunk = Tone(0.45, 0.05, 0.14).by(0.1 * (tone.lightness - 0.5))
    s.shape(
        np.array(
            [
                [x - 0.07 * size, y],
                [x - 0.045 * size, y - 0.5 * size],
                [x + 0.045 * size, y - 0.5 * size],
                [x + 0.07 * size, y],
            ]
        ),
        trunk.rgb,
    )
    if kind == 0:
        s.put(squircle(2), x, y - 0.72 * size, 0.34 * size, 0.36 * size, tone.rgb)
        s.put(
            squircle(2),
            x + 0.06 * size,
            y - 0.66 * size,
            0.25 * size,
            0.26 * size,
            tone.by(-0.06).rgb,
        )
    elif kind == 1:
        for k in range(3):
            w = (0.36 - 0.08 * k) * size
            top = y - (0.55 + 0.22 * k) * size
            s.shape(
                np.array(
                    [[x - w, top + 0.3 * size], [x, top - 0.12 * size], [x + w, top + 0.3 * size]]
                ),
                tone.by(0.03 * k).rgb,
            )
    else:
        s.put(drop(0.5), x, y - 0.7 * size, 0.24 * size, 0.5 * size, tone.rgb)


def paint_tufts(s: Sheet, tone: Tone) -> None:
    for x, y in s.scatter(int(s.rng.integers(0, 26)), s.ground - 8, s.half[1]):
        r = 1 + 0.06 * (y - s.ground + 8)
        s.shape(
            np.array(
                [
                    [x - r, y],
                    [x - 0.9 * r, y - 1.6 * r],
                    [x - 0.2 * r, y - 0.5 * r],
                    [x + 0.2 * r, y - 2 * r],
                    [x + 0.5 * r, y - 0.5 * r],
                    [x + 1.2 * r, y - 1.4 * r],
                    [x + r, y],
                ]
            ),
            tone.rgb,
        )


def meadow(s: Sheet) -> str:
    rng, night = s.rng, s.rng.random() < 0.18
    _, low = paint_sky(s, night)
    green = Tone(
        0.45 if night else rng.uniform(0.7, 0.86),
        0.12 * s.rich,
        rng.choice([0.36, 0.32, 0.42, 0.26, s.hue]),
    )
    for k in range(int(rng.integers(1, 4))):
        far = Tone(
            low.lightness * 0.75 + green.lightness * 0.25, green.chroma * 0.5, green.hue + 0.1
        )
        s.ridge(
            -6 + 9 * k + rng.uniform(-6, 4), rng.uniform(3, 9), far.by(-0.04 * k, 1 + 0.3 * k).rgb
        )
    kind = int(rng.integers(3))
    for x, y in s.scatter(int(rng.integers(0, 7)), 12, s.ground - 8):
        paint_tree(s, x, y, rng.uniform(14, 26) * (0.5 + (y + 10) / 60), green.by(-0.12), kind)
    s.ridge(s.ground - rng.uniform(8, 14), rng.uniform(0.5, 2.5), green.rgb)
    s.tone = green
    paint_tufts(s, green.by(-0.07))
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
            s.shape(
                np.array([[x - w, 60], [x - 0.6 * w, -80], [x + 0.6 * w, -80], [x + w * 1.1, 60]]),
                tone.rgb,
            )
        s.ridge(s.ground - 24 + 7 * depth, 2.5, tone.by(0.04).rgb, 2)
    s.tone = Tone(0.62, 0.08 * s.rich, hue)
    s.ridge(s.ground - 8, 1.5, s.tone.rgb)
    paint_tufts(s, s.tone.by(-0.07))
    return "in a wood"


def shore(s: Sheet) -> str:
    rng = s.rng
    paint_sky(s, False)
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
    paint_sky(s, False)
    sand = Tone(rng.uniform(0.76, 0.88), 0.08, rng.uniform(0.14, 0.22))
    for k in range(3):
        s.ridge(0 + 9 * k, rng.uniform(3, 8), sand.by(-0.03 * (2 - k), 0.8).rgb, 0.7)
    s.tone = sand
    s.ridge(s.ground - 9, 1.5, sand.rgb)
    return "in a desert"


def snow(s: Sheet) -> str:
    rng = s.rng
    paint_sky(s, rng.random() < 0.3)
    for k in range(2):
        s.ridge(-8 + 12 * k, rng.uniform(6, 12), Tone(0.84 + 0.04 * k, 0.03, 0.66).rgb, 1.5)
    for x, y in s.scatter(5, 12, s.ground - 9):
        paint_tree(s, x, y, rng.uniform(14, 24), Tone(0.55, 0.06, 0.5), 1)
    s.tone = Tone(0.95, 0.012, 0.66)
    s.ridge(s.ground - 9, 1.5, s.tone.rgb)
    return "in the snow"


def street(s: Sheet) -> str:
    rng, night = s.rng, s.rng.random() < 0.25
    paint_sky(s, night)
    x = -s.half[0]
    while x < s.half[0]:
        w, top = rng.uniform(14, 30), rng.uniform(-42, -5)
        wall = s.near(
            rng.uniform(0.3, 0.42) if night else rng.uniform(0.68, 0.86),
            0.08,
            rng.choice([0, 0.1, 0.5, 0.35]),
        )
        s.box(x, top, x + w, s.ground, wall.rgb)
        if rng.random() < 0.5:
            s.shape(
                np.array([[x - 1, top], [x + w / 2, top - rng.uniform(6, 14)], [x + w + 1, top]]),
                wall.by(-0.14).rgb,
            )
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


def space(s: Sheet) -> str:
    rng = s.rng
    deep = Tone(rng.uniform(0.18, 0.3), 0.07, rng.uniform(0.66, 0.95))
    s.fill(deep.rgb, deep.by(0.08, 1.2, 0.08).rgb)
    for x, y in s.scatter(70, -s.half[1], s.half[1]):
        r = rng.uniform(0.25, 0.9)
        s.put(star(4, 0.4, 0.1), x, y, r, r, (250, 248, 235))
    for _ in range(int(rng.integers(1, 4))):
        x, y, r, tone = (
            rng.uniform(-50, 50),
            rng.uniform(-45, 25),
            rng.uniform(4, 12),
            Tone(rng.uniform(0.5, 0.8), 0.12, rng.random()),
        )
        s.put(squircle(2, 32), x, y, r, r, tone.rgb)
        s.put(squircle(2, 32), x - r * 0.2, y - r * 0.2, r * 0.72, r * 0.72, tone.by(0.07).rgb)
    s.tone = Tone(0.6, 0.05, rng.random())
    s.ridge(s.ground - 6, 2, s.tone.rgb)
    for x, y in s.scatter(8, s.ground - 3, s.half[1]):
        s.put(squircle(2, 20), x, y, 3.2, 1.2, s.tone.by(-0.08).rgb)
    return "on a planet in space"


def sky(s: Sheet) -> str:
    _, low = paint_sky(s, s.rng.random() < 0.15)
    for x, y in s.scatter(5, 10, 60):
        size = s.rng.uniform(12, 26)
        s.put(cloud(s.rng, 5), x, y, size, size * 0.8, mix(low.rgb, (255, 255, 255), 0.8))
    s.tone = low
    return "in the sky"
