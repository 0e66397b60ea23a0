"""A sheet to paint backgrounds on, in stage units."""

from __future__ import annotations

import cv2
import numpy as np

from train.data.puppets.geometry import Array
from train.data.puppets.outlines import Rng
from train.data.puppets.palette import Colour, Tone
from train.data.puppets.stage import BITS


class Sheet:
    """A picture to paint on: `half` (x, y) stage units each way from the centre."""

    def __init__(self, rng: Rng, half: tuple[float, float], scale: float):
        self.rng, self.half, self.scale = rng, half, scale
        size = int(round(2 * half[1] * scale)), int(round(2 * half[0] * scale))
        self.picture = np.zeros((*size, 3), np.uint8)
        self.ground = float(rng.uniform(26, 42))
        self.hue = float(rng.random())
        self.rich = float(rng.uniform(0.35, 1.0))
        self.ink: Colour | None = None
        self.tone = Tone(0.8, 0.05, self.hue)

    def fill(self, top: Colour, bottom: Colour, low: float | None = None) -> None:
        """A vertical ramp, from the top of the picture down to `low`."""
        rows = self.picture.shape[0] if low is None else int((low + self.half[1]) * self.scale)
        ramp = np.linspace(0, 1, max(rows, 1))[:, None]
        self.picture[:rows] = (
            (np.array(top) * (1 - ramp) + np.array(bottom) * ramp).round().astype(np.uint8)[:, None]
        )

    def shape(self, points: Array, colour: Colour) -> None:
        """A filled outline (n 2) in stage units."""
        pixels = (points + self.half) * self.scale - 0.5
        fixed = np.round(np.clip(pixels, -8192, 8192) * 2**BITS).astype(np.int32)
        cv2.fillPoly(self.picture, [fixed], colour, cv2.LINE_AA, BITS)
        if self.ink is not None:
            cv2.polylines(
                self.picture,
                [fixed],
                True,
                self.ink,
                max(round(0.5 * self.scale), 1),
                cv2.LINE_AA,
                BITS,
            )

    def box(self, left: float, top: float, right: float, bottom: float, colour: Colour) -> None:
        self.shape(
            np.array([[left, top], [right, top], [right, bottom], [left, bottom]], float), colour
        )

    def put(self, outline: Array, x: float, y: float, sx: float, sy: float, colour: Colour) -> None:
        self.shape(outline * (sx, sy) + (x, y), colour)

    def ridge(self, level: float, rough: float, colour: Colour, peaks: float = 1.0) -> None:
        """Hills from a wavy line down to the bottom."""
        rng, half = self.rng, self.half
        x = np.linspace(-half[0], half[0], 60)
        y = np.full_like(x, level)
        for k in range(1, 4):
            y += (
                rough
                / k
                * np.sin(x * 0.035 * k * peaks * rng.uniform(0.7, 1.4) + rng.uniform(0, 6.3))
            )
        self.shape(
            np.concatenate([np.stack([x, y], -1), [[half[0], half[1]], [-half[0], half[1]]]]),
            colour,
        )

    def scatter(self, count: int, low: float, high: float) -> Array:
        """Places (n 2), far ones (small y) first."""
        p = self.rng.uniform((-self.half[0], low), (self.half[0], high), (count, 2))
        return p[np.argsort(p[:, 1])]

    def near(self, lightness: float, chroma: float, turn: float = 0.0) -> Tone:
        """A tone of this picture's mood."""
        return Tone(lightness, chroma * self.rich, self.hue + turn)
