"""Kiki: a round blue bird, who takes off from a blossoming branch."""

from __future__ import annotations

from functools import cache

import numpy as np

from cast.kit.clip import Clip
from cast.kit.faces import bead_eye, cheek
from cast.kit.motion import spring, track, wave
from cast.kit.paths import (
    Path,
    Point,
    crescent,
    ellipse,
    polygon,
    pose,
    smooth,
    spine,
    stroke,
    tube,
)
from cast.kit.sheet import Sheet

BLUE, SHADE, CREAM, WING = "#4aa8e0", "#3385c0", "#fff3dc", "#2f78b8"
TIP, BEAK, LEG, BLUSH = "#9bd6f5", "#ffab3d", "#e0803a", "#ff9f9f"
PERCH = 262

# Root, leading edge, then three feather tips with notches between, and the back of the root.
FOLDED: tuple[Point, ...] = (
    (6, 0),
    (26, 22),
    (-14, 60),
    (-22, 52),
    (-48, 68),
    (-52, 54),
    (-90, 58),
    (-46, 8),
)
RAISED: tuple[Point, ...] = (
    (10, 4),
    (18, -44),
    (-10, -104),
    (-30, -82),
    (-62, -96),
    (-62, -68),
    (-94, -62),
    (-44, 12),
)
LOWERED: tuple[Point, ...] = (
    (6, -6),
    (30, 34),
    (22, 92),
    (-2, 78),
    (-24, 98),
    (-36, 76),
    (-62, 84),
    (-46, 6),
)


def rise(f: float) -> float:
    return track(f, (15, 0), (28, 62, "out"), (33, 57), (47, 62)) + track(
        f, (20, 0), (26, 1)
    ) * wave(f, 10, 0.6, 5)


def across(f: float) -> float:
    return track(f, (14, 0), (29, 16), (47, 4))


def squash(f: float) -> float:
    return track(f, (0, 0), (5, -0.02), (13, 0.2), (15, 0.18), (19, -0.16, "out"), (26, 0))


def stroke_of(f: float) -> tuple[float, float]:
    """How far the wing is open, and where it beats: 1 up, -1 down."""
    opened = track(f, (8, 0), (14, 1))
    first = track(f, (8, 0), (14, 1), (21, -1), (28, 1))
    return opened, first if f < 28 else float(np.cos(2 * np.pi * (f - 28) / 10))


@cache
def _late() -> list[float]:
    return spring(rise, 0.2, 0.25)


@cache
def _branch_dip() -> list[float]:
    weight = [track(f, (8, 10), (13, 16), (16, 18), (19, 0, "in")) for f in range(49)]
    return spring(lambda f: weight[int(f)], 0.55, 0.2)


def _garden(s: Sheet) -> None:
    s.paint(polygon([(-9, -9), (521, -9), (521, 329), (-9, 329)]), "#ffd9df")
    s.paint(ellipse(256, 150, 190, 165), "#ffe6e4")
    s.paint(ellipse(256, 150, 130, 116), "#fff2ea")
    for x, y, k in ((52, 92, 1.0), (452, 128, 1.1)):
        cloud = smooth(
            [
                (-60, 0),
                (-52, -20),
                (-30, -24),
                (-12, -42),
                (18, -34),
                (30, -18),
                (54, -16),
                (62, 0),
            ],
            sharp=(0, 7),
        )
        s.paint(cloud.at(pose(x, y, 0, k, k)), "#fffaf5")
    s.paint(
        smooth(
            [
                (-20, 330),
                (-20, 262),
                (80, 226),
                (190, 268),
                (300, 246),
                (420, 216),
                (540, 256),
                (540, 330),
            ],
            sharp=(0, 1, 6, 7),
        ),
        "#c9dfb4",
    )
    s.paint(
        smooth(
            [(-20, 330), (-20, 300), (120, 276), (280, 300), (440, 274), (540, 294), (540, 330)],
            sharp=(0, 1, 5, 6),
        ),
        "#a5cb9c",
    )


def _flower(s: Sheet, x: float, y: float, size: float, turn: float) -> None:
    here = s.place(pose(x, y, turn, size, size))
    ring = [
        (r * np.sin(k * np.pi * 0.4 + a), -r * np.cos(k * np.pi * 0.4 + a))
        for k in range(5)
        for r, a in ((23, -0.28), (23, 0.28), (15, 0.628))
    ]
    here.inked([(smooth(ring, sharp=range(2, 15, 3)), "#ff9ab8")], 4)
    here.paint(ellipse(0, 0, 7), "#ffe08a")


def _branch(s: Sheet, dip: float) -> None:
    def at(x: float, y: float) -> Point:
        return x, y + dip * max(x - 140, 0) / 110

    line = [(-60, 312), (60, 292), (100, 286), (140, 280), at(240, 271), at(330, 264), at(392, 246)]
    twig = tube([(60, 292), (40, 262), (44, 226)], [8, 6, 4])
    s.inked([(twig, "#8a5a5c"), (tube(line, [19, 17, 16, 15, 13, 10, 5]), "#8a5a5c")], 5)
    under = [(x, y + 6) for x, y in line]
    s.paint(tube(under, [8, 8, 7, 7, 5, 3, 1]), "#6d4450")
    for x, y, k in ((44, 222, 1.0), (24, 296, 1.1), (78, 286, 0.8)):
        _flower(s, x, y, k, 15 * x)
    for x, y, k in ((330, 266, 0.9), (386, 246, 1.0)):
        _flower(s, *at(x, y), k, 20 * k)


