"""Mina: a girl in a yellow raincoat, who waves from the shore."""

from __future__ import annotations

from functools import cache

import numpy as np

from cast.kit.clip import Clip
from cast.kit.faces import bead_eye, cheek, mouth
from cast.kit.motion import spring, track, wave
from cast.kit.paths import Point, crescent, ellipse, polygon, pose, smooth, spine, stroke, tube
from cast.kit.sheet import Sheet

COAT, SHADE, INSIDE, BOOT = "#ffc93c", "#e89f22", "#c97b1d", "#e0495a"
SKIN, BLUSH, HAIR, SHEEN = "#ffdcbd", "#ff9d8f", "#6a3a3a", "#8a5046"
GROUND = 290


def upper(f: float) -> float:
    """Direction of the upper arm, degrees clockwise from straight down to the viewer's right."""
    return track(
        f, (0, -24), (4, -24), (8, -12), (17, -112, "both"), (21, -102), (40, -102), (47, -98)
    )


def fore(f: float) -> float:
    """Direction of the forearm: raised, then swinging to and fro."""
    swing = track(f, (12, 0), (18, 1), (40, 1), (47, 0.5)) * wave(f, 13, 0.56, 27)
    return track(f, (0, -12), (4, -12), (8, 6), (18, -153, "both"), (47, -153)) + swing


def lean(f: float) -> float:
    return track(f, (0, 0), (8, -4), (17, 5), (24, 3)) + wave(f, 26, 0.1, 1.2)


@cache
def _cuff() -> list[float]:
    return spring(fore, 0.34, 0.42)


@cache
def _hair() -> list[float]:
    return spring(lambda f: lean(f) * 3, 0.12, 0.2)


def _shore(s: Sheet) -> None:
    s.paint(polygon([(-9, -9), (521, -9), (521, 329), (-9, 329)]), "#a9d8f0")
    for x, y, k in ((420, 74, 1.2), (150, 46, 0.9), (300, 110, 0.8)):
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
        s.paint(cloud.at(pose(x, y, 0, k, k)), "#e4f4fb")
    s.paint(polygon([(-9, 186), (521, 186), (521, 329), (-9, 329)]), "#4a93c4")
    s.paint(polygon([(-9, 186), (521, 186), (521, 196), (-9, 196)]), "#7bb9dc")
    for x, y, w in ((130, 214, 60), (330, 222, 80), (470, 210, 50), (210, 236, 50)):
        s.paint(tube([(x - w / 2, y), (x, y), (x + w / 2, y)], [1, 3, 1]), "#8cc6e6")
    s.paint(
        smooth([(-20, 262), (-20, 178), (30, 172), (92, 200), (126, 262)], sharp=(0, 1, 4)),
        "#5f7f8c",
    )
    tower = [(34, 182), (42, 72), (70, 72), (78, 182)]
    s.inked([(polygon(tower), "#fff6ea")], 4)
    s.paint(polygon([(39, 118), (41.4, 90), (70.6, 90), (73, 118)]), "#e0495a")
    s.paint(polygon([(35.6, 166), (37.2, 142), (74.8, 142), (76.4, 166)]), "#e0495a")
    s.inked([(polygon([(38, 72), (42, 50), (70, 50), (74, 72)]), "#ffe38a")], 4)
    s.inked([(smooth([(36, 50), (56, 28), (76, 50)], sharp=(0, 1, 2)), "#e0495a")], 4)
    boat = smooth([(408, 196), (476, 196), (462, 214), (420, 214)], sharp=(0, 1))
    s.inked([(boat, "#c25450"), (polygon([(440, 140), (440, 190), (474, 190)]), "#fff6ea")], 4)
    s.paint(
        smooth(
            [(-20, 330), (-20, 262), (120, 252), (270, 262), (400, 250), (540, 264), (540, 330)],
            sharp=(0, 1, 5, 6),
        ),
        "#8cc08a",
    )
    s.paint(
        smooth(
            [(-20, 330), (-20, 290), (130, 280), (300, 288), (540, 284), (540, 330)],
            sharp=(0, 1, 4, 5),
        ),
        "#6fa877",
    )


def _bone(a: Point, angle: float, size: float) -> Point:
    t = np.radians(angle)
    return a[0] - np.sin(t) * size, a[1] + np.cos(t) * size


def _hand(s: Sheet, at: Point, angle: float) -> None:
    here = s.place(pose(*at, angle))
    fingers = [(tube([(0, 8), (k * 7, 22 - abs(k) * 2)], 6.5), SKIN) for k in (-1, 0, 1)]
    thumb = tube([(4, 6), (17, 8)], 6)
    here.inked([*fingers, (thumb, SKIN), (ellipse(0, 6, 13, 12), SKIN)], 4.5)


def _waving_arm(s: Sheet, f: int, joint: Point) -> None:
    reach = track(f, (8, 38), (17, 46))
    elbow = _bone(joint, upper(f), reach)
    wrist = _bone(elbow, fore(f), reach - 4)
    late = 0.45 * fore(f) + 0.55 * _cuff()[f]
    hem = _bone(elbow, late, 24)
    _hand(s, wrist, fore(f))
    sleeve = tube([joint, elbow, hem], [17, 18, 23])
    s.inked([(sleeve, COAT)], 5)
    s.paint(ellipse(joint[0] - 8, joint[1] + 4, 16, 17), COAT)


