"""Places: painted backgrounds by kind, with a texture at times."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import cv2
import numpy as np

from train.data.puppets.indoors import floor, pattern, plain, ramp, room, sea
from train.data.puppets.outdoors import desert, meadow, shore, sky, snow, space, street, wood
from train.data.puppets.outlines import Rng
from train.data.puppets.painting import Sheet
from train.data.puppets.palette import Tone
from train.data.puppets.stage import Backdrop


@dataclass(frozen=True)
class Place:
    """A backdrop, where one stands on it (stage units), and what it is. `tone` is the ground's."""

    backdrop: Backdrop
    ground: float
    tone: Tone
    kind: str  # land, room, water, air or flat
    words: str
    hue: float


SCENES: dict[str, dict[Callable[[Sheet], str], float]] = {
    "plain": {plain: 1.0},
    "simple": {plain: 0.25, ramp: 0.35, floor: 0.25, pattern: 0.15},
    "land": {
        meadow: 0.3,
        wood: 0.1,
        shore: 0.08,
        desert: 0.07,
        snow: 0.08,
        street: 0.12,
        room: 0.2,
        space: 0.05,
    },
    "water": {sea: 1.0},
    "air": {sky: 0.7, meadow: 0.3},
}


FLAT = {plain, ramp, floor, pattern}


def paint_place(rng: Rng, scenes: str, aspect: float, scale: float, texture: bool) -> Place:
    """A place of a kind of scenes, `scale` pixels a stage unit, wide enough for pans."""
    painters = SCENES[scenes]
    shares = np.array(list(painters.values()))
    painter = list(painters)[rng.choice(len(painters), p=shares / shares.sum())]
    sheet = Sheet(rng, (50 * max(aspect, 1) + 28, 50 * max(1 / aspect, 1) + 16), scale)
    if painter not in FLAT and rng.random() < 0.25:
        sheet.ink = sheet.near(0.3, 0.05).rgb
    words = painter(sheet)
    if texture:
        _texture(sheet)
    kind = {"water": "water", "air": "air"}.get(
        scenes, "room" if painter is room else "flat" if painter in FLAT else "land"
    )
    return Place(Backdrop(sheet.picture, scale), sheet.ground, sheet.tone, kind, words, sheet.hue)


def _texture(s: Sheet) -> None:
    """Paper grain, brush strokes or washes, all over the picture."""
    rng, kind = s.rng, int(s.rng.integers(4))
    if kind == 0:
        return
    height, width = s.picture.shape[:2]
    cell = {1: (0.6, 0.6), 2: (9.0, 1.0), 3: (14.0, 11.0)}[kind]
    small = [max(int(2 * h / c), 2) for h, c in zip(s.half, cell, strict=True)]
    noise = rng.standard_normal((small[1], small[0])).astype(np.float32)
    noise = cv2.resize(noise, (width, height), interpolation=cv2.INTER_CUBIC)
    strength = rng.uniform(0.02, 0.05)
    lit = s.picture * (1 + strength * noise)[..., None]
    s.picture = np.clip(lit, 0, 255).astype(np.uint8)
