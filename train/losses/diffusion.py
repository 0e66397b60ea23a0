"""The denoiser's loss: v-prediction at uniform timesteps (paper eq. 2 and 6)."""

from __future__ import annotations

import torch
from torch import Tensor

from toon_core.schedule import Schedule
from train.engine.batches import SampleRNG


def add_noise(
    schedule: Schedule, latents: Tensor, rng: SampleRNG, shift: float = 1.0
) -> tuple[Tensor, Tensor, Tensor]:
    """Scaled latents (b z f h w) -> (x_t, v, t): t uniform over all timesteps, the dynamic rescale
    inside `Schedule.add_noise`.

    shift above 1 moves a uniform place u in [0, 1) to shift u / (1 + (shift - 1) u), towards
    noise (Esser et al. 2024, eq. 23).
    """
    total = schedule.config.timesteps
    u = rng.integers(total).to(latents.device) / total
    t = (total * shift * u / (1 + (shift - 1) * u)).round().long().clamp(max=total - 1)
    eps = rng.normal(*latents.shape[1:]).to(latents)
    x_t, v = schedule.add_noise(latents, eps, t)
    return x_t, v, t


def v_loss(
    out: Tensor, v: Tensor, t: Tensor, schedule: Schedule
) -> tuple[Tensor, dict[str, Tensor]]:
    """Mean squared error of v over all elements; also that of the noisier and of the cleaner half
    of the timesteps, NaN where no clip has one of them."""
    error = clip_errors(out, v)
    late = t >= schedule.config.timesteps // 2
    halves = {"noisy": late, "clean": ~late}
    shown = error.detach()
    return error.mean(), {k: (shown * half).sum() / half.sum() for k, half in halves.items()}


def clip_errors(out: Tensor, v: Tensor) -> Tensor:
    """Mean squared error of each clip (b z f h w): (b,)."""
    return (out.float() - v.float()).square().mean(dim=(1, 2, 3, 4))


def endpoint_condition(latents: Tensor) -> Tensor:
    """The concat condition: first and last frame in their places, zeros between."""
    kept = torch.zeros_like(latents)
    kept[:, :, 0], kept[:, :, -1] = latents[:, :, 0], latents[:, :, -1]
    return kept
