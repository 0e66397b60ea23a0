"""The denoiser's loss: v-prediction at uniform timesteps (paper eq. 2 and 6)."""

from __future__ import annotations

import torch
from torch import Tensor

from toon_core.devices import moved
from toon_core.schedule import Schedule
from train.engine.batches import SampleRNG

MOVES = 0.25


def add_noise(
    schedule: Schedule, latents: Tensor, rng: SampleRNG, shift: float = 1.0
) -> tuple[Tensor, Tensor, Tensor]:
    """Scaled latents (b z f h w) -> (x_t, v, t): t uniform over all timesteps, the dynamic rescale
    inside `Schedule.add_noise`.

    shift above 1 moves a uniform place u in [0, 1) to shift u / (1 + (shift - 1) u), towards
    noise (Esser et al. 2024, eq. 23).
    """
    total = schedule.config.timesteps
    u = moved(rng.integers(total), latents.device) / total
    t = (total * shift * u / (1 + (shift - 1) * u)).round().long().clamp(max=total - 1)
    eps = moved(rng.normal(*latents.shape[1:]), latents.device, latents.dtype)
    x_t, v = schedule.add_noise(latents, eps, t)
    return x_t, v, t


def v_loss(
    out: Tensor, v: Tensor, t: Tensor, schedule: Schedule, weight: Tensor | None = None
) -> tuple[Tensor, dict[str, Tensor]]:
    """Mean squared error of v over all elements, or over those of a `weight` by it; also that of
    the noisier and of the cleaner half of the timesteps, NaN where no clip has one of them."""
    error = clip_errors(out, v, weight)
    late = t >= schedule.config.timesteps // 2
    halves = {"noisy": late, "clean": ~late}
    shown = error.detach()
    return error.mean(), {k: (shown * half).sum() / half.sum() for k, half in halves.items()}


def clip_errors(out: Tensor, v: Tensor, weight: Tensor | None = None) -> Tensor:
    """Mean squared error of each clip (b z f h w), by a weight of places (b 1 1 h w) if any, the
    same for all its frames: (b,)."""
    error = (out.float() - v.float()).square()
    if weight is None:
        return error.mean(dim=(1, 2, 3, 4))
    error = weight * error.mean(dim=(1, 2), keepdim=True)
    return error.mean(dim=(1, 2, 3, 4)) / weight.mean(dim=(1, 2, 3, 4))


def moving(latents: Tensor) -> Tensor:
    """Where something moves in scaled latents (b z f h w): they are further than MOVES from their
    mean over time, in the mean over channels and frames, (b 1 1 h w) bool."""
    return (latents - latents.mean(2, keepdim=True)).abs().mean((1, 2), keepdim=True) > MOVES


def endpoint_condition(latents: Tensor) -> Tensor:
    """The concat condition: first and last frame in their places, zeros between."""
    kept = torch.zeros_like(latents)
    kept[:, :, 0], kept[:, :, -1] = latents[:, :, 0], latents[:, :, -1]
    return kept
