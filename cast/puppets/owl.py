"""Hoot: a round owl on a branch under the moon, who looks from one side to the other."""

from __future__ import annotations

from functools import cache

from cast.kit.clip import Clip
from cast.kit.faces import round_eye
from cast.kit.motion import on_ball, spring, track
from cast.kit.paths import Path, crescent, ellipse, pose, smooth, stroke, tube
from cast.kit.sheet import Sheet

BODY, SHADE, BELLY, MASK = "#a8663f", "#86492f", "#f3d9a8", "#f8e7c2"
WING, BEAK, IRIS = "#7d4330", "#f5a623", "#ffc83d"
HEAD = 84.0


def turn(f: float) -> float:
    """Head yaw: a wind-up, the turn past the goal, and settling."""
    return track(f, (0, -38), (8, -38), (13, -46), (25, 46, "both"), (30, 38), (38, 38), (47, 34))


@cache
def _lag() -> list[float]:
    return spring(turn, 0.10, 0.32)


def _sky(s: Sheet) -> None:
    s.paint(smooth([(-9, -9), (521, -9), (521, 329), (-9, 329)], sharp=(0, 1, 2, 3)), "#27366b")
    s.paint(ellipse(256, 130, 225), "#30447f")
    s.paint(ellipse(256, 130, 172), "#3d5796")
    s.paint(ellipse(256, 130, 128), "#fbe9b0")
    s.paint(ellipse(180, 80, 20, 18), "#f1d792")
    s.paint(ellipse(342, 196, 16, 14), "#f1d792")
    for x, y, r in (
        (40, 50, 4),
        (96, 130, 3),
        (455, 60, 4),
        (420, 150, 3),
        (62, 205, 3),
        (484, 190, 3),
        (120, 26, 3),
        (400, 24, 3),
    ):
        s.paint(ellipse(x, y, r), "#fbe9b0")
    hills = [
        (-20, 330),
        (-20, 262),
        (70, 236),
        (170, 268),
        (270, 250),
        (380, 268),
        (450, 234),
        (540, 262),
        (540, 330),
    ]
    s.paint(smooth(hills, sharp=(0, 1, 7, 8)), "#22305f")


def _branch(s: Sheet) -> None:
    bark = tube([(-40, 312), (100, 296), (256, 290), (400, 300), (560, 282)], [24, 20, 17, 16, 13])
    s.inked([(bark, "#5c3d4c")], 5)
    s.paint(
        tube([(-20, 322), (100, 309), (256, 302), (400, 311), (540, 292)], [8, 7, 5, 5, 3]),
        "#452c3d",
    )
    for x, y, a in ((62, 288, -35), (92, 300, 40), (448, 286, -40), (474, 300, 35)):
        leaf = smooth([(0, 0), (22, -12), (46, 0), (22, 12)], sharp=(0, 2)).at(pose(x, y, a))
        s.inked([(leaf, "#4f9d69")], 4)


def _body(s: Sheet, sway: float, puff: float) -> None:
    ring = [
        (0, -118),
        (64, -96),
        (86 + puff, -40),
        (62, 6),
        (0, 18),
        (-62, 6),
        (-86 - puff, -40),
        (-64, -96),
    ]
    trunk = smooth([(x + sway * max(-y, 0) / 100, y) for x, y in ring])
    s.inked([(trunk, BODY)], 6)
    s.paint(crescent(trunk, 0.15, 0.62, 22), SHADE)
    belly = smooth([(sway, -100), (50, -64), (50, -14), (0, 10), (-50, -14), (-50, -64)])
    s.paint(belly, BELLY)
    for row, n in ((-46, 2), (-24, 3), (-4, 2)):
        for k in range(n):
            x = (k - (n - 1) / 2) * 30 + sway * 0.5
            s.paint(stroke([(x - 9, row - 4), (x, row + 4), (x + 9, row - 4)], 5), "#d9a86b")


