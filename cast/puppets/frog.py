"""Pip: a wide-mouthed frog who leaps from a lily pad, with squash and stretch."""

from __future__ import annotations

from functools import cache

from cast.kit.clip import Clip
from cast.kit.faces import cheek, mouth, round_eye
from cast.kit.motion import spring, track
from cast.kit.paths import Point, crescent, ellipse, polygon, pose, smooth, spine, tube
from cast.kit.sheet import Sheet

SKIN, SHADE, BELLY = "#79c843", "#529e3c", "#eef5b4"
LEG, PINK, IRIS = "#68b53d", "#f59a9f", "#ffb63d"
GROUND = 282


def height(f: float) -> float:
    """How far the feet are above the pad."""
    return track(f, (18, 0), (31, 52, "out"), (32, 52), (41, 0, "in"), (47, 0))


def stretch(f: float) -> float:
    """Vertical scale of the body; its area is kept."""
    return track(
        f,
        (0, 1),
        (6, 1.04),
        (13, 0.66),
        (16, 0.64),
        (23, 1.26, "out"),
        (31, 0.98),
        (40, 1.14),
        (42, 0.68, "out"),
        (45, 1.08),
        (47, 1.02),
    )


def spread(f: float) -> float:
    """0: legs folded on the pad, 1: legs hanging and arms thrown up."""
    return track(f, (18, 0), (28, 1), (34, 0.95), (41, 0), (47, 0))


@cache
def _late() -> list[float]:
    return spring(lambda f: height(f), 0.16, 0.34)


def _pond(s: Sheet) -> None:
    s.paint(polygon([(-9, -9), (521, -9), (521, 329), (-9, 329)]), "#bfe8ea")
    s.paint(ellipse(256, 120, 150), "#d9f3ec")
    for x, y, k in ((70, 62, 1.0), (446, 44, 0.8)):
        cloud = [
            (-60, 0),
            (-52, -20),
            (-30, -24),
            (-12, -42),
            (18, -34),
            (30, -18),
            (54, -16),
            (62, 0),
        ]
        s.paint(smooth(cloud, sharp=(0, 7)).at(pose(x, y, 0, k, k)), "#f6fffb")
    far = [
        (-20, 220),
        (-20, 150),
        (50, 118),
        (120, 156),
        (210, 140),
        (300, 160),
        (390, 122),
        (470, 148),
        (540, 116),
        (540, 220),
    ]
    s.paint(smooth(far, sharp=(0, 1, 8, 9)), "#8fd3a5")
    s.paint(polygon([(-9, 188), (521, 188), (521, 329), (-9, 329)]), "#4fb3bf")
    s.paint(polygon([(-9, 188), (521, 188), (521, 204), (-9, 204)]), "#7fcfd0")
    for x, y, w in ((50, 228, 60), (452, 236, 74), (130, 312, 50), (410, 306, 46), (30, 280, 40)):
        s.paint(tube([(x - w / 2, y), (x, y), (x + w / 2, y)], [1, 3.5, 1]), "#86d6d8")
    for x, top, lean in ((28, 96, 6), (58, 128, -5), (478, 88, -6), (450, 136, 8)):
        s.inked([(tube([(x, 330), (x + lean, 230), (x + lean * 2, top)], [5, 4, 3]), "#3d8b55")], 4)
        s.inked([(tube([(x + 2 * lean, top - 14), (x + 2 * lean, top + 26)], 9), "#8a5a3c")], 4)


def _pad(s: Sheet, sink: float) -> None:
    ring = ellipse(256, GROUND + 8 + sink, 142, 26)
    s.paint(ellipse(256, GROUND + 14, 152, 30), "#3b97a8")
    s.inked([(ring, "#4caf6b")], 5)
    s.paint(crescent(ring, 0.12, 0.62, 12), "#35915a")


def _legs(s: Sheet, wide: float, base: Point, go: float) -> None:
    for side in (-1, 1):
        hip = (base[0] + side * wide * 0.66, base[1] - 34)
        foot = (side * (98 - 50 * go), base[1] - 2 + 64 * go)
        knee = (hip[0] + side * (44 - 26 * go), (hip[1] + foot[1]) / 2 - 18 * (1 - go))
        thigh = spine([hip, knee, foot], 6)
        toe = [(foot[0] + side * 14, foot[1] + 4 + 12 * go), (foot[0] - side * 8, foot[1] + 2)]
        shoe = tube(spine([toe[1], foot, toe[0]], 3), [9, 11, 13])
        s.inked([(tube(thigh, [30, 31, 26 - 6 * go, 18, 13, 11]), LEG), (shoe, LEG)], 5)


