"""Time: eased key poses, springs that lag behind them, and points on a turning ball."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

FRAMES = 48

EASES: dict[str, Callable[[float], float]] = {
    "linear": lambda t: t,
    "both": lambda t: t * t * (3 - 2 * t),
    "in": lambda t: t * t,
    "out": lambda t: 1 - (1 - t) ** 2,
    "snap": lambda t: 1 - (1 - t) ** 4,
    "back": lambda t: 1 + 2.9 * (t - 1) ** 3 + 1.9 * (t - 1) ** 2,
}


def track(f: float, *keys: tuple) -> float:
    """The value at frame f of keys (frame, value[, ease of the way to this key])."""
    if f <= keys[0][0]:
        return float(keys[0][1])
    for a, b in zip(keys, keys[1:], strict=False):
        if f <= b[0]:
            ease = EASES[b[2] if len(b) > 2 else "both"]
            return float(a[1] + (b[1] - a[1]) * ease((f - a[0]) / (b[0] - a[0])))
    return float(keys[-1][1])


def wave(f: float, period: float, phase: float = 0, size: float = 1) -> float:
    """A sine of f with that period in frames; phase is in turns."""
    return size * float(np.sin(2 * np.pi * (f / period + phase)))


def spring(
    target: Callable[[float], float], stiff: float = 0.12, drag: float = 0.3, warm: bool = False
) -> list[float]:
    """A follower of target(frame) at every frame: late, soft, overshooting when drag is low.

    warm lets it swing in before frame 0, for targets that are cycles.
    """
    value, speed, steps, out = target(0), 0.0, 4, []
    for f in range(-2 * FRAMES if warm else 0, FRAMES):
        if f >= 0:
            out.append(value)
        for k in range(steps):
            goal = target(f + k / steps)
            speed += (goal - value) * stiff / steps
            speed *= 1 - drag / steps
            value += speed / steps
    return out


def on_ball(
    yaw: float, pitch: float, across: float, up: float, radius: float
) -> tuple[float, float, float, float]:
    """A feature at (across, up) degrees on a ball turned by yaw to the right and pitch down.

    Returns x, y of it, its foreshortening in x (0..1) and its depth (below 0: on the far side).
    """
    a, b = np.radians(across + yaw), np.radians(up)
    x, y, z = np.sin(a) * np.cos(b), -np.sin(b), np.cos(a) * np.cos(b)
    c, s = np.cos(np.radians(pitch)), np.sin(np.radians(pitch))
    y, z = y * c + z * s, z * c - y * s
    return float(radius * x), float(radius * y), float(max(np.cos(a), 0.0)), float(z)
