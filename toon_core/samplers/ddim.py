"""DDIM with v-prediction and the dynamic rescale (Song et al. 2021; architecture.md 8.2)."""

from __future__ import annotations

from collections.abc import Callable

from torch import Tensor

from ..schedule import DDIMTable

Denoise = Callable[[Tensor, int], Tensor]
Noise = Callable[[], Tensor]
Progress = Callable[[int, int, Tensor, Tensor], None]


def ddim(
    denoise: Denoise,
    x: Tensor,
    table: DDIMTable,
    noise: Noise,
    callback: Progress | None = None,
    temperature: float = 1.0,
) -> Tensor:
    """Run `table` from its end to its start.

    denoise(x, t) predicts v; x (b c f h w) starts as noise; noise() gives a fresh draw of x's
    shape and is called at every step, also when sigma is 0, as the release does;
    callback(step, total, x0, x) after each step. Nothing here waits for the device.

    temperature in [0, 1] multiplies x and every noise(); 1 samples the model's distribution, as
    the release does. Below 1 samples keep to what is likeliest: a small model that cannot yet
    agree with itself on the rare draws shows whole figures, for less variety between seeds.
    """
    x = temperature * x
    for i in reversed(range(len(table))):
        v = denoise(x, table.timesteps[i])
        x, x0 = step(x, v, table, i, temperature * noise())
        if callback is not None:
            callback(len(table) - 1 - i, len(table), x0, x)
    return x


def step(x: Tensor, v: Tensor, table: DDIMTable, i: int, noise: Tensor) -> tuple[Tensor, Tensor]:
    """One step: (x at the previous timestep, x0 after the dynamic rescale)."""
    a, a_prev, sigma = table.alphas[i], table.alphas_prev[i], table.sigmas[i]
    eps = a**0.5 * v + (1 - a) ** 0.5 * x
    x0 = a**0.5 * x - (1 - a) ** 0.5 * v
    x0 = x0 * (table.scale_prev[i] / table.scale[i])
    direction = max(1 - a_prev - sigma**2, 0.0) ** 0.5
    return a_prev**0.5 * x0 + direction * eps + sigma * noise, x0
