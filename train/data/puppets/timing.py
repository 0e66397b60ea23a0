"""Time: eased key poses, cycles, and springs that lag behind what drives them. Arrays are (f)."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

Array = np.ndarray


def smoothest(t: Array) -> Array:
    return t * t * t * (t * (6 * t - 15) + 10)


EASES: dict[str, Callable[[Array], Array]] = {
    "even": lambda t: t,
    "slow": smoothest,  # slow out and slow in
    "slow out": lambda t: t**2.2,
    "slow in": lambda t: 1 - (1 - t) ** 2.2,
    "overshoot": lambda t: 1 + 2.4 * (t - 1) ** 3 + 1.4 * (t - 1) ** 2,
    "anticipate": lambda t: 2.4 * t**3 - 1.4 * t**2,
    "elastic": lambda t: 1 - np.exp(-5 * t) * np.cos(2 * np.pi * 1.6 * t) * (1 - t),
}


def track(time: Array, *keys: tuple) -> Array:
    """Values (f) at `time` of keys (time, value[, ease of the way to this key]), in order."""
    out = np.full(time.shape, float(keys[0][1]))
    for a, b in zip(keys, keys[1:], strict=False):
        t = np.clip((time - a[0]) / max(b[0] - a[0], 1e-6), 0, 1)
        way = EASES[b[2] if len(b) > 2 else "slow"](t)
        out = np.where(time >= a[0], a[1] + (b[1] - a[1]) * way, out)
    return out


def cycle(phase: Array, size: float = 1.0) -> Array:
    """A sine of a phase in turns."""
    return size * np.sin(2 * np.pi * phase)


def cycles(
    rng: np.random.Generator, seconds: float, period: tuple[float, float], most: float = 1.6
) -> float:
    """How many cycles of a period drawn from a range (seconds) a clip has: a third to `most`."""
    return float(np.clip(seconds / rng.uniform(*period), 0.35, most))


def spring(target: Array, stiff: float = 0.5, drag: float = 0.45, warm: bool = False) -> Array:
    """What follows target (f ...) late and softly, and overshoots where drag is low. `warm` lets
    it swing in before the first frame, as if the way there went on backwards."""
    values = np.concatenate([2 * target[:1] - target[:0:-1], target]) if warm else target
    value, speed, out = values[0], np.zeros_like(values[0]), []
    steps = 3
    for k in range(len(values)):
        before = values[max(k - 1, 0)]
        for j in range(1, steps + 1):
            goal = before + (values[k] - before) * (j / steps)
            speed = (speed + (goal - value) * stiff / steps) * (1 - drag / steps)
            value = value + speed / steps * 2
        out.append(value)
    return np.stack(out[len(values) - len(target) :])


def late(values: Array, frames: float) -> Array:
    """The same, so many frames later; held before."""
    grid = np.arange(len(values), dtype=float)
    return np.interp(grid - frames, grid, values)


def speed(values: Array) -> Array:
    """Change a frame."""
    return np.gradient(values) if len(values) > 1 else np.zeros_like(values)
