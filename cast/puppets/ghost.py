"""Boo: a plump ghost in a little hat, who floats behind a tree in a moonlit wood."""

from __future__ import annotations

from functools import cache

from cast.kit.clip import Clip
from cast.kit.faces import bead_eye, cheek, mouth
from cast.kit.motion import spring, track, wave
from cast.kit.paths import Path, crescent, ellipse, polygon, pose, smooth, tube
from cast.kit.sheet import Sheet

SHEET, SHADE, BLUSH = "#f4f1ff", "#c9c1ec", "#ff9fb2"
HAT, BAND = "#7a3fa0", "#ffb73d"


def across(f: float) -> float:
    """Where the ghost is: a wind-up to the left, the glide, and coming to rest."""
    return track(f, (0, -58), (8, -59), (14, -65), (31, 60, "both"), (37, 53), (47, 54))


def height(f: float) -> float:
    return track(f, (8, 0), (14, 10), (23, -16), (32, 6), (40, 0)) + wave(f, 24, 0, 4)


@cache
def _late(k: int) -> list[float]:
    return spring(across, (0.3, 0.16, 0.09)[k], 0.34)


@cache
def _bounce() -> list[float]:
    return spring(height, 0.2, 0.2)


def _wood(s: Sheet) -> None:
    s.paint(polygon([(-9, -9), (521, -9), (521, 329), (-9, 329)]), "#35306b")
    s.paint(ellipse(396, 84, 92), "#433c82")
    s.paint(ellipse(396, 84, 56), "#ffeeb5")
    s.paint(ellipse(380, 70, 11), "#f3dc9a")
    s.paint(ellipse(414, 100, 8), "#f3dc9a")
    for x, y, r in ((60, 60, 3), (150, 34, 4), (206, 96, 3), (470, 34, 3), (318, 40, 3)):
        s.paint(ellipse(x, y, r), "#ffeeb5")
    for x, w in ((20, 14), (96, 9), (160, 7), (318, 6), (496, 15)):
        s.paint(tube([(x, 300), (x + 4, 150), (x - 4, -20)], [w * 1.3, w, w * 0.8]), "#2c285e")
    s.paint(
        smooth(
            [
                (-20, 330),
                (-20, 250),
                (90, 238),
                (200, 256),
                (330, 240),
                (440, 254),
                (540, 238),
                (540, 330),
            ],
            sharp=(0, 1, 6, 7),
        ),
        "#2b5468",
    )
    s.paint(
        smooth(
            [(-20, 330), (-20, 284), (110, 272), (256, 288), (400, 272), (540, 286), (540, 330)],
            sharp=(0, 1, 5, 6),
        ),
        "#224a5e",
    )


def _tree(s: Sheet) -> None:
    trunk = smooth(
        [
            (232, -12),
            (236, 90),
            (230, 220),
            (200, 300),
            (226, 296),
            (250, 306),
            (276, 296),
            (318, 300),
            (284, 220),
            (277, 90),
            (284, -12),
        ],
        sharp=(0, 3, 5, 7, 10),
    )
    bough = tube([(270, 60), (316, 36), (356, 6), (372, -20)], [13, 10, 8, 7])
    s.inked([(bough, "#7d4f63"), (trunk, "#7d4f63")], 6)
    s.paint(
        smooth(
            [
                (262, -12),
                (264, 90),
                (262, 200),
                (268, 288),
                (290, 294),
                (306, 296),
                (280, 222),
                (274, 90),
                (281, -12),
            ],
            sharp=(0, 3, 5, 8),
        ),
        "#5f3a55",
    )
    hole = ellipse(252, 112, 13, 18)
    s.inked([(hole, "#40254a")], 4)
    for x, y in ((202, 300), (314, 302), (254, 308)):
        tuft = smooth(
            [(-26, 8), (-20, -10), (-8, 0), (0, -18), (9, 0), (20, -10), (26, 8)],
            sharp=(0, 1, 2, 3, 4, 5, 6),
        )
        s.paint(tuft.at(pose(x, y + 4, 0, 1.3, 1.2)), "#347263")


def _veil(f: int, x: float) -> Path:
    """The body: the lower it hangs, the later it follows."""
    d = [_late(k)[f] - x for k in range(3)]
    flap = [wave(f, 16, -0.2 * k, 6) for k in range(5)]
    waist, hem = d[0] * 0.5, d[1] * 0.75
    tip = d[2] * 0.75
    ring = [
        (0, -104),
        (46, -90),
        (68, -44),
        (68 + waist, 14),
        (74 + hem, 66 + flap[0]),
        (52 + tip, 88 + flap[1]),
        (30 + hem, 70 + flap[1]),
        (2 + tip, 94 + flap[2]),
        (-24 + hem, 70 + flap[3]),
        (-50 + tip, 88 + flap[4]),
        (-74 + hem, 64 + flap[4]),
        (-68 + waist, 14),
        (-68, -44),
        (-46, -90),
    ]
    return smooth(ring)


def draw(s: Sheet, f: int) -> None:
    _wood(s)
    x, speed = across(f), _late(0)[f] - across(f)
    s.paint(ellipse(256 + x, 296, 62, 9), "#1b3d50")
    ghost = s.place(pose(256 + x, 174 + height(f), -speed * 0.28, 0.92, 0.92))
    veil = _veil(f, x)
    arms = []
    for side in (-1, 1):
        raise_up = track(f, (10, 0), (15, 14), (34, 10), (40, 26), (47, 22)) + wave(f, 12, 0.2, 4)
        d = speed * 0.7
        arms.append(
            (
                tube(
                    [
                        (side * 50, -8),
                        (side * 74 + d * 0.5, 6 - raise_up * 0.4),
                        (side * 88 + d, 8 - raise_up * 1.4),
                    ],
                    [15, 13, 10],
                ),
                SHEET,
            )
        )
    ghost.inked([*arms, (veil, SHEET)], 6)
    ghost.paint(crescent(veil, 0.1, 0.36, 18), SHADE)
    gaze = track(f, (0, -4), (10, 14), (30, 14), (38, -2))
    lid = track(f, (0, 1), (3, 1), (5, 0), (8, 1), (36, 1), (39, 0), (44, 0), (46, 1))
    for side in (-1, 1):
        bead_eye(ghost, side * 24 + gaze, -44, 11, 17, lid, smile=f > 30)
        cheek(ghost, side * 44 + gaze * 0.8, -20, 12, BLUSH)
    mouth(ghost, gaze, -20, 15, track(f, (0, 0), (10, 0), (17, 18), (30, 10), (38, 20)), 0.9)
    lift = _bounce()[f] - height(f)
    hat = ghost.place(pose(18 - speed * 0.1, -98 + min(lift, 0) * 0.8, 16 + speed * 0.25))
    crown = smooth([(-26, 2), (-20, -34), (0, -40), (20, -34), (26, 2)], sharp=(0, 4))
    hat.inked([(crown, HAT), (ellipse(0, 2, 42, 9), HAT)], 5)
    hat.paint(
        smooth([(-25, -2), (-24, -11), (0, -8), (24, -11), (25, -2), (0, 3)], sharp=(0, 1, 3, 4)),
        BAND,
    )
    _tree(s)


CLIP = Clip(
    name="ghost_behind",
    title="Boo behind the tree",
    first=15,
    draw=draw,
    prompt="a cartoon ghost with a small hat floats behind a tree in a wood at night",
    motions=("one passing behind another", "follow-through of the veil"),
)
