"""The denoiser's loss: v-prediction at uniform steps (paper eq. 2 and 6)."""

from __future__ import annotations

import torch
from torch import Tensor

from toon_core.schedule import Schedule
from train.engine.draws import Draws

WEIGHTINGS = ("plain", "min_snr")


def noised(
    schedule: Schedule, latents: Tensor, draws: Draws, shift: float = 1.0
) -> tuple[Tensor, Tensor, Tensor]:
    """Scaled latents (b z f h w) -> (x_t, v, t): t uniform over all steps, the dynamic rescale
    inside `add_noise`.

    shift above 1 moves a uniform place u in [0, 1) to shift u / (1 + (shift - 1) u), towards
    noise (Esser et al. 2024, eq. 23).
    """
    total = schedule.config.timesteps
    u = draws.integers(total).to(latents.device) / total
    t = (total * shift * u / (1 + (shift - 1) * u)).round().long().clamp(max=total - 1)
    eps = draws.normal(*latents.shape[1:]).to(latents)
    x_t, v = schedule.add_noise(latents, eps, t)
    return x_t, v, t


def v_loss(
    out: Tensor, v: Tensor, t: Tensor, schedule: Schedule, weighting: str = "plain"
) -> tuple[Tensor, dict[str, Tensor]]:
    """Mean squared error of v over all elements, each clip weighted by `step_weights`; also the
    plain error of the noisier and the cleaner half of the steps."""
    error = (out.float() - v.float()).square().mean(dim=(1, 2, 3, 4))
    loss = (error * step_weights(schedule, t, weighting)).mean()
    late = t >= schedule.config.timesteps // 2
    halves = {"noisy": error[late], "clean": error[~late]}
    return loss, {k: e.detach().mean() for k, e in halves.items() if len(e)}


def step_weights(schedule: Schedule, t: Tensor, weighting: str, gamma: float = 5.0) -> Tensor:
    """plain: 1. min_snr: min(SNR, gamma) / (SNR + 1) (Hang et al. 2023, for v-prediction), which
    is zero at zero terminal SNR: the very first sampling step is then not trained."""
    if weighting == "plain":
        return torch.ones_like(t, dtype=torch.float32)
    if weighting != "min_snr":
        raise ValueError(f"weighting={weighting}: expected one of {', '.join(WEIGHTINGS)}")
    signal, noise = (x.flatten() for x in schedule.coefficients(t))
    snr = signal.square() / noise.square()
    return snr.clamp(max=gamma) / (snr + 1)


def ends_only(latents: Tensor) -> Tensor:
    """The concat condition: first and last frame in their places, zeros between."""
    kept = torch.zeros_like(latents)
    kept[:, :, 0], kept[:, :, -1] = latents[:, :, 0], latents[:, :, -1]
    return kept
