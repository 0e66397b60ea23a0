"""The recipes at the paper's sizes as networks and losses alone: what `train.memory` counts.

The recipes' own losses look into their batch (which prompt is dropped, which error is late); these
do the same work on tensors that have a shape and no values.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from toon_core.conditioning.encode import encode_keys, join
from toon_core.config import ToonConfig
from toon_core.metrics.networks.imagenet import ImagenetTrunk
from toon_core.metrics.networks.lpips import LPIPS
from toon_core.model import ToonModel
from toon_core.presets import official_512, sketch_for
from toon_core.sketch.encoder import SketchEncoder
from toon_core.vae.autoencoder import Autoencoder
from train.autoencoder import encode_clip
from train.conditions import clip_latents
from train.decoder import DecoderConfig, adversary_of
from train.decoding import DecoderObjective
from train.engine.draws import Draws
from train.lora import add_adapters
from train.losses.diffusion import ends_only
from train.losses.perceptual import Perceptual
from train.pretrain import PretrainConfig
from train.rectify import RectifyConfig
from train.scale import ScaledConfig
from train.sketch import SketchTrainConfig
from train.trainable import select

VGG_WIDTHS = (64, 128, 256, 512, 512)
NOWHERE = {"data": "", "out": ""}

Loss = Callable[[], Tensor]


@dataclass(frozen=True)
class Workload:
    """`trained` modules are sharded where there are several GPUs, those `beside` are not;
    `losses` are taken one after the other, each with its backward pass; `sheet` is the dearest
    part of a sample sheet: one clip of it."""

    trained: tuple[nn.Module, ...]
    beside: tuple[nn.Module, ...]
    losses: Callable[[int], Iterator[Loss]]
    average: bool  # whether the recipe keeps one by default
    sheet: Callable[[], object]

    def checkpoint(self) -> None:
        """Switch on recomputation where a network has it built in."""
        for module in self.trained:
            for part in module.modules():
                if hasattr(part, "checkpointing"):
                    part.checkpointing = True


class Denoiser:
    """A model, and eq. 2's work on clips of (frames, height, width)."""

    def __init__(self, shape: ToonConfig, clip: tuple[int, int, int]) -> None:
        self.model = ToonModel(shape).requires_grad_(False).train()
        self.clip = clip

    def latents(self, b: int) -> Tensor:
        """Encoded in the step, as without a cache."""
        model, video = self.model, torch.zeros(b, 3, *self.clip)
        return clip_latents(model.vae, video, Draws(0, 0, range(b)), model.config.scale_factor)

    def tokens(self, b: int) -> Tensor:
        model = self.model
        picture = torch.zeros(b, 3, model.image.image_size, model.image.image_size)
        trained = next(model.text.parameters()).requires_grad and torch.is_grad_enabled()
        with torch.set_grad_enabled(trained):
            text, image = model.text([""] * b), model.image(picture)
        return join(text, model.resampler(image), b)

    def error(self, latents: Tensor, tokens: Tensor, control: list[Tensor] | None = None) -> Tensor:
        steps = torch.zeros(len(latents), dtype=torch.int64)
        joined = torch.cat([latents, ends_only(latents)], dim=1)
        out = self.model.unet(joined, steps, tokens, steps, control=control)
        return (out.float() - latents.float()).square().mean()

    def losses(self, b: int) -> Iterator[Loss]:
        yield lambda: self.error(self.latents(b), self.tokens(b))

    def sheet(self, encoder: SketchEncoder | None = None) -> Tensor:
        """What `Samples` holds most at: a step of one branch, and its frames decoded one by one."""
        model, steps, tokens = self.model, torch.zeros(1, dtype=torch.int64), self.tokens(1)
        small = (side // model.config.vae.downsample for side in self.clip[1:])
        noise = torch.zeros(1, self.clip[0], model.config.vae.z_channels, *small)
        keys = encode_keys(model.vae, *torch.zeros(2, 1, 3, *self.clip[1:]), noise)
        x, control = torch.zeros_like(keys.concat), None
        if encoder:
            hint = encoder.hint(torch.zeros(1, 1, *self.clip))
            control = encoder(x, hint, steps, tokens, 1.0)
        v = model.unet(torch.cat([x, keys.concat], dim=1), steps, tokens, steps, control=control)
        return model.vae.decode(v, keys.references, frames_at_once=1)


def _clip(config: type[ScaledConfig]) -> tuple[int, int, int]:
    return config.frames, config.FULL["height"], config.FULL["width"]


def rectify(
    variant: str = "IV", lora: int = 0, shape: ToonConfig | None = None, clip: tuple = ()
) -> Workload:
    """`train.rectify`, of a variant or of adapters."""
    work = Denoiser(shape or official_512(), clip or _clip(RectifyConfig))
    model = work.model
    if lora:
        add_adapters(model.unet, model.resampler, lora, lora)
    else:
        select(model.unet, model.resampler, variant)
    trained = nn.ModuleList([model.unet, model.resampler])
    beside = (model.vae, model.text, model.image)
    return Workload((trained,), beside, work.losses, RectifyConfig.ema > 0, work.sheet)


def pretrain() -> Workload:
    """`train.pretrain`, at the size that the others fine-tune."""
    work = Denoiser(official_512(), _clip(RectifyConfig))
    model = work.model
    trained = nn.ModuleList([model.unet, model.resampler, model.text, model.image])
    trained.requires_grad_(True)
    return Workload((trained,), (model.vae,), work.losses, PretrainConfig.ema > 0, work.sheet)


def sketch(shape: ToonConfig | None = None, clip: tuple = ()) -> Workload:
    """`train.sketch`: gradients pass through the frozen denoiser to the encoder's maps."""
    work = Denoiser(shape or official_512(), clip or _clip(SketchTrainConfig))
    encoder = SketchEncoder(sketch_for(work.model.config.unet))

    def loss(b: int) -> Tensor:
        with torch.no_grad():
            latents, tokens = work.latents(b), work.tokens(b)
        hint = encoder.hint(torch.zeros(b, 1, *work.clip))
        steps = torch.zeros(b, dtype=torch.int64)
        return work.error(latents, tokens, encoder(latents, hint, steps, tokens, 1.0))

    def losses(b: int) -> Iterator[Loss]:
        yield lambda: loss(b)

    average = SketchTrainConfig.ema > 0
    return Workload((encoder,), (work.model,), losses, average, lambda: work.sheet(encoder))


def decoder() -> Workload:
    """`train.decoder` with LPIPS on VGG16 and the discriminator switched on."""
    shape, config = official_512(), DecoderConfig(**NOWHERE)
    vae = Autoencoder(shape.vae)
    vae.encoder.requires_grad_(False)
    adversary, measure = adversary_of(config), Perceptual(_lpips(), "LPIPS")
    objective = DecoderObjective(vae, config, shape.scale_factor, measure, adversary)

    def losses(b: int) -> Iterator[Loss]:
        batch = {"video": torch.zeros(b, 3, *_clip(DecoderConfig))}
        for part in (objective, adversary):
            yield lambda p=part: p(batch, Draws(0, config.steps, range(b)))[0]

    def sheet() -> Tensor:
        video = torch.zeros(1, 3, *_clip(DecoderConfig))
        z, references = encode_clip(vae, video, Draws(0, 0, range(1)))
        return vae.decode(z, references, frames_at_once=1)

    beside = (vae.encoder, vae.quant_conv, measure)
    return Workload((objective, adversary), beside, losses, DecoderConfig.ema > 0, sheet)


def _lpips() -> LPIPS:
    from torchvision.models import vgg16

    heads = [torch.ones(width) for width in VGG_WIDTHS]
    return LPIPS(ImagenetTrunk("vgg", vgg16(weights=None).state_dict()), heads)


WORKLOADS: dict[str, Callable[[], Workload]] = {
    "rectify": rectify,
    "rectify-II": lambda: rectify("II"),
    "rectify-V": lambda: rectify("V"),
    "rectify-lora16": lambda: rectify(lora=16),
    "decoder": decoder,
    "sketch": sketch,
    "pretrain": pretrain,
}
