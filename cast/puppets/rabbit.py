"""Button: a white rabbit, who pops out of a top hat on a stage."""

from __future__ import annotations

from functools import cache

from cast.kit.clip import Clip
from cast.kit.faces import bead_eye, cheek, mouth
from cast.kit.motion import spring, track, wave
from cast.kit.paths import Path, crescent, ellipse, polygon, pose, smooth, spine, stroke, tube
from cast.kit.sheet import INK, Sheet

FUR, SHADE, INNER, NOSE = "#fff7ee", "#dccbd6", "#ff9fac", "#ff7d94"
HAT, GLEAM, DARK, BAND = "#3f4d8f", "#5f70b8", "#20244d", "#ff5d73"
TABLE, BRIM = 292, 206


def rise(f: float) -> float:
    """How far the rabbit is out: 0 all inside, 1 at rest on the rim."""
    return track(
        f,
        (0, 0.0),
        (4, 0.07),
        (9, 0.07),
        (14, -0.06),
        (23, 1.13, "out"),
        (28, 0.95),
        (32, 1.02),
        (36, 1),
        (47, 1),
    )


def turn(f: float) -> float:
    return track(f, (0, 0), (14, 0), (22, -5), (30, 7), (38, 7), (44, -5)) + wave(f, 24, 0, 1)


@cache
def _late() -> list[float]:
    return spring(rise, 0.16, 0.22)


@cache
def _tilt() -> list[float]:
    return spring(turn, 0.12, 0.16)


def _stage(s: Sheet) -> None:
    s.paint(polygon([(-9, -9), (521, -9), (521, 329), (-9, 329)]), "#571b45")
    s.paint(polygon([(196, -9), (316, -9), (420, 300), (92, 300)]), "#7a2a55")
    s.paint(ellipse(256, 268, 190, 60), "#983861")
    for side in (-1, 1):
        for k in range(3):
            x = 256 + side * (272 - 38 * k)
            fold = smooth(
                [
                    (x - side * 40, -20),
                    (x + side * 4, -20),
                    (x + side * 12, 120),
                    (x + side * (14 + 4 * k), 330),
                    (x - side * 40, 330),
                ],
                sharp=(0, 1, 3, 4),
            )
            s.inked([(fold, ("#d8434f", "#b82f48")[k % 2])], 4)
    for k in range(-1, 7):
        x = 40 + k * 86
        scallop = smooth(
            [(x - 46, -20), (x + 46, -20), (x + 40, 14), (x, 36), (x - 40, 14)], sharp=(0, 1)
        )
        s.inked([(scallop, "#d8434f")], 4)
    s.paint(polygon([(-9, TABLE - 8), (521, TABLE - 8), (521, 329), (-9, 329)]), "#3b1538")
    cloth = smooth([(70, TABLE - 4), (442, TABLE - 4), (470, 332), (42, 332)], sharp=(0, 1, 2, 3))
    s.inked([(cloth, "#ffd166")], 5)
    for x in (110, 183, 256, 329, 402):
        s.paint(polygon([(x, 299), (x + 11, 311), (x, 323), (x - 11, 311)]), "#e8a93f")


def _ear(side: int, droop: float, sway: float, inner: bool) -> Path:
    """An ear that folds outward by droop (0 straight up, 1 lying down)."""
    x, y = side * 24, -38
    out = side * (14 + 58 * droop) + sway
    bones = [
        (x, y),
        (x + side * (4 + 14 * droop) + sway * 0.2, y - 30 + 12 * droop),
        (x + out * 0.62, y - 58 + 30 * droop),
        (x + out, y - 76 + 60 * droop),
    ]
    if inner:
        return tube(spine([bones[0], *bones[1:3], bones[3]], 5)[1:4], [6, 9, 6])
    return tube(bones, [14, 19, 19, 9])


def _head(s: Sheet, f: int, droop: float, sway: float) -> None:
    skull = smooth(
        [(0, -50), (44, -38), (60, 2), (48, 34), (0, 46), (-48, 34), (-60, 2), (-44, -38)]
    )
    ears = [(_ear(side, droop, sway, False), FUR) for side in (-1, 1)]
    s.inked(ears, 6)
    for side in (-1, 1):
        s.paint(_ear(side, droop, sway, True), INNER)
    tuft = smooth(
        [(-14, -44), (-4, -62), (3, -52), (15, -58), (15, -44), (0, -36)], sharp=(1, 2, 3)
    )
    s.inked([(tuft, FUR), (skull, FUR)], 6)
    s.paint(crescent(skull, 0.14, 0.56, 13), SHADE)
    lid = track(f, (0, 1), (15, 1), (17, 0.2), (21, 1), (33, 1), (35, 0), (37, 0), (39, 1))
    look = track(f, (0, 0), (22, 0), (30, 3), (40, -3))
    for side in (-1, 1):
        bead_eye(s, side * 27 + look, -4, 11.5, 17, lid)
        cheek(s, side * 41, 18, 12, "#ffb9bd")
    s.paint(smooth([(look - 8, 11), (look, 9), (look + 8, 11), (look, 19)]), NOSE)
    grin = track(f, (14, 2), (20, 15), (36, 9))
    mouth(s, look, 22, 12, grin, 0.6)
    tooth = polygon([(look - 6, 23), (look + 6, 23), (look + 5, 31), (look - 5, 31)], 2)
    s.inked([(tooth, "#ffffff")], 2)