def _arms(s: Sheet, shoulder: list[Point], base: Point, go: float) -> None:
    for side, joint in zip((-1, 1), shoulder, strict=True):
        down = (side * 40, base[1] + 2)
        up = (joint[0] + side * 74, joint[1] - 58)
        hand = (down[0] + (up[0] - down[0]) * go, down[1] + (up[1] - down[1]) * go)
        mid = ((joint[0] + hand[0]) / 2 + side * 12, (joint[1] + hand[1]) / 2 + 16 * go)
        arm = tube(spine([joint, mid, hand], 5), [13, 12, 11, 11, 12])
        s.inked([(arm, SKIN), (ellipse(hand[0], hand[1], 16, 12 + 4 * go), SKIN)], 5)
        s.paint(ellipse(joint[0] - side * 6, joint[1] - 5 + 9 * go, 14), SKIN)


def draw(s: Sheet, f: int) -> None:
    _pond(s)
    up, sy, go = height(f), stretch(f), spread(f)
    sink = track(f, (0, 0), (14, 3), (19, 8), (24, -5), (30, 0), (40, 0), (43, 8), (47, 0))
    _pad(s, sink)
    frog = s.place(pose(256, GROUND - up + sink - 48 * go, 0, 0.86, 0.86))
    sx = sy**-0.8
    flat = pose(0, 0, 0, sx, sy)
    ring = [
        (0, -138),
        (58, -128),
        (92, -88),
        (88, -34),
        (52, 0),
        (0, 6),
        (-52, 0),
        (-88, -34),
        (-92, -88),
        (-58, -128),
    ]
    body = smooth(ring).at(flat)
    shadow = 1 - up / 130
    s.paint(ellipse(256, GROUND + 10 + sink, 96 * shadow, 13 * shadow), "#2c7d52")
    _legs(frog, 92 * sx, (0, 0), go)
    late = (_late()[f] - up) * 0.12
    eyes = [flat.point(side * 46, -136) for side in (-1, 1)]
    bumps = [(ellipse(x, y - 8 - late, 33), SKIN) for x, y in eyes]
    frog.inked([*bumps, (body, SKIN)], 6)
    frog.paint(crescent(body, 0.16, 0.6, 20), SHADE)
    belly = smooth([(0, -66), (52, -54), (60, -22), (34, -2), (-34, -2), (-60, -22), (-52, -54)])
    frog.paint(belly.at(flat), BELLY)
    _arms(frog, [flat.point(side * (58 + 22 * go), -58 - 12 * go) for side in (-1, 1)], (0, 0), go)
    lid = track(
        f,
        (0, 1),
        (3, 1),
        (5, 0),
        (8, 1),
        (13, 0.55),
        (17, 0.55),
        (21, 1),
        (39, 1),
        (42, 0.1),
        (45, 1),
    )
    gaze = track(f, (8, 0), (13, -0.9), (27, -0.7), (35, 0.9), (44, 0))
    for (x, y), side in zip(eyes, (-1, 1), strict=True):
        round_eye(frog, x, y - 10 - late, 25, lid, (-side * 0.12, gaze), (IRIS, SHADE), 1, 0.56)
    opened = track(f, (18, 0), (26, 30), (36, 22), (41, 0))
    mx, my = flat.point(0, -96)
    mouth(
        frog,
        mx,
        my,
        46 * sx,
        opened,
        track(f, (8, 0.8), (14, 0.25), (24, 0.7), (42, 0.3), (46, 0.9)),
    )
    for side in (-1, 1):
        x, y = flat.point(side * 68, -88)
        cheek(frog, x, y, 13, PINK)


CLIP = Clip(
    name="frog_jump",
    title="Pip's leap",
    first=16,
    draw=draw,
    prompt="a cartoon green frog jumps up from a lily pad in a pond",
    motions=("jump", "squash and stretch", "blink"),
)
