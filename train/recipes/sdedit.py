"""Latents with a denoiser's own errors, for a decoder that shall bear them."""

from __future__ import annotations

import torch
from torch import Tensor

from toon_core.model import ToonModel
from toon_core.samplers.ddim import step
from train.engine.batches import Batch, SampleRNG
from train.losses.diffusion import endpoint_condition
from train.recipes.conditioning import ContextEncoder, predictor, rates


class SDEdit:
    """Noises clips and samples them back (Meng et al. 2022): each clip through the last n steps of
    a DDIM run by the model's own recipe, n drawn from 0..`most`, without guidance."""

    def __init__(self, model: ToonModel, most: int) -> None:
        """ValueError for more steps than the recipe has."""
        recipe = model.config.recipe
        self.most, self.model, self.temperature = most, model, recipe.temperature
        self.table = model.schedule.ddim(recipe.steps, recipe.spacing, recipe.eta)
        self.tokens = ContextEncoder(model, drop=0.0, train_towers=False).eval()
        if most > len(self.table):
            raise ValueError(f"sdedit={most}: the base samples in {len(self.table)} steps")

    @torch.no_grad()
    def __call__(self, latents: Tensor, batch: Batch, rng: SampleRNG) -> Tensor:
        """Scaled latents (b z f h w) of a batch -> the same, made anew."""
        steps = rng.integers(self.most + 1).to(latents.device)
        context, ends = self.tokens(batch, rng), endpoint_condition(latents)
        predict = predictor(self.model.unet, ends, context, rates(batch, latents.device))
        x = self._with_noise(latents, steps, rng)
        for i in reversed(range(self.most)):
            # Drawn at every step, so that no clip's numbers hang on the others.
            fresh, chosen = self._noise(x, rng), steps > i
            if chosen.any():
                t = torch.full((len(x),), self.table.timesteps[i], device=x.device)
                v = predict(x, t, chosen)
                x[chosen] = step(x[chosen], v, self.table, i, fresh[chosen])[0]
        return x

    def _with_noise(self, latents: Tensor, steps: Tensor, rng: SampleRNG) -> Tensor:
        """Each clip where its steps begin; those of no steps as they are."""
        timesteps = torch.tensor([0, *self.table.timesteps], device=latents.device)
        noise = self._noise(latents, rng)
        noised, _ = self.model.schedule.add_noise(latents, noise, timesteps[steps])
        return torch.where((steps > 0).view(-1, 1, 1, 1, 1), noised, latents)

    def _noise(self, like: Tensor, rng: SampleRNG) -> Tensor:
        """Of the shape of clips (b z f h w), by the recipe's temperature."""
        return self.temperature * rng.normal(*like.shape[1:]).to(like)
