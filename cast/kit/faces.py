"""Eyes, brows, mouths and cheeks that all characters share."""

from __future__ import annotations

import numpy as np

from cast.kit.paths import Path, ellipse, pose, smooth, stroke
from cast.kit.sheet import INK, Sheet, Slot

WHITE = "#ffffff"


def bead_eye(
    s: Sheet,
    x: float,
    y: float,
    rx: float,
    ry: float,
    lid: float = 1,
    look: tuple[float, float] = (0, 0),
    smile: bool = False,
) -> None:
    """A glossy dark eye; lid 1 open, 0 shut (a curved lash line; smile: curved upwards)."""
    shut = lid < 0.4
    tall = ry * max(lid, 0.4)
    s.paint(None if shut else ellipse(x, y, rx, tall), INK)
    glint = lid > 0.5
    gx, gy = x - rx * 0.28 + look[0], y - tall * 0.38 + look[1]
    s.paint(ellipse(gx, gy, rx * 0.42, rx * 0.46) if glint else None, WHITE)
    gx, gy = x + rx * 0.35 + look[0] * 0.6, y + tall * 0.42 + look[1] * 0.6
    s.paint(ellipse(gx, gy, rx * 0.2) if glint else None, WHITE)
    dip = -rx * 0.75 if smile else rx * 0.6
    ends = [(x - rx * 1.15, y - dip * 0.4), (x, y + dip * 0.6), (x + rx * 1.15, y - dip * 0.4)]
    s.paint(stroke(ends, 6, 0.6) if shut else None, INK)


def round_eye(
    s: Sheet,
    x: float,
    y: float,
    r: float,
    lid: float,
    look: tuple[float, float],
    colours: tuple[str, str],
    narrow: float = 1,
    pupil: float = 0.55,
) -> None:
    """A white eye with a big pupil and a lid of the skin's colour coming down over it.

    colours: (iris, lid). narrow scales it in x, for a turned head.
    """
    here = s.place(pose(x, y, 0, narrow, 1))
    here.inked([(ellipse(0, 0, r), WHITE)], 4)
    px, py = look[0] * r * 0.38, look[1] * r * 0.38
    here.paint(ellipse(px, py, r * (pupil + 0.2)), colours[0])
    here.paint(ellipse(px, py, r * pupil), INK)
    here.paint(ellipse(px - r * 0.2, py - r * 0.24, r * 0.2), WHITE)
    drop = 1 - min(max(lid, 0.0), 1.0)
    here.paint(_lid(r + 0.6, drop) if drop > 0.02 else None, colours[1])
    edge = min(2 * drop - 1, 0.35) * r
    half = (r * r - edge * edge) ** 0.5 + 1
    bow = [(-half, edge), (0, edge + r * (0.14 + 0.2 * drop)), (half, edge)]
    here.paint(stroke(bow, 6, 0.7) if drop > 0.02 else None, INK)


def _lid(r: float, drop: float) -> Path:
    """The part of a disc above the lid's edge."""
    edge = min(-1 + 2 * drop, 0.999)
    start, end = np.pi - np.arcsin(edge), 2 * np.pi + np.arcsin(edge)
    arc = [(r * np.cos(a), r * np.sin(a)) for a in np.linspace(start, end, 9)]
    return smooth([*arc, (0, r * (edge + 0.14 * (1 - drop)))], sharp=(0, 8))


def mouth(
    s: Sheet,
    x: float,
    y: float,
    w: float,
    opened: float,
    bow: float = 1,
    colours: tuple[str, str] = ("#8c2f4b", "#f2788a"),
    weight: float = 5,
) -> None:
    """A smile (bow above 0) or frown of half width w that opens to a depth in pixels."""
    sag = bow * w * 0.45
    is_open = opened > 3
    ring = [
        (x - w, y),
        (x, y + sag * 0.35),
        (x + w, y),
        (x + w * 0.72, y + sag + opened * 0.6),
        (x, y + sag + opened),
        (x - w * 0.72, y + sag + opened * 0.6),
    ]
    shape = smooth(ring, sharp=(0, 2))
    inside = shape.at(s.here) if is_open else None
    s.slots.append(Slot(inside, colours[0], INK, weight))
    tongue = ellipse(x, y + sag + opened * 0.72, w * 0.48, max(opened * 0.24, 1))
    s.paint(tongue if opened > 9 else None, colours[1])
    ends = [(x - w, y), (x, y + sag), (x + w, y)]
    s.paint(None if is_open else stroke(ends, weight, 0.6), INK)


def cheek(s: Sheet, x: float, y: float, rx: float, colour: str, narrow: float = 1) -> None:
    s.paint(ellipse(x, y, rx * narrow, rx * 0.62), colour)
