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
from train.losses.decoded import DecodedDistance
from train.losses.perceptual import perceptual

PRESETS = {"nano": presets.nano, "official_512": presets.official_512}
REFERENCES = "decoder.attn_refinement.0.conv.weight"


@dataclass(kw_only=True)
class PretrainConfig(DenoisingConfig):
    autoencoder: str = MISSING  # result of `train.autoencoder`
    preset: str = "nano"  # the model's shape
    shape: str = ""  # or a YAML file of one, with ToonConfig's fields
    init: str = ""  # a model file whose denoiser, projector and towers to go on from
    # Not the paper's: estimates of x0 that also look right when decoded.
    lambda_p: float = 0.0  # weight of LPIPS on them
    perceptual: str = "auto"  # or vgg, alex, hed
    models: str = "models"  # folder of files of other networks, here LPIPS's
    perceptual_drawn: int = 2  # inner frames a clip in LPIPS
    perceptual_crop: int = 64  # random squares of them of this side, in pixels (0: whole frames)


class PretrainRecipe(DenoiserRecipe):
    parts = ("moments", "first")  # the towers are trained, and see pictures and words

    def __init__(self, config: PretrainConfig, device: torch.device) -> None:
        model = new_model(config).to(device)
        if config.init:
            go_on_from(model, config.init)
        model.vae.requires_grad_(False).eval()
        decoded = decoded_distance(config, model, device) if config.lambda_p else None
        objective = DenoiserObjective(model, config, train_towers=True, decoded=decoded)
        super().__init__(config, model, device, objective)


def decoded_distance(
    config: PretrainConfig, model: ToonModel, device: torch.device
) -> DecodedDistance:
    """The term that `lambda_p` weighs. ValueError where the clips are too short or small for it,
    or the autoencoder's decoder is not the plain one."""
    measure = perceptual(config.perceptual, config.models)
    side = config.perceptual_crop
    if measure is None or side % 8 or not 0 <= side <= min(config.height, config.width):
        raise ValueError(
            f"perceptual={config.perceptual} perceptual_crop={side}: with lambda_p above 0 give a "
            "network, and a multiple of 8 no larger than the frames (0: whole frames)"
        )
    if config.frames < 3:
        raise ValueError(f"frames={config.frames}: lambda_p needs inner frames, so at least 3")
    frames = config.perceptual_drawn
    return DecodedDistance(
        model.vae, measure.to(device), model.config.scale_factor, frames, side // 8
    )


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
    same = replace(other.config, vae=model.config.vae, recipe=model.config.recipe)
    if same != model.config:
        raise ValueError(f"init={path}: another shape than preset={model.config}")
    for part in ("unet", "resampler", "text", "image"):
        getattr(model, part).load_state_dict(getattr(other, part).state_dict())


def main(arguments: list[str]) -> None:
    loop.run(PretrainRecipe, parse(PretrainConfig, arguments, __doc__))


if __name__ == "__main__":
    main(sys.argv[1:])
