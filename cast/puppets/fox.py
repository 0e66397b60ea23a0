"""Rusty: a small fox in a red scarf, who walks through autumn hills."""

from __future__ import annotations

from functools import cache

from cast.kit.clip import Clip
from cast.kit.faces import bead_eye, cheek
from cast.kit.motion import spring, track, wave
from cast.kit.paths import (
    Path,
    Point,
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
from cast.kit.sheet import INK, Sheet

FUR, SHADE, CREAM, SOCK = "#f28a35", "#cf6626", "#fff1d8", "#5a3140"
SCARF, FOLD, PINK = "#d83a4a", "#a92842", "#f7a08a"
GROUND, CYCLE, STEP = 288, 28, 20.5
SIZE = 0.9


def foot(f: float, phase: float) -> tuple[float, float, float]:
    """Ankle x, height and tilt of a foot: half a cycle on the ground, half in the air."""
    p = (f / CYCLE + phase) % 1
    if p < 0.5:
        heel = track(p, (0, -18), (0.1, 0), (0.36, 0), (0.5, 38))
        return STEP * (1 - 4 * p), max(heel, 0) * 0.2, heel
    t = (p - 0.5) * 2
    swing = track(t, (0, -1), (1, 1))
    return STEP * swing, 26 * track(t, (0, 0.25), (0.4, 1), (1, 0)), track(t, (0, 38), (1, -18))


def bob(f: float) -> float:
    """Down just after each contact, up at the passing pose."""
    return wave(f, CYCLE / 2, -0.02, 6)


@cache
def _late(k: int) -> list[float]:
    return spring(lambda f: bob(f), (0.5, 0.25, 0.16)[k], 0.3, warm=True)


def _hills(s: Sheet) -> None:
    s.paint(polygon([(-9, -9), (521, -9), (521, 329), (-9, 329)]), "#ffd9a0")
    s.paint(ellipse(392, 96, 74), "#ffe9bd")
    s.paint(ellipse(392, 96, 52), "#fff6da")
    bands = (("#f6b887", 176, 40, 0.0), ("#e08f74", 214, 34, 2.1), ("#b9686a", 248, 22, 4.0))
    for colour, y, tall, shift in bands:
        top = [(x, y - tall * wave(x, 300, shift / 6.28)) for x in range(-30, 571, 60)]
        s.paint(smooth([(-30, 330), *top, (570, 330)], sharp=(0, 1, 11, 12)), colour)
    for x, y, k in ((38, 236, 1.0), (474, 230, 1.15), (104, 222, 0.6)):
        s.paint(tube([(x, y + 20), (x, y - 20 * k)], [5 * k, 4 * k]), "#70444f")
        s.paint(
            smooth(
                [
                    (x - 30 * k, y - 12 * k),
                    (x - 24 * k, y - 60 * k),
                    (x, y - 92 * k),
                    (x + 24 * k, y - 60 * k),
                    (x + 30 * k, y - 12 * k),
                ]
            ),
            "#c4524a",
        )
        s.paint(
            smooth(
                [
                    (x + 4 * k, y - 10 * k),
                    (x + 14 * k, y - 50 * k),
                    (x + 3 * k, y - 88 * k),
                    (x + 25 * k, y - 58 * k),
                    (x + 30 * k, y - 14 * k),
                ]
            ),
            "#a33f45",
        )
    s.paint(
        smooth([(-20, 330), (-20, 280), (256, 272), (532, 280), (532, 330)], sharp=(0, 1, 3, 4)),
        "#8a4a55",
    )
    s.paint(
        smooth([(-20, 330), (-20, 300), (256, 294), (532, 300), (532, 330)], sharp=(0, 1, 3, 4)),
        "#743c4c",
    )


def _leg(s: Sheet, hip: Point, f: float, phase: float, fur: str) -> None:
    x, lift, tilt = foot(f, phase)
    ankle = (hip[0] * 0.4 + x + 4, -13 - lift)
    knee = elbow(hip, ankle, 31, 31, -1)
    bones, widths = spine([hip, knee, ankle], 4), [17, 14, 12, 11]
    thigh = tube(bones, widths)
    shoe = smooth([(-11, -8), (4, -11), (22, -1), (24, 9), (8, 11), (-11, 10)])
    s.inked([(thigh, fur), (shoe.at(pose(*ankle, tilt)), SOCK)], 5)
    s.paint(tube(bones[2:], [w - 0.5 for w in widths[2:]]), SOCK)


def _arm(s: Sheet, joint: Point, swing: float, fur: str) -> None:
    here = s.place(pose(*joint, -swing))
    hand, bend = (5, 44), (-1, 24)
    here.inked([(tube([(0, 0), bend, hand], [12, 11, 12]), fur)], 5)
    here.paint(tube([(hand[0] - 2, 36), (hand[0], 44)], [11, 11]), SOCK)


def _tail(s: Sheet, f: int) -> None:
    beat = [wave(f, CYCLE, -0.05 - 0.09 * k, 5 + 5 * k) for k in range(4)]
    line = [
        (0, 0),
        (-38, 6 + beat[0]),
        (-69, -22 + beat[1]),
        (-78, -66 + beat[2]),
        (-57 + beat[3] * 0.5, -104 + beat[3] * 0.7),
    ]
    bones = spine(line, 6)
    brush = tube(bones, [10, 22, 30, 30, 20, 3])
    s.inked([(brush, FUR)], 6)
    s.paint(crescent(brush, 0.53, 0.92, 15), SHADE)
    s.paint(tube(bones[3:], [27, 19, 2]), CREAM)


def _scarf_ends(s: Sheet, f: int) -> None:
    for k, (drop, long) in enumerate(((16, 1.0), (-2, 0.82))):
        line = [(4, 0)]
        for j in range(1, 4):
            flap = wave(f, CYCLE / 2, 0.1 * k - 0.17 * j, 3.2 * j)
            line.append((4 - 30 * j * long, drop * j * 0.6 - 4 * j + flap))
        cloth = tube(line, [8, 12, 14, 15])
        s.inked([(cloth, FOLD if k else SCARF)], 5)


def _ear(x: float, lean: float, inner: bool) -> Path:
    k = 0.56 if inner else 1
    y = -38 - (8 if inner else 0)
    return smooth(
        [
            (x - 29 * k, y + 8),
            (x - 22 * k, y - 28 * k),
            (x + lean, y - 66 * k),
            (x + 24 * k, y - 26 * k),
            (x + 26 * k, y + 8),
        ],
        sharp=(0, 2, 4),
    )


def _head(s: Sheet, f: int, flop: float) -> None:
    skull = smooth(
        [
            (-14, -62),
            (34, -56),
            (62, -20),
            (66, 16),
            (34, 46),
            (-8, 50),
            (-50, 42),
            (-84, 36),
            (-66, 8),
            (-60, -30),
        ],
        sharp=(7,),
    )
    muzzle = smooth([(44, -10), (78, 0), (98, 12), (82, 32), (40, 42), (16, 24)])
    ears = [(_ear(-32, -12 - flop, False), FUR), (_ear(30, 8 - flop, False), FUR)]
    s.inked([*ears, (skull, FUR), (muzzle, CREAM)], 6)
    s.paint(crescent(skull, 0.68, 0.99, 13), SHADE)
    for x, lean in ((-32, -12 - flop), (30, 8 - flop)):
        s.paint(_ear(x, lean * 0.8, True), SOCK)
    s.paint(
        smooth(
            [
                (26, 8),
                (56, 2),
                (88, 12),
                (80, 32),
                (40, 45),
                (-8, 49),
                (-50, 41),
                (-80, 35),
                (-42, 20),
                (-4, 26),
            ],
            sharp=(7,),
        ),
        CREAM,
    )
    s.paint(ellipse(94, 9, 13, 10, 14), INK)
    s.paint(ellipse(91, 5, 4, 2.5, 14), "#ffffff")
    s.paint(stroke([(86, 22), (74, 32), (56, 27)], 5.5), INK)
    lid = track(f, (0, 1), (4, 1), (7, 0), (10, 1), (47, 1))
    bead_eye(s, 6, -8, 11, 16, lid, (1, 0), smile=True)
    bead_eye(s, 53, -10, 9, 15, lid, (1, 0), smile=True)
    for x, y, _turn in ((2, -34, -8), (50, -35, 12)):
        s.paint(stroke([(x - 11, y + 3), (x, y - 2), (x + 11, y + 2)], 6).at(pose(0, 0, 0)), SOCK)
    cheek(s, -12, 18, 13, PINK)


def draw(s: Sheet, f: int) -> None:
    _hills(s)
    x = 210 + f * 2 * STEP * SIZE / (CYCLE / 2)
    s.paint(ellipse(x - 2, GROUND + 3, 66, 9), "#5d2f42")
    fox = s.place(pose(x, GROUND, 0, SIZE, SIZE))
    y = bob(f)
    swing = wave(f, CYCLE, 0.25, 34)
    body = fox.place(pose(0, y))
    _tail(body.place(pose(-16, -66, wave(f, CYCLE, 0.1, 4))), f)
    _arm(body, (14, -110), -swing, SHADE)
    _leg(fox, (7, -60 + y), f, 0.5, SHADE)
    _leg(fox, (-7, -60 + y), f, 0.0, FUR)
    trunk = smooth(
        [(-12, -112), (16, -110), (32, -76), (24, -36), (-4, -28), (-28, -42), (-30, -80)]
    ).at(pose(0, -18, 3))
    body.inked([(trunk, FUR)], 6)
    body.paint(crescent(trunk, 0.5, 0.98, 10), SHADE)
    body.paint(smooth([(20, -122), (30, -90), (22, -60), (8, -64), (10, -98)]), CREAM)
    neck = body.place(pose(-12, -120 + (_late(0)[f] - y) * 0.4))
    _scarf_ends(neck, f)
    late = _late(1)[f]
    nod = 2 + wave(f, CYCLE / 2, 0.2, 2.5)
    head = body.place(pose(0, -158 + (late - y) * 0.5, nod, 0.84, 0.84))
    _head(head, f, (_late(2)[f] - y) * 1.3)
    wrap = tube(spine([(-29, -121), (0, -110), (31, -117)], 4), [10, 13, 13, 10])
    body.inked([(wrap.at(pose(0, (_late(0)[f] - y) * 0.3)), SCARF)], 5)
    _arm(body, (-10, -104), swing, FUR)


CLIP = Clip(
    name="fox_walk",
    title="Rusty out for a walk",
    first=14,
    draw=draw,
    prompt="a cartoon fox with a red scarf walks through autumn hills",
    motions=("walk", "overlapping action", "scarf in the wind"),
)
