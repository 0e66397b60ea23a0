"""Noise schedule: zero terminal SNR, dynamic rescale, DDIM tables (architecture.md 7 and 8)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from .config import SCALE_LENGTH, ScheduleConfig
from .recipe import Spacing


def zero_terminal_snr(betas: np.ndarray) -> np.ndarray:
    """Shift and scale sqrt(alpha_bar) so that its last value is 0 (Lin et al. 2024, alg. 1)."""
    s = np.sqrt(np.cumprod(1.0 - betas))
    s = (s - s[-1]) * s[0] / (s[0] - s[-1])
    alpha_bar = s**2
    alphas = np.concatenate([alpha_bar[:1], alpha_bar[1:] / alpha_bar[:-1]])
    return 1.0 - alphas


@dataclass(frozen=True)
class DDIMTable:
    """Per-step numbers in order of time (the sampler runs it from the end). Plain floats: no
    step waits for a device."""

    timesteps: list[int]
    alphas: list[float]
    alphas_prev: list[float]
    sigmas: list[float]
    scale: list[float]
    scale_prev: list[float]

    def __len__(self) -> int:
        return len(self.timesteps)

    @property
    def sqrt_one_minus_alphas(self) -> list[float]:
        return [(1 - a) ** 0.5 for a in self.alphas]


class Schedule:
    """Computed in float64, stored in float32 as the release stores it."""

    def __init__(self, config: ScheduleConfig) -> None:
        self.config = config
        c = config
        betas = np.linspace(c.linear_start**0.5, c.linear_end**0.5, c.timesteps) ** 2
        if c.rescale_betas_zero_snr:
            betas = zero_terminal_snr(betas)
        self.betas = betas
        self.alphas_cumprod = np.cumprod(1.0 - betas)
        ramp = np.linspace(1.0, c.base_scale, c.turning_step)
        flat = np.full(SCALE_LENGTH - c.turning_step, c.base_scale)
        self.scale_arr = np.concatenate([ramp, flat]).astype(np.float32)
        self._kept: dict[tuple[str, torch.device], Tensor] = {}

    def buffers(self) -> dict[str, Tensor]:
        """The 13 tables a released checkpoint carries."""
        betas, bar = self.betas, self.alphas_cumprod
        prev = np.append(1.0, bar[:-1])
        with np.errstate(divide="ignore"):
            log_one_minus = np.log(1.0 - bar)
        variance = betas * (1.0 - prev) / (1.0 - bar)
        tables = {
            "betas": betas,
            "alphas_cumprod": bar,
            "alphas_cumprod_prev": prev,
            "sqrt_alphas_cumprod": np.sqrt(bar),
            "sqrt_one_minus_alphas_cumprod": np.sqrt(1.0 - bar),
            "log_one_minus_alphas_cumprod": log_one_minus,
            "sqrt_recip_alphas_cumprod": np.zeros_like(bar),
            "sqrt_recipm1_alphas_cumprod": np.zeros_like(bar),
            "posterior_variance": variance,
            "posterior_log_variance_clipped": np.log(np.maximum(variance, 1e-20)),
            "posterior_mean_coef1": betas * np.sqrt(prev) / (1.0 - bar),
            "posterior_mean_coef2": (1.0 - prev) * np.sqrt(1.0 - betas) / (1.0 - bar),
            "scale_arr": self.scale_arr,
        }
        return {k: torch.tensor(v, dtype=torch.float32) for k, v in tables.items()}

    def timesteps(self, steps: int, spacing: Spacing) -> np.ndarray:
        """Ascending steps. `uniform` gives ceil(1000 / (1000 // steps)) of them, which can be
        more than asked for; `uniform_trailing` ends at 999 (architecture.md 8.1).

        For some counts the release's formula leaves 0..999 (uniform with 3 steps; trailing with
        61, by rounding), where it fails; here 1000 becomes 999 and -1 is dropped.
        """
        total = self.config.timesteps
        if not 1 <= steps <= total:
            raise ValueError(f"steps = {steps} must be between 1 and {total}")
        if spacing == "uniform":
            return np.unique(np.minimum(np.arange(0, total, total // steps) + 1, total - 1))
        if spacing == "uniform_trailing":
            tau = np.flip(np.round(np.arange(total, 0, -total / steps))).astype(np.int64) - 1
            return tau[tau >= 0]
        raise ValueError(f"spacing = {spacing!r} must be 'uniform' or 'uniform_trailing'")

    def ddim(self, steps: int, spacing: Spacing, eta: float) -> DDIMTable:
        """Tables of Song et al. 2021, eq. 16, with the dynamic rescale of each step."""
        tau = self.timesteps(steps, spacing)
        bar = self.alphas_cumprod.astype(np.float32).astype(np.float64)
        alphas, prev = bar[tau], np.concatenate([bar[:1], bar[tau[:-1]]])
        sigmas = eta * np.sqrt((1 - prev) / (1 - alphas) * (1 - alphas / prev))
        scale = self.scale_arr[tau]
        scale_prev = np.concatenate([scale[:1], scale[:-1]])
        columns = (tau, alphas, prev, sigmas, scale, scale_prev)
        return DDIMTable(*(column.tolist() for column in columns))

    def coefficients(self, t: Tensor) -> tuple[Tensor, Tensor]:
        """sqrt(alpha_bar_t) and sqrt(1 - alpha_bar_t), shaped to multiply a clip."""
        bar = self._table("alphas_cumprod", t.device)[t].view(-1, 1, 1, 1, 1)
        return bar.sqrt(), (1 - bar).sqrt()

    def add_noise(self, x0: Tensor, eps: Tensor, t: Tensor) -> tuple[Tensor, Tensor]:
        """Training pair (training.md; Salimans and Ho 2022): x0 and eps (b c f h w), t (b,).

        The clean latent is multiplied by scale_arr[t] first, and both x_t and v are formed
        from that. Returns (x_t, v).
        """
        a, b = self.coefficients(t)
        x0 = x0 * self._scale(t)
        return a * x0 + b * eps, a * eps - b * x0

    def x0(self, x_t: Tensor, v: Tensor, t: Tensor) -> Tensor:
        """The clean latents that `add_noise` made x_t and v of; with a network's v, its estimate
        of them (Salimans and Ho 2022, appendix D)."""
        a, b = self.coefficients(t)
        return (a * x_t - b * v) / self._scale(t)

    def _scale(self, t: Tensor) -> Tensor:
        return self._table("scale_arr", t.device)[t].view(-1, 1, 1, 1, 1)

    def _table(self, name: str, device: torch.device) -> Tensor:
        """On the device, where it stays: a step of training would wait for it each time."""
        if (name, device) not in self._kept:
            with torch.inference_mode(False):  # else no gradient could pass what it multiplies
                table = torch.tensor(getattr(self, name), dtype=torch.float32)
                self._kept[name, device] = table.to(device)
        return self._kept[name, device]