def _wing(opened: float, beat: float, near: bool) -> Path:
    up, down = np.array(RAISED), np.array(LOWERED)
    mix = (beat + 1) / 2
    # Half-way the wing points at the viewer: it looks shorter, and swings on an arc.
    spread = up * mix + down * (1 - mix) + np.array([-34, 0]) * (1 - beat * beat)
    ring = np.array(FOLDED) * (1 - opened) + spread * opened
    return smooth([tuple(p) for p in (ring if near else ring * 0.86)], sharp=(3, 5))


def _legs(s: Sheet, f: int, feet: Point, hips: list[Point]) -> None:
    air = track(f, (16, 0), (21, 1))
    for k, hip in enumerate(hips):
        foot = (feet[0] + 26 * k, feet[1])
        hang = (hip[0] - 22, hip[1] + 26 + wave(f, 10, 0.2, 3))
        end = (foot[0] + (hang[0] - foot[0]) * air, foot[1] + (hang[1] - foot[1]) * air)
        toes = [
            (tube([(end[0], end[1]), (end[0] + 12, end[1] + 5 + j)], 4.5), LEG) for j in (-5, 3)
        ]
        s.inked([(tube([hip, end], [5, 5]), LEG), *toes], 4.5)


def _face(s: Sheet, f: int) -> None:
    lid = track(
        f, (0, 1), (2, 1), (4, 0), (6, 1), (11, 0.6), (16, 1), (38, 1), (40, 0), (44, 0), (46, 1)
    )
    beak_open = track(f, (14, 0), (19, 10, "out"), (32, 7), (36, 2), (40, 8))
    lower = smooth(
        [(54, -14), (80, -8), (74, 2 + beak_open), (56, -2 + beak_open * 0.6)], sharp=(0, 1, 2)
    )
    upper = smooth([(50, -18), (68, -28), (94, -8), (66, -8)], sharp=(0, 2))
    s.inked([(lower, "#e0803a"), (upper, BEAK)], 4.5)
    bead_eye(s, 30, -30, 11.5, 16, lid, (1, 0), smile=f > 30)
    bead_eye(s, 62, -38, 7.5, 12, lid, (1, 0), smile=f > 30)
    s.paint(stroke([(18, -56), (30, -61), (42, -56)], 5), SHADE)
    cheek(s, 22, -6, 12, BLUSH)


def draw(s: Sheet, f: int) -> None:
    _garden(s)
    up, x, flat = rise(f), across(f), squash(f)
    dip = _branch_dip()[f]
    _branch(s, dip)
    tilt = track(f, (0, 0), (6, -3), (13, 10), (19, -22, "out"), (28, -10), (47, -8))
    drop = 18 * flat / 0.2 if flat > 0 else 0
    trunk = pose(256 + x, PERCH - 65 + dip + drop - up, tilt, 1.04 + 0.7 * flat, 1.04 - flat)
    bird = s.place(trunk)
    opened, beat = stroke_of(f)
    lag = (_late()[f] - up) * 0.9
    tail = smooth(
        [(14, -18), (-52, -22), (-70, -8), (-58, -2), (-72, 8), (-56, 14), (14, 16)],
        sharp=(2, 3, 4),
    )
    far = _wing(opened, beat, False).at(pose(26, -14))
    bird.inked([(far if opened > 0.05 else None, SHADE)], 5)
    bird.inked([(tail.at(pose(-52, 18, 10 + lag + wave(f, 24, 0, 3))), WING)], 5)
    _legs(s, f, (256 - 14, PERCH + dip), trunk.points([(-12, 46), (14, 48)]))
    crest = [
        (
            tube(
                spine(
                    [
                        (6 + 9 * k, -74),
                        (-6 + 12 * k + lag * 0.4, -94 - 4 * k),
                        (-22 + 15 * k + lag, -104 - 3 * k),
                    ],
                    3,
                ),
                [9, 7, 3],
            ),
            BLUE,
        )
        for k in (0, 1)
    ]
    body = smooth(
        [
            (14, -82),
            (58, -66),
            (76, -22),
            (60, 30),
            (10, 56),
            (-46, 42),
            (-76, 6),
            (-60, -36),
            (-30, -68),
        ]
    )
    bird.inked([*crest, (body, BLUE)], 6)
    bird.paint(
        smooth([(60, -28), (76, -16), (60, 29), (12, 54), (-34, 44), (-20, 16), (10, 2), (34, 6)]),
        CREAM,
    )
    bird.paint(crescent(body, 0.4, 0.78, 13), SHADE)
    _face(bird, f)
    near = _wing(opened, beat, True).at(pose(-14, -8))
    bird.inked([(near, WING)], 5)
    root = near.v[0] * 0.35 + near.v[1] * 0.2 + near.v[7] * 0.45
    for notch in (3, 5):
        start, end = near.v[notch] * 0.9 + root * 0.1, near.v[notch] * 0.45 + root * 0.55
        bird.paint(stroke([tuple(start), tuple((start + end) / 2), tuple(end)], 5.5), TIP)


CLIP = Clip(
    name="bird_takeoff",
    title="Kiki takes off",
    first=13,
    draw=draw,
    prompt="a cartoon blue bird takes off from a branch with pink flowers",
    motions=("take-off", "anticipation", "overlapping action"),
)