def _body(s: Sheet, sway: float) -> None:
    for side in (-1, 1):
        boot = smooth([(-15, -38), (15, -38), (16, -8), (24, 2), (16, 6), (-14, 6), (-17, -8)])
        s.inked([(boot.at(pose(side * 23, 0, 0, side, 1)), BOOT)], 5)
        s.paint(tube([(side * 23 - 12, -8), (side * 23 + 12, -8)], 3), "#b23450")
    hem = sway * 0.8
    coat = smooth(
        [
            (-26, -132),
            (26, -132),
            (46, -88),
            (62 + hem, -36),
            (30 + hem, -25),
            (-30 + hem, -25),
            (-62 + hem, -36),
            (-46, -88),
        ]
    )
    s.inked([(coat, COAT)], 6)
    s.paint(crescent(coat, 0.14, 0.62, 17), SHADE)
    s.paint(stroke([(2, -118), (5, -80), (2 + hem, -34)], 5), SHADE)
    for y in (-96, -66):
        s.paint(ellipse(-6, y, 6), "#fff6dc")


def _resting_arm(s: Sheet, at: Point, swing: float) -> None:
    here = s.place(pose(*at, 24 - swing))
    here.inked([(ellipse(0, 58, 12, 13), SKIN)], 4.5)
    here.inked([(tube([(0, 0), (-2, 22), (0, 36)], [16, 17, 17]), COAT)], 5)
    here.paint(ellipse(8, 4, 14, 16), COAT)


def _tails(s: Sheet, late: float) -> None:
    for side in (-1, 1):
        x, tip = side * 52, late * 0.9
        braid = spine([(x, 18), (x + side * 14 + tip * 0.3, 44), (x + side * 8 + tip, 82)], 4)
        s.inked([(tube(braid, [14, 17, 16, 7]), HAIR)], 5)
        bx, by = braid[2]
        s.paint(tube([(bx - 13, by + 10), (bx + 13, by + 10)], 4), BOOT)


def _head(s: Sheet, f: int, late: float) -> None:
    hood = smooth(
        [
            (late * 0.3, -92),
            (52, -74),
            (78, -18),
            (66, 40),
            (26, 64),
            (-26, 64),
            (-66, 40),
            (-78, -18),
            (-52, -74),
        ]
    )
    s.inked([(hood, COAT)], 6)
    s.paint(crescent(hood, 0.1, 0.5, 20), SHADE)
    opening = smooth(
        [(0, -62), (46, -44), (60, 4), (44, 48), (0, 60), (-44, 48), (-60, 4), (-46, -44)]
    )
    s.inked([(opening, INSIDE)], 3.5)
    s.paint(
        smooth(
            [(0, -48), (42, -32), (54, 10), (40, 46), (0, 58), (-40, 46), (-54, 10), (-42, -32)]
        ),
        SKIN,
    )
    fringe = smooth(
        [
            (-56, 16),
            (-52, -32),
            (0, -60),
            (52, -32),
            (56, 16),
            (44, -6),
            (22, -18),
            (14, -8),
            (-8, -22),
            (-30, -8),
            (-46, 2),
        ],
        sharp=(0, 4, 7, 9),
    )
    s.paint(fringe, HAIR)
    s.paint(stroke([(-34, -34), (-10, -48), (22, -44)], 6), SHEEN)
    lid = track(f, (0, 1), (1, 1), (3, 0), (6, 1), (32, 1), (34, 0), (41, 0), (43, 1))
    for side in (-1, 1):
        bead_eye(s, side * 24, 12, 9.5, 14, lid, smile=f > 20)
        s.paint(stroke([(side * 24 - 9, -9), (side * 24, -13), (side * 24 + 9, -9)], 4.5), HAIR)
        cheek(s, side * 38, 30, 11, BLUSH)
    mouth(s, 0, 31, 15, track(f, (0, 0), (9, 0), (15, 16), (44, 14)), 0.9)


def draw(s: Sheet, f: int) -> None:
    _shore(s)
    s.paint(ellipse(240, GROUND + 4, 74, 9), "#57905f")
    tilt, late = lean(f), _hair()[f] - lean(f) * 3
    hop = track(f, (0, 0), (8, 5), (16, -7), (22, 2), (26, 0)) + wave(f, 13, 0.2, 1.2)
    girl = s.place(pose(236, GROUND, 0, 0.95, 0.95))
    torso = pose(0, 0, tilt * 0.6, 1 + hop * 0.004, 1 - hop * 0.006)
    body = girl.place(torso)
    _body(body, late)
    shoulder = torso.point(-36, -114)
    _resting_arm(girl, shoulder, track(f, (0, 0), (8, 6), (17, -14), (24, -6)) + wave(f, 26, 0, 3))
    head = girl.place(pose(*torso.point(0, -184), tilt * 1.6))
    _tails(head, late * 2.2)
    _head(head, f, late)
    _waving_arm(girl, f, torso.point(40, -112))


CLIP = Clip(
    name="girl_wave",
    title="Mina waves hello",
    first=7,
    draw=draw,
    prompt="a cartoon girl in a yellow raincoat raises her arm and waves by the sea",
    motions=("wave", "follow-through of sleeve and hair", "blink"),
)
