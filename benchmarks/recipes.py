"""The training recipes at full size, by name: options, objectives on a model of any shape, and a
batch without clips. What needs no data is measured on these."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch._subclasses.fake_tensor import unset_fake_temporarily

from toon_core.metrics.networks.imagenet import ImagenetTrunk
from toon_core.metrics.networks.lpips import LPIPS
from toon_core.model import ToonModel
from toon_core.vae.autoencoder import Autoencoder
from train.engine.batches import Batch, SampleRNG
from train.engine.options import with_values
from train.losses.perceptual import Perceptual
from train.recipes import decoder, pretrain, rectify, sketch
from train.recipes.defaults import ScaledConfig

SIDE = 224  # pixels of the image tower's pictures, so that none is resized by its values
VGG_WIDTHS = (64, 128, 256, 512, 512)


def _full_size(kind: type[ScaledConfig], **own: Any) -> ScaledConfig:
    return with_values(kind(data="", out="", **own), dict(kind.FULL))


RECIPES: dict[str, ScaledConfig] = {
    "rectify": _full_size(rectify.RectifyConfig),
    "rectify-II": _full_size(rectify.RectifyConfig, variant="II"),
    "rectify-V": _full_size(rectify.RectifyConfig, variant="V"),
    "rectify-lora16": _full_size(rectify.RectifyConfig, lora=16),
    "decoder": _full_size(decoder.DecoderConfig),
    "sketch": _full_size(sketch.SketchTrainConfig),
    "pretrain": _full_size(pretrain.PretrainConfig),
}


def objectives_of(
    config: ScaledConfig, model: ToonModel
) -> tuple[dict[str, nn.Module], list[nn.Module]]:
    """The recipe's own, and what they use besides."""
    if isinstance(config, decoder.DecoderConfig):
        model.vae = Autoencoder(model.config.vae)
        model.vae.requires_grad_(False).decoder.requires_grad_(True)
        measure = Perceptual(_vgg_lpips(), "LPIPS")
        own = decoder.objectives(config, model, measure)
        return own, [model.vae.encoder, model.vae.quant_conv, measure]
    if isinstance(config, pretrain.PretrainConfig):
        model.requires_grad_(True)
        return pretrain.objectives(config, model), [model.vae]
    if isinstance(config, sketch.SketchTrainConfig):
        return sketch.objectives(config, model), [model]
    return rectify.objectives(config, model), [model.vae, model.text, model.image]


def _vgg_lpips() -> LPIPS:
    from torchvision.models import vgg16

    heads = [torch.ones(width) for width in VGG_WIDTHS]
    return LPIPS(ImagenetTrunk("vgg", vgg16(weights=None).state_dict()), heads)


def blank_batch(config: ScaledConfig, clips: int) -> Batch:
    """Grey clips with what every recipe takes of a batch."""
    clip = (clips, 3, config.frames, config.height, config.width)
    return {
        "video": torch.zeros(clip),
        "sketches": torch.zeros(clips, 1, *clip[2:]),
        "first": torch.zeros(clips, 3, SIDE, SIDE),
        "prompt": [""] * clips,
        "fs": [8] * clips,
    }


class RealNumbers(SampleRNG):
    """Random numbers with values, which decide what is dropped, while everything else is fake."""

    def normal(self, *shape: int) -> Tensor:
        return torch.zeros(len(self), *shape)  # of these only the size matters

    def uniform(self, *shape: int) -> Tensor:
        with unset_fake_temporarily():
            return super().uniform(*shape)

    def order(self, n: int) -> Tensor:
        with unset_fake_temporarily():
            return super().order(n)
