"""Miso: a blue-grey cat, who stretches on the rug in the morning sun."""

from __future__ import annotations

from functools import cache

from cast.kit.clip import Clip
from cast.kit.faces import bead_eye, cheek, mouth
from cast.kit.motion import spring, track, wave
from cast.kit.paths import (
    Path,
    Point,
    box,
    crescent,
    elbow,
    ellipse,
    polygon,
    pose,
    smooth,
    spine,
    stroke,
    tube,
)
from cast.kit.sheet import Sheet

FUR, SHADE, PALE, NOSE = "#8f9fc9", "#6d7bab", "#f3eef7", "#ff8fa0"
COLLAR, BELL, STRIPE = "#f2545b", "#ffcf4a", "#66739f"
FLOOR = 280


def reach(f: float) -> float:
    """0 standing, 1 the deepest stretch; below 0 the wind-up."""
    return track(
        f,
        (0, 0),
        (6, 0),
        (11, -0.16),
        (25, 1.0, "both"),
        (29, 1.05),
        (36, 0.98),
        (44, -0.06, "both"),
        (47, 0),
    )


@cache
def _late() -> list[float]:
    return spring(reach, 0.10, 0.26)


def _mix(a: Point, b: Point, t: float) -> Point:
    return a[0] + (b[0] - a[0]) * t, a[1] + (b[1] - a[1]) * t


def _room(s: Sheet) -> None:
    s.paint(polygon([(-9, -9), (521, -9), (521, 329), (-9, 329)]), "#f6d9bd")
    for x in range(20, 520, 52):
        s.paint(box(x, -10, 20, 260), "#f2cfb0")
    s.inked([(box(150, 20, 150, 150, 6), "#fffaf0")], 4)
    s.paint(box(160, 30, 130, 130), "#a7dcee")
    s.paint(
        smooth(
            [(160, 160), (160, 132), (200, 118), (240, 134), (290, 112), (290, 160)],
            sharp=(0, 1, 4, 5),
        ),
        "#8ccf9a",
    )
    s.paint(ellipse(258, 62, 18), "#fff3b8")
    s.paint(box(220, 28, 9, 134), "#fffaf0")
    s.paint(box(158, 90, 134, 9), "#fffaf0")
    s.paint(box(-9, 236, 540, 100), "#d9956b")
    s.paint(box(-9, 230, 540, 9), "#fff0de")
    s.paint(polygon([(206, 239), (392, 239), (492, 330), (250, 330)]), "#e6ab7d")
    pot = polygon([(36, 190), (88, 190), (80, 240), (44, 240)], 5)
    for x, y, a in ((62, 190, -38), (62, 190, 0), (62, 190, 38), (62, 186, -70), (62, 186, 68)):
        leaf = smooth([(0, 4), (-15, -38), (0, -84), (15, -38)], sharp=(0, 2))
        s.inked([(leaf.at(pose(x, y, a, 1, 1 - abs(a) / 260)), "#5aa873")], 4)
    s.inked([(pot, "#e2725b")], 4)
    s.inked([(box(432, 120, 70, 118, 6), "#b8693f")], 4)
    for y, colours in (
        (128, ("#e2725b", "#4a93c4", "#ffcf4a", "#5aa873")),
        (184, ("#4a93c4", "#ffcf4a", "#e2725b", "#fff0de")),
    ):
        for k, colour in enumerate(colours):
            s.paint(box(441 + 13 * k, y + (k % 2) * 6, 11, 44 - (k % 2) * 6, 2), colour)
    rug = ellipse(256, 290, 196, 26)
    s.inked([(rug, "#4f8a8b")], 4)
    s.paint(ellipse(256, 289, 172, 19), "#6fb0a8")


def _leg(
    s: Sheet, hip: Point, foot: Point, bend: float, sizes: tuple[float, float], fur: str
) -> None:
    knee = elbow(hip, (foot[0], foot[1] - 12), *sizes, bend)
    bones = spine([hip, knee, (foot[0], foot[1] - 12)], 4)
    s.inked(
        [(tube(bones, [24, 19, 15, 14]), fur), (ellipse(foot[0] - 7, foot[1] - 11, 21, 13), PALE)],
        5,
    )


def _tail(s: Sheet, root: Point, p: float, late: float, f: int) -> None:
    lag = (p - late) * 40
    curl = wave(f, 24, 0, 8)
    line = [
        root,
        (root[0] + 34 - 14 * p, root[1] - 14 - 10 * p),
        (root[0] + 46 - 30 * p + lag * 0.5, root[1] - 58 - 8 * p),
        (root[0] + 26 - 18 * p + lag + curl, root[1] - 96),
        (root[0] + 4 + 22 * p + lag * 1.3 + curl * 2, root[1] - 108 + 6 * p),
    ]
    bones = spine(line, 6)
    s.inked([(tube(bones, [12, 13, 13, 13, 13, 12]), FUR)], 5)
    s.paint(tube(bones[4:], [12.5, 11.5]), PALE)


