"""Latents with a denoiser's own errors, for a decoder that shall bear them."""

from __future__ import annotations

import torch
from torch import Tensor

from toon_core.model import ToonModel
from toon_core.presets import RELEASED
from train.conditions import Tokens, rates
from train.engine.draws import Draws
from train.engine.objective import Batch
from train.losses.diffusion import ends_only
from train.stepping import predictor, stepped, tempered


class Redenoiser:
    """Noises clips and samples them back (Meng et al. 2022, SDEdit): each clip through the last
    n steps of a DDIM run of `of`, n drawn from 0..`most`, without guidance, all noise times
    `temperature`."""

    def __init__(self, model: ToonModel, most: int, of: int, temperature: float = 1.0) -> None:
        self.most, self.model, self.temperature = most, model, temperature
        self.table = model.schedule.ddim(of, RELEASED.spacing, RELEASED.eta)
        self.tokens = Tokens(model, drop=0.0, train_towers=False).eval()

    @torch.no_grad()
    def __call__(self, latents: Tensor, batch: Batch, draws: Draws) -> Tensor:
        """Scaled latents (b z f h w) of a batch -> the same, made anew."""
        steps = draws.integers(self.most + 1).to(latents.device)
        context, ends = self.tokens(batch, draws), ends_only(latents)
        return stepped(
            self._noised(latents, steps, draws),
            predictor(self.model.unet, ends, context, rates(batch, latents.device)),
            self.table,
            reversed(range(self.most)),
            lambda i: steps > i,
            self.temperature,
            draws,
        )

    def _noised(self, latents: Tensor, steps: Tensor, draws: Draws) -> Tensor:
        """Each clip where its steps begin; those of no steps as they are."""
        timesteps = torch.tensor([0, *self.table.timesteps], device=latents.device)
        noise = tempered(latents, self.temperature, draws)
        noised, _ = self.model.schedule.add_noise(latents, noise, timesteps[steps])
        return torch.where((steps > 0).view(-1, 1, 1, 1, 1), noised, latents)
