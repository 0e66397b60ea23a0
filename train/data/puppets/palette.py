"""Colours by rule: hues in a scheme, lightness and chroma of a mood, ink of a dark relative.

Colours are made in Oklab (Ottosson, 2020), where equal steps look equal, and leave as sRGB bytes.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np

Rng = np.random.Generator
Colour = tuple[int, int, int]

_TO_LMS = np.array(
    [
        [1, 0.3963377774, 0.2158037573],
        [1, -0.1055613458, -0.0638541728],
        [1, -0.0894841775, -1.2914855480],
    ]
)
_TO_RGB = np.array(
    [
        [4.0767416621, -3.3077115913, 0.2309699292],
        [-1.2684380046, 2.6097574011, -0.3413193965],
        [-0.0041960863, -0.7034186147, 1.7076147010],
    ]
)
NAMES = {  # hue in turns of Oklab -> its name, for captions
    0.04: "pink", 0.085: "red", 0.15: "orange", 0.25: "yellow", 0.36: "green", 0.47: "mint",
    0.57: "teal", 0.68: "blue", 0.78: "indigo", 0.85: "purple", 0.94: "magenta",
}  # fmt: skip


@lru_cache(8192)
def colour(lightness: float, chroma: float, hue: float) -> Colour:
    """sRGB bytes of lightness 0..1, chroma 0..0.3 (less where sRGB ends) and hue in turns."""
    for _ in range(12):
        a, b = chroma * np.cos(2 * np.pi * hue), chroma * np.sin(2 * np.pi * hue)
        linear = _TO_RGB @ (_TO_LMS @ np.array([lightness, a, b])) ** 3
        if linear.min() >= -0.002 and linear.max() <= 1.002:
            break
        chroma *= 0.88
    linear = np.clip(linear, 0, 1)
    srgb = np.where(linear <= 0.0031308, 12.92 * linear, 1.055 * linear ** (1 / 2.4) - 0.055)
    return tuple(int(round(255 * v)) for v in srgb)


def mix(a: Colour, b: Colour, share: float) -> Colour:
    return tuple(int(round(x + (y - x) * share)) for x, y in zip(a, b, strict=True))


def hue_name(hue: float) -> str:
    return min(
        NAMES.items(), key=lambda item: min(abs(item[0] - hue % 1), 1 - abs(item[0] - hue % 1))
    )[1]


@dataclass(frozen=True)
class Tone:
    """A colour that can be shaded: its lightness, chroma and hue."""

    lightness: float
    chroma: float
    hue: float

    @property
    def rgb(self) -> Colour:
        return colour(self.lightness, self.chroma, self.hue)

    def by(self, lighter: float = 0.0, richer: float = 1.0, turn: float = 0.0) -> Tone:
        return Tone(
            min(max(self.lightness + lighter, 0.0), 1.0), self.chroma * richer, self.hue + turn
        )

    @property
    def shade(self) -> Colour:
        """In shadow: darker, a little richer and towards blue."""
        towards = ((0.72 - self.hue + 0.5) % 1 - 0.5) * 0.1
        return self.by(-0.1, 1.08, towards).rgb

    @property
    def name(self) -> str:
        if self.chroma < 0.03:
            return "white" if self.lightness > 0.85 else "grey" if self.lightness > 0.4 else "black"
        if 0.09 < self.hue % 1 < 0.24 and self.lightness + self.chroma < 0.82:
            return "brown"
        return hue_name(self.hue)


@dataclass(frozen=True)
class Palette:
    """Of one character: skin or fur, a light relative, two of the clothes, and the ink."""

    main: Tone
    light: Tone
    second: Tone
    accent: Tone
    dark: Tone
    ink: Colour | None  # None: flat style without outlines
    weight: float  # of the ink in stage units


MOODS = {  # lightness and chroma of the main colour
    "bright": ((0.68, 0.84), (0.12, 0.19)),
    "pastel": ((0.80, 0.91), (0.05, 0.10)),
    "earthy": ((0.52, 0.74), (0.06, 0.11)),
    "deep": ((0.42, 0.60), (0.09, 0.16)),
    "pale": ((0.88, 0.96), (0.01, 0.03)),
    "dark": ((0.30, 0.40), (0.02, 0.07)),
}
SCHEMES = ((0.5, 0.08), (0.33, 0.66), (0.08, -0.1), (0.42, 0.58), (0.25, 0.5))


def draw_palette(rng: Rng, ink: Colour | None, weight: float, avoid: Tone | None = None) -> Palette:
    """A palette whose main colour stands off from `avoid`, the ground it is seen on."""
    for _ in range(8):
        mood = str(rng.choice(list(MOODS), p=[0.42, 0.19, 0.15, 0.1, 0.1, 0.04]))
        (l0, l1), (c0, c1) = MOODS[mood]
        main = Tone(rng.uniform(l0, l1), rng.uniform(c0, c1), rng.random())
        if mood == "earthy":
            main = Tone(main.lightness, main.chroma, rng.uniform(0.08, 0.22))
        if avoid is None or _far(main, avoid) > 0.16:
            break
    first, second = SCHEMES[rng.integers(len(SCHEMES))]
    jitter = rng.normal(0, 0.03, 2)
    other = Tone(rng.uniform(0.5, 0.85), rng.uniform(0.08, 0.19), main.hue + first + jitter[0])
    if abs(other.lightness - main.lightness) < 0.08 and abs(first) < 0.2:
        other = other.by(-0.18)
    accent = Tone(rng.uniform(0.6, 0.9), rng.uniform(0.1, 0.2), main.hue + second + jitter[1])
    light = Tone(min(main.lightness + 0.16, 0.97), main.chroma * 0.4, main.hue + 0.03)
    dark = Tone(max(main.lightness - 0.22, 0.2), main.chroma * 0.9, main.hue - 0.03)
    return Palette(main, light, other, accent, dark, ink, weight)


def _far(a: Tone, b: Tone) -> float:
    angle = 2 * np.pi * np.array([a.hue, b.hue])
    x = a.chroma * np.cos(angle[0]) - b.chroma * np.cos(angle[1])
    y = a.chroma * np.sin(angle[0]) - b.chroma * np.sin(angle[1])
    return float(np.sqrt((a.lightness - b.lightness) ** 2 + 1.5 * (x * x + y * y)))


def draw_ink(rng: Rng) -> tuple[Colour | None, float]:
    """Ink of a film: dark and tinted mostly, sometimes coloured or black; or none at all."""
    kind = rng.random()
    weight = float(rng.uniform(0.6, 1.25))
    if kind < 0.13:
        return None, weight
    if kind < 0.25:
        return colour(rng.uniform(0.05, 0.14), 0.005, 0), weight
    if kind < 0.85:
        return colour(rng.uniform(0.18, 0.3), rng.uniform(0.02, 0.07), rng.random()), weight
    return colour(rng.uniform(0.34, 0.48), rng.uniform(0.06, 0.12), rng.random()), weight
