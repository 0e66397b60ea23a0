"""Train a base from nothing: denoiser, projector and CLIP towers on a trained autoencoder.

    python -m train.pretrain data=CLIPS autoencoder=RUN/autoencoder.safetensors out=RUN2 \\
        [preset=nano | shape=FILE.yaml] [init=RUN3/model.safetensors]

For small models of one's own, as nano is. The loss is that of `train.rectify` (paper eq. 2); the
result is a whole model file. data= may be what `train.cache autoencoder=...` made.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass, replace
from typing import Any

import torch
from omegaconf import MISSING, OmegaConf

import toon_core
from toon_core import presets
from toon_core.config import ToonConfig
from toon_core.model import ToonModel
from toon_core.vae.autoencoder import Autoencoder
from train.denoising import DenoiserObjective, DenoiserRecipe, DenoisingConfig
from train.engine import loop
from train.engine.config import parse
from train.engine.result import load_part

PRESETS = {"nano": presets.nano, "official_512": presets.official_512}
REFERENCES = "decoder.attn_refinement.0.conv.weight"


@dataclass(kw_only=True)
class PretrainConfig(DenoisingConfig):
    autoencoder: str = MISSING  # result of `train.autoencoder`
    preset: str = "nano"  # the model's shape
    shape: str = ""  # or a YAML file of one, with ToonConfig's fields
    init: str = ""  # a model file whose denoiser, projector and towers to go on from


class PretrainRecipe(DenoiserRecipe):
    parts = ("moments", "first")  # the towers are trained, and see pictures and words

    def __init__(self, config: PretrainConfig, device: torch.device) -> None:
        model = new_model(config).to(device)
        if config.init:
            go_on_from(model, config.init)
        model.vae.requires_grad_(False).eval()
        super().__init__(config, model, device, DenoiserObjective(model, config, train_towers=True))


def new_model(config: PretrainConfig) -> ToonModel:
    """Untrained but for the autoencoder."""
    chosen = shape(config)
    vae = load_autoencoder(config.autoencoder, chosen)
    model = ToonModel(replace(chosen, vae=vae.config))
    model.vae = vae
    return model


def load_autoencoder(path: str, chosen: ToonConfig) -> Autoencoder:
    """A result of `train.autoencoder`; the decoder's kind shows in the file. ValueError where it
    has another shape."""
    state = load_part(path, "vae")
    vae = Autoencoder((chosen if REFERENCES in state else presets.plain(chosen)).vae)
    try:
        vae.load_state_dict(state)
    except RuntimeError as error:
        raise ValueError(f"autoencoder={path}: another shape than preset or shape") from error
    return vae


def shape(config: Any) -> ToonConfig:
    """That of the options `preset` and `shape`."""
    if config.shape:
        return ToonConfig.from_dict(OmegaConf.to_container(OmegaConf.load(config.shape)))
    if config.preset not in PRESETS:
        raise ValueError(f"preset={config.preset}: expected one of {', '.join(PRESETS)}, or shape=")
    return PRESETS[config.preset]()


def go_on_from(model: ToonModel, path: str) -> None:
    """Take another model's denoiser, projector and towers; ValueError where their shape differs."""
    other = toon_core.load(path, dtype=torch.float32, expect="toon")
    same = replace(other.config, vae=model.config.vae)
    if same != model.config:
        raise ValueError(f"init={path}: another shape than preset={model.config}")
    for part in ("unet", "resampler", "text", "image"):
        getattr(model, part).load_state_dict(getattr(other, part).state_dict())


def main(arguments: list[str]) -> None:
    loop.run(PretrainRecipe, parse(PretrainConfig, arguments, __doc__))


if __name__ == "__main__":
    main(sys.argv[1:])