def _hat(s: Sheet, front: bool) -> None:
    if not front:
        s.inked([(ellipse(0, BRIM - TABLE, 96, 20), HAT)], 5)
        s.paint(ellipse(0, BRIM - TABLE, 72, 12), DARK)
        return
    y = BRIM - TABLE
    crown = smooth(
        [
            (-71, y + 6),
            (-40, y + 15),
            (0, y + 18),
            (40, y + 15),
            (71, y + 6),
            (64, y + 60),
            (62, -6),
            (0, 6),
            (-62, -6),
            (-64, y + 60),
        ],
        sharp=(0, 4, 6, 8),
    )
    s.inked([(crown, HAT)], 6)
    s.paint(polygon([(36, y + 17), (71, y + 8), (64, y + 60), (62, -6), (30, 2)], 4), "#2f3a75")
    band = smooth(
        [(-66, y + 32), (0, y + 46), (66, y + 32), (64, y + 58), (0, y + 72), (-64, y + 58)],
        sharp=(0, 2, 3, 5),
    )
    s.paint(stroke([(-57, y + 34), (-54, y + 56), (-51, -8)], 9), GLEAM)
    s.paint(band, BAND)
    rim = smooth(
        [
            (-96, y),
            (-84, y + 12),
            (-40, y + 19),
            (0, y + 20),
            (40, y + 19),
            (84, y + 12),
            (96, y),
            (72, y + 1),
            (40, y + 10),
            (0, y + 12),
            (-40, y + 10),
            (-72, y + 1),
        ],
        sharp=(0, 6, 7, 11),
    )
    s.inked([(rim, HAT)], 5)


def _paws(s: Sheet, f: int) -> None:
    reach = track(f, (18, 0), (23, 1, "out"), (27, 1))
    flap = track(f, (30, 0), (34, 1), (47, 1)) * max(wave(f, 12, 0.1, 16), -4)
    for side in (-1, 1):
        y = BRIM - TABLE + 44 - 38 * reach - (flap if side > 0 else 0)
        show = reach > 0.05
        paw = smooth([(-15, 6), (-13, -10), (0, -16), (13, -10), (15, 6), (0, 13)])
        here = s.place(pose(side * 55, y - 4, side * -8))
        here.inked([(paw if show else None, FUR)], 5)
        for k in (-5, 5):
            here.paint(stroke([(k, 2), (k, 6), (k, 10)], 4) if show else None, INK)


def draw(s: Sheet, f: int) -> None:
    _stage(s)
    s.paint(ellipse(256, TABLE + 2, 104, 11), "#d1913a")
    up, late = rise(f), _late()[f]
    squash = track(f, (0, 0), (9, 0), (14, 0.14), (19, -0.13, "out"), (24, 0.05), (29, 0))
    shake = track(f, (3, 0), (5, 3), (7, -3), (9, 3), (11, 0), (14, 0))
    hat = s.place(pose(256, TABLE - 2, shake, 1 + squash * 0.8, 1 - squash))
    _hat(hat, False)
    body_y = -4 - 79 * max(up, 0)
    low = min(50.0, -body_y - 24)  # the hat's floor
    chest = smooth(
        [(0, -70), (38, -52), (48, low - 50), (44, low), (-44, low), (-48, low - 50), (-38, -52)]
    )
    thrust = track(f, (14, 0), (19, 0.2, "out"), (26, -0.05), (31, 0))
    trunk = pose(256, TABLE + body_y, turn(f) * 0.4, 1 - thrust * 0.5, 1 + thrust)
    bunny = s.place(trunk)
    bunny.inked([(chest.at(pose(0, 2)), FUR)], 6)
    bunny.paint(crescent(chest.at(pose(0, 2)), 0.1, 0.42, 14), SHADE)
    lag = (up - late) * 2.2
    droop = min(max(track(f, (0, 0.25), (14, 0.3), (24, 0.1)) + lag, -0.1), 0.95)
    sway = (_tilt()[f] - turn(f)) * 3.2 + track(f, (0, 0), (4, 8), (8, -8), (12, 0))
    neck = trunk.point(0, -76 + 34 * (1 - min(up, 1)))
    head = s.place(pose(*neck, turn(f) * 1.6, 1 - thrust * 0.3, 1 + thrust * 0.5))
    _head(head, f, droop, sway)
    _hat(hat, True)
    _paws(hat, f)


CLIP = Clip(
    name="rabbit_hat",
    title="Button out of the hat",
    first=13,
    draw=draw,
    prompt="a cartoon white rabbit pops out of a blue top hat on a stage",
    motions=("appearing out of a hat", "follow-through of ears", "squash and stretch"),
)
