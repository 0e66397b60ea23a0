"""Latents with a denoiser's own errors, for a decoder that shall bear them."""

from __future__ import annotations

from collections.abc import Callable, Iterable

import torch
from torch import Tensor

from toon_core.model import ToonModel
from toon_core.samplers.ddim import step
from toon_core.schedule import DDIMTable
from train.engine.batches import Batch, SampleRNG
from train.losses.diffusion import endpoint_condition
from train.recipes.conditioning import ContextEncoder, Predict, predictor, rates


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
        return ddim_steps(
            self._with_noise(latents, steps, rng),
            predictor(self.model.unet, ends, context, rates(batch, latents.device)),
            self.table,
            reversed(range(self.most)),
            lambda i: steps > i,
            self.temperature,
            rng,
        )

    def _with_noise(self, latents: Tensor, steps: Tensor, rng: SampleRNG) -> Tensor:
        """Each clip where its steps begin; those of no steps as they are."""
        timesteps = torch.tensor([0, *self.table.timesteps], device=latents.device)
        noise = scaled_noise(latents, self.temperature, rng)
        noised, _ = self.model.schedule.add_noise(latents, noise, timesteps[steps])
        return torch.where((steps > 0).view(-1, 1, 1, 1, 1), noised, latents)


def ddim_steps(
    x: Tensor,
    predict: Predict,
    table: DDIMTable,
    steps: Iterable[int],
    takes: Callable[[int], Tensor],
    temperature: float,
    rng: SampleRNG,
) -> Tensor:
    """x (b z f h w), changed in place, after `steps` of the table, their noise times
    `temperature`; takes(i): which clips (b,) take step i. Noise is drawn at every step, so that
    no clip's numbers hang on the others."""
    for i in steps:
        fresh, chosen = scaled_noise(x, temperature, rng), takes(i)
        if chosen.any():
            t = torch.full((len(x),), table.timesteps[i], device=x.device)
            v = predict(x, t, chosen)
            x[chosen] = step(x[chosen], v, table, i, fresh[chosen])[0]
    return x


def scaled_noise(like: Tensor, temperature: float, rng: SampleRNG) -> Tensor:
    """Normal noise of the shape of clips (b z f h w), times `temperature`."""
    return temperature * rng.normal(*like.shape[1:]).to(like)
