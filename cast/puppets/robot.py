"""Bolt: a little robot, who dances in a street at night."""

from __future__ import annotations

from functools import cache

from cast.kit.clip import Clip
from cast.kit.motion import spring, wave
from cast.kit.paths import (
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

STEEL, SHADE, TRIM, GLASS = "#5fd0c5", "#3aa3a6", "#ff7f6b", "#1d2b4f"
LIGHT, LIMB, GLOW = "#fff3a6", "#c9d6e8", "#8ff5e6"
GROUND, BEAT = 290, 12


def sway(f: float) -> float:
    """Hips from side to side, once in two beats."""
    return wave(f, 2 * BEAT, 0, 1)


def dip(f: float) -> float:
    """Knees bend on every beat; the way up is quicker than the way down."""
    return 0.5 + 0.5 * wave(f + 1.2 * wave(f, BEAT), BEAT, 0.25)


@cache
def _late(k: int) -> list[float]:
    return spring(sway, (0.4, 0.16)[k], 0.25, warm=True)


@cache
def _aerial() -> list[float]:
    return spring(lambda f: 3.2 * sway(f), 0.22, 0.12, warm=True)


def _street(s: Sheet) -> None:
    s.paint(polygon([(-9, -9), (521, -9), (521, 329), (-9, 329)]), "#2a1e57")
    s.paint(ellipse(256, 170, 230, 190), "#372670")
    s.paint(ellipse(256, 180, 150, 140), "#4a318a")
    houses = (
        (-10, 90, 84, "#201847"),
        (70, 130, 60, "#271d52"),
        (384, 120, 64, "#271d52"),
        (440, 70, 90, "#201847"),
    )
    for x, top, wide, colour in houses:
        s.paint(box(x, top, wide, 250), colour)
        for row in range(4):
            for col in range(wide // 26):
                lit = (row * 3 + col * 5 + x) % 4 < 2
                s.paint(
                    box(x + 10 + col * 25, top + 14 + row * 34, 13, 18, 2),
                    "#ffd36e" if lit else "#3a2c6e",
                )
    sign = box(18, 42, 46, 92, 10)
    s.inked([(sign, "#ff5fa2")], 4)
    note = [(36, 112), (36, 66), (54, 60), (54, 104)]
    s.paint(ellipse(34, 112, 9, 7), "#fff3a6")
    s.paint(ellipse(51, 104, 9, 7), "#fff3a6")
    s.line(smooth(note, closed=False, sharp=(0, 1, 2, 3)), "#fff3a6", 5)
    s.paint(tube([(462, 300), (462, 90)], [5, 4]), "#17123a")
    s.paint(tube([(462, 92), (450, 62), (420, 58)], [4, 4, 4]), "#17123a")
    s.paint(smooth([(404, 64), (412, 50), (428, 50), (436, 64)], sharp=(0, 3)), "#17123a")
    s.paint(ellipse(420, 66, 14, 7), "#fff3a6")
    s.paint(polygon([(-9, 262), (521, 262), (521, 329), (-9, 329)]), "#54408f")
    s.paint(polygon([(-9, 262), (521, 262), (521, 270), (-9, 270)]), "#7a60b5")
    s.paint(ellipse(256, 296, 176, 30), "#6c53a8")


def _leg(s: Sheet, hip: Point, side: int, lift: float) -> None:
    foot = (side * 42, -14 - lift)
    knee = elbow(hip, foot, 34, 34, -side)
    s.inked([(tube([hip, knee, foot], [9, 9, 10]), LIMB)], 5)
    shoe = smooth([(-20, 12), (-22, -2), (-4, -14), (16, -8), (30, 4), (30, 12)], sharp=(0, 5))
    s.inked([(shoe.at(pose(foot[0], foot[1], side * -lift * 0.6, side, 1)), TRIM)], 5)


def _arm(s: Sheet, f: int, side: int, joint: Point) -> None:
    t = f + (0 if side > 0 else BEAT)
    high = 0.5 + 0.5 * wave(t, 2 * BEAT, 0.05)
    reach = 38 + 16 * high + 6 * wave(t, 2 * BEAT, 0.3)
    hand = (joint[0] + side * reach, joint[1] + 58 - 118 * high)
    bend = elbow(joint, hand, 42, 40, side)
    s.inked([(tube(spine([joint, bend, hand], 4), 8.5), LIMB)], 5)
    turn = 180 * high * side + wave(t, 2 * BEAT, 0.15, 18)
    here = s.place(pose(*hand, turn))
    for k in (-1, 1):
        claw = smooth([(0, -4), (k * 15, 4), (k * 15, 22), (k * 7, 26), (k * 5, 12)], sharp=(3,))
        here.inked([(claw, TRIM)], 4.5)
    here.inked([(ellipse(0, 0, 12), TRIM)], 4.5)


def _face(s: Sheet, f: int) -> None:
    look = wave(f, 2 * BEAT, 0.05, 7)
    for side in (-1, 1):
        x = side * 26 + look
        happy = (f // BEAT) % 2 == 1
        s.paint(None if happy else ellipse(x, -2, 9, 13), GLOW)
        arc = stroke([(x - 13, 4), (x, -9), (x + 13, 4)], 8, 0.7)
        s.paint(arc if happy else None, GLOW)
        s.paint(ellipse(x + side * 10, 18, 7, 4), TRIM)
    opened = 5 + 7 * dip(f)
    s.paint(
        smooth(
            [
                (look - 13, 14),
                (look, 16),
                (look + 13, 14),
                (look + 8, 14 + opened),
                (look, 17 + opened),
                (look - 8, 14 + opened),
            ],
            sharp=(0, 2),
        ),
        GLOW,
    )


def _head(s: Sheet, f: int) -> None:
    bend = _aerial()[f] - 3.2 * sway(f)
    tip = (bend * 9, -92 + abs(bend) * 1.5)
    s.inked([(tube(spine([(0, -44), (bend * 2, -68), tip], 4), 4), LIMB)], 4)
    s.inked([(ellipse(tip[0], tip[1], 12), LIGHT)], 5)
    for side in (-1, 1):
        s.inked([(box(side * 72 - 9, -18, 18, 36, 7), TRIM)], 5)
    case = polygon([(-70, -48), (70, -48), (70, 44), (-70, 44)], 30)
    s.inked([(case, STEEL)], 6)
    s.paint(crescent(case, 0.26, 0.74, 13), SHADE)
    s.paint(stroke([(-50, -38), (-30, -41), (-8, -41)], 6), "#b6f2e6")
    s.inked([(box(-56, -32, 112, 66, 22), GLASS)], 4)
    _face(s, f)


def draw(s: Sheet, f: int) -> None:
    _street(s)
    s.paint(ellipse(256, 292, 84, 10), "#493682")
    robot = s.place(pose(256, GROUND, 0, 0.93, 0.93))
    down, side = dip(f), sway(f)
    hips = (side * 20, -62 + 15 * down)
    for k in (-1, 1):
        lift = max(-k * side, 0) ** 2 * 12
        _leg(robot, (hips[0] + k * 22, hips[1] + 2), k, lift)
    late = _late(0)[f]
    torso = pose(hips[0], hips[1] + 62, side * 2 + late * 5, 1 + 0.05 * down, 1 - 0.06 * down)
    body = robot.place(torso)
    for k in (-1, 1):
        _arm(robot, f, k, torso.point(k * 54, -128))
    trunk = smooth(
        [(-46, -148), (46, -148), (56, -110), (40, -62), (0, -54), (-40, -62), (-56, -110)]
    )
    body.inked([(box(-14, -166, 28, 30, 4), LIMB)], 5)
    body.inked([(trunk, STEEL)], 6)
    body.paint(crescent(trunk, 0.16, 0.64, 14), SHADE)
    heart = smooth(
        [(0, -86), (-19, -106), (-14, -120), (0, -112), (14, -120), (19, -106)], sharp=(0, 3)
    )
    body.inked([(heart, TRIM)], 4)
    tilt = side * 4 - _late(1)[f] * 9
    head = robot.place(pose(*torso.point(late * 4, -202 + 5 * down), tilt))
    _head(head, f)


CLIP = Clip(
    name="robot_dance",
    title="Bolt dances",
    first=5,
    draw=draw,
    prompt="a cartoon robot dances in the street at night",
    motions=("dance", "overlapping action", "follow-through of the aerial"),
)
