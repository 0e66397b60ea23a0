"""The released schedule in ComfyUI's terms (architecture.md 8.2).

ComfyUI samples X = x0 + sigma eps. The release's x_t = sqrt(abar_t) s_t x0 + sqrt(1 - abar_t) eps
is that, scaled, with sigma_t = sqrt((1 - abar_t) / abar_t) / s_t. So the dynamic rescale s_t is
only another list of sigmas, and any of ComfyUI's samplers can run it.
"""

from __future__ import annotations

import math

import comfy.model_sampling
import torch
from torch import Tensor

from ..toon_core.schedule import DDIMTable, Schedule

# In the table in place of abar = 0, whose sigma is infinite; about ComfyUI's own choice.
TERMINAL_ALPHA_BAR = 5e-8

# How far above the next sigma our lists begin. The noise that an ancestral step keeps is the
# inverse of it, and should be none; from 4000 on, float32 rounds it to none, at which ComfyUI's
# ancestral samplers add no new noise either.
TERMINAL_RATIO = 2000.0


class ToonModelSampling(
    comfy.model_sampling.ModelSamplingDiscrete, comfy.model_sampling.V_PREDICTION
):
    """v-prediction with zero terminal SNR and the dynamic rescale; the noise to start from is
    multiplied with `temperature`."""

    def __init__(self, schedule: Schedule, temperature: float = 1.0) -> None:
        if not isinstance(schedule, Schedule):
            raise ValueError(
                "A node rebuilds this MODEL's schedule as another model's: remove it. Toon Set "
                "Schedule has what this schedule can be set to, the noise's temperature among it."
            )
        super().__init__()
        self.schedule, self.temperature = schedule, temperature
        alpha_bar = torch.from_numpy(schedule.alphas_cumprod).clamp(min=TERMINAL_ALPHA_BAR)
        scale = torch.from_numpy(schedule.scale_arr[: len(alpha_bar)]).double()
        self.num_timesteps = len(alpha_bar)
        self.zsnr = True
        self.register_buffer("scale", scale.float())
        self.set_sigmas(((1 - alpha_bar) / alpha_bar).sqrt() / scale)
        self.end_alpha_bar = float(alpha_bar[0])
        self.end_sigma = math.sqrt((1 - self.end_alpha_bar) / self.end_alpha_bar)

    def signal(self, sigma: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """sigma of any shape -> abar, 1 - abar and s; between two timesteps s is interpolated.
        At the last timestep and above abar is 0, the zero terminal SNR."""
        logs, scale = self.log_sigmas.to(sigma.device), self.scale.to(sigma.device)
        place = sigma.float().log()
        above = torch.searchsorted(logs, place).clamp(1, len(logs) - 1)
        low, high = logs[above - 1], logs[above]
        part = ((place - low) / (high - low)).clamp(0, 1)
        s = torch.lerp(scale[above - 1], scale[above], part)
        squared = (sigma * s).square()
        alpha_bar, rest = 1 / (1 + squared), squared / (1 + squared)
        last = self._is_last(sigma)
        return alpha_bar.masked_fill(last, 0.0), rest.masked_fill(last, 1.0), s

    def _is_last(self, sigma: Tensor) -> Tensor:
        return sigma >= self.sigmas[-1].to(sigma.device) * (1 - 1e-6)

    def _unit(self, sigma: Tensor) -> Tensor:
        """x_t / X."""
        alpha_bar, _, s = self.signal(sigma)
        return torch.where(self._is_last(sigma), 1 / sigma, alpha_bar.sqrt() * s)

    def calculate_input(self, sigma: Tensor, noise: Tensor) -> Tensor:
        """X -> x_t."""
        return noise * self._unit(_column(sigma, noise))

    def calculate_denoised(self, sigma: Tensor, model_output: Tensor, model_input: Tensor):
        """v and X -> x0."""
        alpha_bar, rest, s = self.signal(_column(sigma, model_input))
        return model_input * alpha_bar - rest.sqrt() / s * model_output

    def v_from_denoised(self, sigma: Tensor, denoised: Tensor, model_input: Tensor) -> Tensor:
        """The inverse of `calculate_denoised`."""
        alpha_bar, rest, s = self.signal(_column(sigma, model_input))
        return (model_input * alpha_bar - denoised) * s / rest.sqrt()

    def noise_scaling(
        self, sigma: Tensor, noise: Tensor, latent_image: Tensor, max_denoise: bool = False
    ) -> Tensor:
        """X to start from. From an empty latent the release takes x_T = noise at whatever
        timestep the spacing begins with, and not sqrt(1 - abar) of it."""
        sigma, noise = _column(sigma, noise), self.temperature * noise
        if max_denoise or not latent_image.any():
            return noise / self._unit(sigma) + latent_image
        return noise * sigma + latent_image

    def inverse_noise_scaling(self, sigma: Tensor, latent: Tensor) -> Tensor:
        """The release ends at abar_0 with the s of its last timestep and returns that x. A run
        over its own sigmas ends at end_sigma / s, and is recognised by it."""
        end, base = float(sigma), float(self.scale.min())
        if not self.end_sigma * (1 - 1e-4) <= end <= self.end_sigma / base * (1 + 1e-4):
            return latent
        return latent * (self.end_alpha_bar**0.5 * self.end_sigma / end)

    def ddim_sigmas(self, table: DDIMTable) -> Tensor:
        """All sigmas of a run, falling, one more than it has steps."""
        steps = [float(self.sigmas[t]) for t in reversed(table.timesteps)]
        steps.append(self.end_sigma / table.scale[0])
        if table.timesteps[-1] == self.num_timesteps - 1:
            steps[0] = max(steps[0], steps[1] * TERMINAL_RATIO)
        return torch.tensor(steps, dtype=torch.float32)


def _column(sigma: Tensor, like: Tensor) -> Tensor:
    """One sigma for each clip, to multiply (b c f h w) with. Never without axes: as an index such
    a number is read, for which the CPU waits."""
    return sigma.view(-1, *[1] * (like.ndim - 1))


def sampling_of(model) -> ToonModelSampling:
    """The schedule of a MODEL; ValueError where it is not one of this pack."""
    sampling = model.get_model_object("model_sampling")
    if not isinstance(sampling, ToonModelSampling):
        raise ValueError(
            "This MODEL has another schedule than ToonCrafter's: connect the MODEL of Toon Load "
            "Model, without a ModelSampling patch of another kind; Toon Set Schedule has what can "
            "be set."
        )
    return sampling
