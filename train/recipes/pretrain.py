"""A base from nothing: denoiser, projector and CLIP towers on a trained autoencoder (eq. 2).

For small models of one's own, as nano is. Where no autoencoder is given, one is trained first.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass, fields, replace
from pathlib import Path

import torch
from torch import Tensor, nn

import toon_core
from toon_core import presets
from toon_core.devices import moved
from toon_core.model import ToonModel
from toon_core.vae.autoencoder import Autoencoder
from train.data.windows.cache_format import is_cache
from train.data.windows.dataset import TrainingConfig
from train.engine import loop
from train.engine.batches import SampleRNG
from train.engine.checkpoint import is_finished
from train.engine.options import option
from train.losses.diffusion import moving
from train.recipes import autoencoder
from train.recipes.autoencoder import AutoencoderConfig, AutoencoderRecipe, load_autoencoder
from train.recipes.defaults import ShapeConfig
from train.recipes.denoiser import (
    FIRST,
    DenoiserConfig,
    DenoiserObjective,
    DenoiserRecipe,
    frozen_parts,
)

log = logging.getLogger("toon.train")

OWN = ("out", "lr", "optim")  # that an autoencoder trained first does not share


@dataclass(kw_only=True)
class PretrainConfig(ShapeConfig, DenoiserConfig):
    # A result of train.autoencoder; none: one is trained first, in out/autoencoder, of as many
    # steps and with that recipe's own lr and optim.
    autoencoder: str = ""
    init: str = ""  # a model file whose denoiser, projector and towers to go on from
    # Share of the clips at the noisiest timestep, with noise of any strength: sampling decides
    # there where things go, and small models sample with less noise than they are trained on.
    first_step: float = option(0.0, least=0, most=1)
    # Weight of places where something moves, in the loss; of the others 1.
    moving: float = option(1.0, least=1)


def objectives(config: PretrainConfig, model: ToonModel) -> dict[str, nn.Module]:
    model.vae.requires_grad_(False).eval()
    return {"denoiser": PretrainObjective(model, config, train_towers=True)}


class PretrainObjective(DenoiserObjective):
    """Eq. 2, or what of it decides where things go."""

    config: PretrainConfig

    def _add_noise(self, latents: Tensor, rng: SampleRNG) -> tuple[Tensor, Tensor, Tensor]:
        x_t, v, t = super()._add_noise(latents, rng)
        if not self.config.first_step:
            return x_t, v, t
        chosen = moved(rng.uniform() < self.config.first_step, latents.device)
        strength = moved(rng.uniform(1, 1, 1, 1), latents.device, latents.dtype)
        eps = strength * moved(rng.normal(*latents.shape[1:]), latents.device, latents.dtype)
        t = torch.where(chosen, FIRST, t)
        first, v_first = self.schedule.add_noise(latents, eps, t)
        wide = chosen.view(-1, 1, 1, 1, 1)
        return torch.where(wide, first, x_t), torch.where(wide, v_first, v), t

    def _weight(self, latents: Tensor) -> Tensor | None:
        most = self.config.moving
        return 1 + (most - 1) * moving(latents) if most > 1 else None


class PretrainRecipe(DenoiserRecipe):
    parts = ("moments", "first")  # the towers are trained, and see pictures and words
    made_by = "autoencoder"

    def __init__(self, config: PretrainConfig, device: torch.device) -> None:
        model = new_model(config).to(device)
        if config.init:
            load_denoiser(model, config.init)
        super().__init__(config, model, objectives(config, model), frozen_parts(model, "vae"))


def new_model(config: PretrainConfig) -> ToonModel:
    """Untrained but for the autoencoder."""
    shape = config.model_shape()
    if config.autoencoder:
        vae = load_autoencoder(config.autoencoder, shape)
    elif config.dry_run:
        vae = Autoencoder(presets.plain(shape).vae)
    else:
        raise ValueError("autoencoder is needed: give a result of train.autoencoder")
    model = ToonModel(replace(shape, vae=vae.config))
    model.vae = vae
    return model


def load_denoiser(model: ToonModel, path: str) -> None:
    """Take another model's denoiser, projector and towers; ValueError where their shape differs."""
    other = toon_core.load(path, dtype=torch.float32, expect="toon")
    ours = model.config
    same = replace(other.config, vae=ours.vae, recipe=ours.recipe, preview=ours.preview)
    if same != ours:
        raise ValueError(f"init={path}: another shape than preset={model.config}")
    for part in ("unet", "resampler", "text", "image"):
        getattr(model, part).load_state_dict(getattr(other, part).state_dict())


def train_autoencoder_first(config: PretrainConfig) -> PretrainConfig | None:
    """The options with an autoencoder that is trained by them first, or was; None where its
    `minutes` were over before. After a dry run there is none."""
    for name, given in (("init", config.init), ("data", is_cache(config.data))):
        if given:
            raise ValueError(
                f"{name}={getattr(config, name)} goes with the autoencoder it was made with: give "
                "that by autoencoder="
            )
    shared = {f.name for f in fields(TrainingConfig)} | {"preset", "shape"}
    options = {name: getattr(config, name) for name in shared - set(OWN)}
    first = AutoencoderConfig(**options, out=str(Path(config.out) / "autoencoder"))
    result = Path(first.out) / autoencoder.RESULT
    if not is_finished(result, first.steps):
        log.info("no autoencoder= is given: it is trained first, in %s", first.out)
        step = loop.run(AutoencoderRecipe, first).step
        if config.dry_run:
            return config
        if step < first.steps:
            log.warning("the autoencoder is not done; the same command goes on with it")
            return None
    return replace(config, autoencoder=str(result))


def train(config: PretrainConfig) -> None:
    """The autoencoder where none is given, then the rest."""
    config = config.resolved()
    ready = config if config.autoencoder else train_autoencoder_first(config)
    if ready:
        loop.run(PretrainRecipe, ready)
