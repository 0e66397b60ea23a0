"""Train a base from nothing: denoiser, projector and CLIP towers on a trained autoencoder.

    python -m train.pretrain data=CLIPS autoencoder=RUN/autoencoder.safetensors out=RUN2 \\
        [preset=nano | shape=FILE.yaml] [init=RUN3/model.safetensors]

For small models of one's own, as nano is. The loss is that of `train.rectify` (paper eq. 2); the
result is a whole model file.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass, replace

import torch
from omegaconf import MISSING, OmegaConf

import toon_core
from toon_core import presets
from toon_core.config import ToonConfig
from toon_core.model import ToonModel
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
    def __init__(self, config: PretrainConfig, device: torch.device) -> None:
        model = new_model(config).to(device)
        if config.init:
            go_on_from(model, config.init)
        model.vae.requires_grad_(False).eval()
        super().__init__(config, model, device, DenoiserObjective(model, config, train_towers=True))


def new_model(config: PretrainConfig) -> ToonModel:
    """Untrained but for the autoencoder; the decoder's kind shows in the file."""
    state = load_part(config.autoencoder, "vae")
    chosen = shape(config)
    if REFERENCES not in state:
        chosen = presets.plain(chosen)
    model = ToonModel(chosen)
    model.vae.load_state_dict(state)
    return model


def shape(config: PretrainConfig) -> ToonConfig:
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
