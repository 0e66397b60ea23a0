"""Unit outlines, drawn from chance: (n 2) around the origin, x and y within about -1..1."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache

import numpy as np

Rng = np.random.Generator


def kept(make: Callable) -> Callable:
    """Made once for the same numbers; nobody may write into it."""

    @lru_cache(4096)
    def once(*args, **options):
        made = make(*args, **options)
        made.flags.writeable = False
        return made

    return once


def around(count: int) -> np.ndarray:
    return np.linspace(0, 2 * np.pi, count, endpoint=False)


@kept
def ellipse(
    rx: float = 1.0, ry: float = 1.0, x: float = 0.0, y: float = 0.0, count: int = 24
) -> np.ndarray:
    a = around(count)
    return np.stack([x + rx * np.cos(a), y + ry * np.sin(a)], -1)


@kept
def squircle(power: float, count: int = 28) -> np.ndarray:
    """Between a diamond (1), a disc (2) and a rounded box (above)."""
    a = around(count)
    c, s = np.cos(a), np.sin(a)
    return np.stack(
        [np.sign(c) * np.abs(c) ** (2 / power), np.sign(s) * np.abs(s) ** (2 / power)], -1
    )


def egg(wide_below: float, power: float = 2.1, count: int = 28) -> np.ndarray:
    """A rounded outline that is wider below (above 0) or above (below 0)."""
    p = squircle(power, count).copy()
    p[:, 0] *= 1 + wide_below * p[:, 1]
    return p / np.abs(p).max(0)


def lumpy(rng: Rng, rough: float = 0.12, count: int = 32) -> np.ndarray:
    """A blob: a circle with a few low waves."""
    a = around(count)
    r = np.ones(count)
    for k in range(2, 5):
        r += rough / k * 2 * rng.normal() * np.cos(k * a + rng.uniform(0, 2 * np.pi))
    return np.stack([r * np.cos(a), r * np.sin(a)], -1)


def box(power: float = 6.0) -> np.ndarray:
    return squircle(power, 32)


def polygon(points: list[tuple[float, float]], soft: float = 0.25) -> np.ndarray:
    """Corners cut to short curves; soft 0 keeps them sharp."""
    return _polygon(tuple(map(tuple, points)), soft)


@kept
def _polygon(points: tuple, soft: float) -> np.ndarray:
    p = np.array(points, float)
    before, after = np.roll(p, 1, 0), np.roll(p, -1, 0)
    a, b = p + (before - p) * soft, p + (after - p) * soft
    t = np.linspace(0, 1, 5)[None, :, None]
    return ((1 - t) ** 2 * a[:, None] + 2 * t * (1 - t) * p[:, None] + t**2 * b[:, None]).reshape(
        -1, 2
    )


@kept
def star(points: int, inner: float, soft: float = 0.2) -> np.ndarray:
    a = around(2 * points) - np.pi / 2
    r = np.where(np.arange(2 * points) % 2, inner, 1.0)
    return polygon([(x, y) for x, y in np.stack([r * np.cos(a), r * np.sin(a)], -1)], soft)


@kept
def petals(count: int, depth: float) -> np.ndarray:
    """A rosette: a flower, a cloud's edge, a cog, by count and depth."""
    a = around(12 * count)
    r = 1 - depth + depth * np.abs(np.sin(a * count / 2))
    return np.stack([r * np.cos(a), r * np.sin(a)], -1)


@kept
def drop(sharp: float = 0.6) -> np.ndarray:
    """A drop or a leaf that points up."""
    a = around(28)
    x, y = np.sin(a), -np.cos(a)
    x = x * (1 - sharp * np.clip(-y, 0, 1) ** 1.2 * 0.9)
    return np.stack([x, y], -1)


def cloud(rng: Rng, lumps: int = 5) -> np.ndarray:
    """A cloud with a flat underside: lumps over an arch."""
    a = np.linspace(np.pi, 2 * np.pi, lumps * 7)
    r = 0.82 + 0.2 * np.abs(np.sin(np.linspace(0, lumps * np.pi, len(a)))) * rng.uniform(0.8, 1.2)
    top = np.stack([r * np.cos(a), r * np.sin(a)], -1)
    return np.concatenate([top, [[0.7, 0.12], [0, 0.16], [-0.7, 0.12]]]) * (1, 0.8)