def _wing(s: Sheet, side: int, lift: float) -> None:
    here = s.place(pose(side * 72, -86, side * -lift, side, 1))
    wing = smooth([(-8, 0), (14, 6), (26, 44), (10, 84), (-6, 96), (-18, 58)], sharp=(4,))
    here.inked([(wing, WING)], 5)
    here.paint(stroke([(10, 34), (6, 56), (-2, 74)], 5), "#5e2e25")


def _ear(yaw: float, side: int, flop: float) -> Path:
    x, y, _, z = on_ball(yaw, 0, side * 40, 46, HEAD)
    far = 1 if z > -0.2 else 0.8
    tip = (x * 1.28 + flop, y - 40 * far)
    return smooth([(x - 26, y + 12), tip, (x + 26, y + 12)], sharp=(0, 1, 2))


def _mask(yaw: float, pitch: float) -> list[tuple[Path, str]]:
    discs = []
    for side in (-1, 1):
        x, y, thin, _ = on_ball(yaw * 0.8, pitch, side * 25, 4, HEAD)
        discs.append((ellipse(x, y + 4, 46 * max(thin, 0.35), 50), MASK))
    return discs


def _face(s: Sheet, yaw: float, pitch: float, lid: float, look: float) -> None:
    for side in (-1, 1):
        ex, ey, ethin, _ = on_ball(yaw * 0.8, pitch, side * 27, 5, HEAD * 1.02)
        round_eye(s, ex, ey, 32, lid, (look, 0.1), (IRIS, BODY), max(ethin, 0.4) ** 0.8, 0.5)
    x, y, thin, _ = on_ball(yaw * 0.8, pitch, 0, -16, HEAD * 1.16)
    beak = smooth(
        [(x - 14 * thin, y - 12), (x, y - 18), (x + 14 * thin, y - 12), (x + yaw * 0.08, y + 18)],
        sharp=(3,),
    )
    s.inked([(beak, BEAK)], 4.5)


def draw(s: Sheet, f: int) -> None:
    _sky(s)
    _branch(s)
    yaw, late = turn(f), _lag()[f]
    dip = track(f, (8, 0), (13, 5), (19, 12), (26, -5), (32, 0))
    lid = track(
        f, (0, 1), (10, 1), (13, 0.0, "in"), (15, 0.0), (19, 1.0, "out"), (39, 1), (41, 0), (44, 1)
    )
    look = track(f, (0, -0.9), (8, -0.9), (12, 0.6), (24, 0.9))
    owl = s.place(pose(256, 284))
    sway = late * 0.10
    _body(owl, sway, dip * 0.3)
    for side in (-1, 1):
        _wing(owl, side, 4 + dip * 0.9 + (yaw - late) * side * 0.08)
    for side in (-1, 1):
        owl.inked([(ellipse(side * 32 + k * 13, 18, 8, 11), BEAK) for k in (-1, 0, 1)], 4)
    head = owl.place(pose(sway * 1.3 + yaw * 0.14, -152 + dip, yaw * 0.09))
    skull = smooth(
        [(0, -78), (58, -62), (90, -6), (66, 50), (0, 66), (-66, 50), (-90, -6), (-58, -62)]
    ).at(pose(0, 0, 0, 1 + dip * 0.002, 1 - dip * 0.003))
    flop = (late - yaw) * 0.35
    ears = [(_ear(yaw * 0.8, side, flop), BODY) for side in (-1, 1)]
    head.inked([*ears, (skull, BODY), *_mask(yaw, dip * 0.8)], 6)
    head.paint(crescent(skull, 0.2, 0.62, 18), SHADE)
    _face(head, yaw, dip * 0.8, lid, look)
    x, y, thin, _ = on_ball(yaw * 0.8, 0, 0, 52, HEAD)
    head.paint(
        smooth(
            [(x - 20 * thin, y - 2), (x, y + 26), (x + 20 * thin, y - 2), (x, y + 4)],
            sharp=(0, 1, 2),
        ),
        SHADE,
    )


CLIP = Clip(
    name="owl_turn",
    title="Hoot looks round",
    first=10,
    draw=draw,
    prompt="a cartoon owl on a branch turns its head in front of the full moon",
    motions=("turn of a head", "blink"),
)