def _ear(side: int, flat: float) -> Path:
    return smooth(
        [(side * 16, -44), (side * (44 + 12 * flat), -82 + 22 * flat), (side * 58, -24)],
        sharp=(0, 1, 2),
    )


def _head(s: Sheet, f: int, p: float) -> None:
    skull = smooth(
        [
            (0, -54),
            (40, -48),
            (64, -8),
            (74, 22),
            (36, 44),
            (0, 48),
            (-36, 44),
            (-74, 22),
            (-64, -8),
            (-40, -48),
        ],
        sharp=(3, 7),
    )
    flat = track(f, (8, 0), (11, -0.2), (24, 1), (36, 0.9), (43, 0))
    ears = [(_ear(side, flat), FUR) for side in (-1, 1)]
    s.inked([*ears, (skull, FUR)], 6)
    for side in (-1, 1):
        inner = _ear(side, flat).at(pose(side * 17, -18, 0, 0.55, 0.6))
        s.paint(inner, NOSE)
    s.paint(crescent(skull, 0.18, 0.6, 12), SHADE)
    for x, y, long in ((-14, -50, 16), (0, -53, 22), (14, -50, 16)):
        s.paint(stroke([(x, y), (x, y + long / 2), (x * 0.9, y + long)], 7), STRIPE)
    x = -8.0
    s.paint(ellipse(x - 14, 22, 22, 18), PALE)
    s.paint(ellipse(x + 14, 22, 22, 18), PALE)
    yawn = track(f, (11, 0), (22, 25, "both"), (33, 26), (40, 0))
    lid = track(f, (0, 1), (9, 1), (14, 0), (38, 0), (43, 1))
    for side in (-1, 1):
        bead_eye(s, x + side * 29, -4, 11, 15, lid)
        cheek(s, side * 50 + x * 0.5, 16, 10, "#f5a9b8")
    mouth(s, x, 23, 12 + yawn * 0.1, yawn, 0.75)
    s.paint(smooth([(x - 9, 11), (x, 9), (x + 9, 11), (x, 20)]), NOSE)


def draw(s: Sheet, f: int) -> None:
    _room(s)
    p, late = reach(f), _late()[f]
    s.paint(ellipse(262 - 14 * max(p, 0), FLOOR + 6, 128 + 14 * p, 12), "#45797c")
    cat = s.place(pose(260, FLOOR, 0, 0.95, 0.95))
    hip = _mix((62, -104), (54, -132), p)
    chest = _mix((-40, -102), (-40, -44), p)
    middle = _mix((8, -97), (16, -80), p)
    _tail(cat, (hip[0] + 30, hip[1] - 14), p, late, f)
    far, near = _mix((-24, 0), (-100, -4), max(p, 0)), _mix((-50, 2), (-126, 2), max(p, 0))
    _leg(cat, (chest[0] + 14, chest[1] + 12), far, 1, (42, 40), SHADE)
    _leg(cat, (hip[0] - 10, hip[1] + 26), (44, -2), -1, (44, 42), SHADE)
    trunk = tube(spine([hip, middle, chest], 5), [44, 43, 41, 42, 40])
    cat.inked([(trunk, FUR)], 6)
    cat.paint(crescent(trunk, 0.0, 0.42, 18), SHADE)
    _leg(cat, (hip[0] + 8, hip[1] + 26), (76, 4), -1, (44, 42), FUR)
    cat.paint(ellipse(hip[0] + 4, hip[1] + 10, 30, 32), FUR)
    _leg(cat, (chest[0] - 8, chest[1] + 14), near, 1, (42, 40), FUR)
    cat.paint(ellipse(chest[0] - 6, chest[1] + 2, 28, 27), FUR)
    neck = _mix((-62, -156), (-72, -100), 0.6 * p + 0.4 * late)
    band = tube(
        [
            (chest[0] - 36, chest[1] - 18),
            (chest[0] - 14, chest[1] - 12),
            (chest[0] + 12, chest[1] - 24),
        ],
        [8, 9, 8],
    )
    cat.inked([(band, COLLAR)], 4.5)
    cat.inked([(ellipse(chest[0] - 22, chest[1] - 2, 10), BELL)], 4)
    _head(
        cat.place(pose(*neck, track(f, (6, 0), (11, -7), (24, 14), (35, 12), (44, -3), (47, 0)))),
        f,
        p,
    )


CLIP = Clip(
    name="cat_stretch",
    title="Miso's morning stretch",
    first=11,
    draw=draw,
    prompt="a cartoon grey cat stretches and yawns on a rug in a sunny room",
    motions=("stretch", "yawn", "follow-through of the tail"),
)
