"""The dual-reference 3D decoder on a frozen encoder (paper eq. 3 to 5, table 4).

Loss: L1 + w LPIPS + lambda_d L_GAN, hinge, lambda_d adaptive (Esser et al. 2021) and from step
gan_start on. Whole clips, both key frames' encoder features as references.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any, ClassVar

import torch
from einops import rearrange
from torch import Tensor, nn
from torch.nn.functional import l1_loss

import toon_core
from toon_core.devices import moved
from toon_core.model import ToonModel
from toon_core.vae.autoencoder import Autoencoder
from train.data.source import open_windows
from train.engine.batches import Batch, SampleRNG
from train.engine.config import OptimConfig
from train.engine.export import save_model
from train.engine.options import option
from train.losses.adversarial import Discriminator, adaptive_weight
from train.losses.gradients import value_and_gradient, with_gradient
from train.losses.matching import matching, record_attention
from train.losses.perceptual import Perceptual, PerceptualConfig, perceptual_loss
from train.recipes.conditioning import sample_moments
from train.recipes.decoder_init import VARIANTS, last_layer, start_decoder
from train.recipes.defaults import BaseConfig, Defaults
from train.recipes.denoiser import frozen_parts
from train.recipes.reconstruction import (
    ReconstructionConfig,
    ReconstructionRecipe,
    check_crop,
    encode_clip,
    random_crop,
)
from train.recipes.sdedit import SDEdit

LPIPS_AT_ONCE = 32  # frames in LPIPS at a time: memory, not the result


@dataclass(kw_only=True)
class DecoderConfig(BaseConfig, ReconstructionConfig):
    # no_pseudo3d and plain (neither references nor pseudo-3D) are the other rows of the paper's
    # table 4. With a plain decoder in its base, training starts at "no reference, no time".
    variant: str = option("full", choices=tuple(VARIANTS))
    steps: int = option(60_000, least=1, free=True)  # updates (the paper's count)
    lr: float = option(4.5e-6, least=0, free=True)  # not published
    # Not the paper's: noise on scaled latents, of up to this std, as a denoiser errs.
    latent_noise: float = option(0.0, least=0)
    # Not the paper's: latents are noised and made anew by the base's denoiser, in up to so many
    # last steps of its own recipe: the decoder learns to draw from what it will be given.
    sdedit: int = option(0, least=0)
    # Weight of the divergence of the attention to the keys from where their patches are near the
    # true frame's (train/losses/matching.py): by the loss alone a small decoder does not find
    # them in thousands of steps. Not with run.checkpointing.
    matching: float = option(0.0, least=0)
    # The attention to the keys also knows how far its places are from the frame's own
    # (toon_core/vae/references.py): what stands still is found even where its picture repeats.
    nearness: bool = False
    # A factor on the adaptive weight of the adversarial loss; 0: no discriminator.
    gan_weight: float = option(1.0, least=0)
    # First step with it (not published): the new parts begin at zero.
    gan_start: int = option(1000, least=0)
    disc_width: int = option(64, least=16)  # channels of the discriminator, a multiple of 16
    perceptual: PerceptualConfig = field(default_factory=partial(PerceptualConfig, weight=0.1))
    # Not published; usual with a discriminator.
    optim: OptimConfig = field(default_factory=partial(OptimConfig, betas=(0.5, 0.9)))

    FIXED: ClassVar = ("run.accumulate",)  # the adaptive weight is that of a part of the batch
    FULL: ClassVar[Defaults] = {
        "height": 256,
        "width": 256,
        "batch": 16,
        "run.checkpointing": False,
    }


class DecoderObjective(nn.Module):
    """L1 + w LPIPS + lambda_d L_GAN of the decoder (paper eq. 5)."""

    def __init__(
        self,
        vae: Autoencoder,
        config: DecoderConfig,
        scale_factor: float,
        measure: Perceptual | None,
        discriminator: Discriminator | None,
        sdedit: SDEdit | None = None,
    ) -> None:
        super().__init__()
        self.decoder, self.config, self.scale_factor = vae.decoder, config, scale_factor
        # A dict: no submodules. Of the autoencoder the decoder alone trains.
        self.frozen = {"vae": vae, "perceptual": measure, "discriminator": discriminator}
        self.sdedit = sdedit

    def forward(self, batch: Batch, rng: SampleRNG) -> tuple[Tensor, dict[str, Tensor]]:
        vae, discriminator = self.frozen["vae"], self.frozen["discriminator"]
        with torch.no_grad():
            video, z, references = self._encode(batch, rng)
            z = self._perturb(z, batch, rng)
        with record_attention(vae.decoder) as attended:
            out = vae.decode(z, references if vae.config.references else None)
        loss, gradient, values = self._reconstruction(out, video, rng)
        if discriminator is not None and rng.step >= self.config.gan_start:
            gan, gan_gradient = value_and_gradient(discriminator.generator_loss, out)
            weight = self.config.gan_weight * self._adaptive_weight(out, gradient, gan_gradient)
            loss, gradient = loss + weight * gan, gradient + weight * gan_gradient
            values |= {"gan": gan, "lambda_d": weight}
            discriminator.add(video, out.detach())
        loss = with_gradient(out, loss, gradient)
        if not self.config.matching:
            return loss, values
        found = matching(attended, video, rng)
        return loss + self.config.matching * found, values | {"matching": found.detach()}

    def _encode(self, batch: Batch, rng: SampleRNG) -> tuple[Tensor, Tensor, list[Tensor]]:
        """The frames, their unscaled latents, and both keys' features. Cached posteriors serve
        whole frames; then only the keys pass the encoder."""
        vae, device = self.frozen["vae"], self.decoder.conv_in.weight.device
        video = moved(random_crop(batch["video"], self.config.crop, rng), device)
        if "moments" not in batch or self.config.crop:
            return video, *encode_clip(vae, video, rng)
        ends = torch.stack([video[:, :, 0], video[:, :, -1]], 1)
        keys = rearrange(ends, "b k c h w -> (b k) c h w")
        features = vae.encode_with_features(keys)[1]
        references = [rearrange(m, "(b k) c h w -> b c k h w", k=2) for m in features]
        return video, sample_moments(moved(batch["moments"], device), rng), references

    def _perturb(self, z: Tensor, batch: Batch, rng: SampleRNG) -> Tensor:
        """Latents (b z f h w) with a denoiser's errors, and noise of a strength that each clip
        draws."""
        if self.sdedit is not None:
            z = self.sdedit(z * self.scale_factor, batch, rng) / self.scale_factor
        if not self.config.latent_noise:
            return z
        strength = self.config.latent_noise * rng.uniform(1, 1, 1, 1) / self.scale_factor
        return z + moved(strength * rng.normal(*z.shape[1:]), z.device, z.dtype)

    def _reconstruction(
        self, out: Tensor, video: Tensor, rng: SampleRNG
    ) -> tuple[Tensor, Tensor, dict[str, Tensor]]:
        """Value and gradient of L1 + w LPIPS over all frames."""
        measure, weight = self.frozen["perceptual"], self.config.perceptual.weight
        l1, gradient = value_and_gradient(l1_loss, out, video)
        if measure is None or not weight:
            return l1, gradient, {"l1": l1}
        rows, picked = self._perceptual_frames(out, rng)
        frames, truth = (x.transpose(1, 2)[rows, picked].flatten(0, 1) for x in (out, video))
        lpips, part = value_and_gradient(measure, frames, truth, at_once=LPIPS_AT_ONCE)
        of_frames = torch.zeros_like(gradient).transpose(1, 2)
        of_frames[rows, picked] = part.unflatten(0, picked.shape)
        gradient = gradient + weight * of_frames.transpose(1, 2)
        return l1 + weight * lpips, gradient, {"l1": l1, "lpips": lpips}

    def _perceptual_frames(self, clip: Tensor, rng: SampleRNG) -> tuple[Tensor, Tensor]:
        """Index of the frames (b n) of clips (b c f h w) that LPIPS sees."""
        b, f = clip.shape[0], clip.shape[2]
        count = min(self.config.perceptual.frames or f, f)
        picked = rng.order(f)[:, :count] if count < f else torch.arange(f).expand(b, f)
        return torch.arange(b, device=clip.device)[:, None], moved(picked, clip.device)

    def _adaptive_weight(self, out: Tensor, reconstruction: Tensor, adversarial: Tensor) -> Tensor:
        """From gradients carried on to the last layer. Those at the output are tiny (a mean over
        all pixels): counted per pixel, no half precision loses them."""
        layer, n = last_layer(self.frozen["vae"]), out.numel()
        found = (
            torch.autograd.grad(out, [layer], (n * g).to(out.dtype), retain_graph=True)[0]
            for g in (reconstruction, adversarial)
        )
        return adaptive_weight(*(g.float() / n for g in found))


def objectives(
    config: DecoderConfig, model: ToonModel, measure: Perceptual | None
) -> dict[str, nn.Module]:
    """Of a model whose autoencoder is one of `start_decoder`."""
    device = model.vae.quant_conv.weight.device
    judge = Discriminator(config.disc_width).to(device) if config.gan_weight else None
    sdedit = SDEdit(model, config.sdedit) if config.sdedit else None
    own = DecoderObjective(model.vae, config, model.config.scale_factor, measure, judge, sdedit)
    return {"decoder": own} if judge is None else {"decoder": own, "discriminator": judge}


class DecoderRecipe(ReconstructionRecipe):
    result = "model.safetensors"

    def __init__(self, config: DecoderConfig, device: torch.device) -> None:
        check(config)
        measure = perceptual_loss(config.perceptual)
        self.model = toon_core.load(config.base, expect="toon")
        parts = ("video",) if config.crop else ("video", "moments")
        items = config.steps * config.batch
        dataset = open_windows(config, items, parts, self.model)
        super().__init__(config, device, dataset, measure)
        torch.manual_seed(config.seed)
        self.vae = start_decoder(self.model.vae, config.variant, config.nearness).to(device)
        self.model.vae = self.vae
        self.model.config = replace(self.model.config, vae=self.vae.config)
        if config.sdedit:
            self.frozen |= frozen_parts(self.model, "unet", "resampler", "text", "image")
            for part in self.frozen.values():
                part.to(device).float().eval().requires_grad_(False)
        self.objectives = objectives(config, self.model, measure)

    @torch.inference_mode()
    def export(self, out: Path, facts: dict[str, Any]) -> None:
        """`model.safetensors`, complete, and its manifest; other parts as they are in the base."""
        facts = {**facts, **self.manifest_facts()}
        save_model(self.model, out / self.result, "decoder", self.config, facts)


def check(config: DecoderConfig) -> None:
    """ValueError on options that cannot work, before anything is read."""
    check_crop(config)
    side = config.crop or min(config.height, config.width)
    if config.gan_weight and side < Discriminator.SMALLEST:
        raise ValueError(
            f"{side} pixels are too few for the discriminator: give at least "
            f"{Discriminator.SMALLEST}, or gan_weight=0"
        )
    if config.matching and (config.run.checkpointing or config.variant == "plain"):
        raise ValueError("matching needs a decoder with references, and run.checkpointing=false")
    if config.nearness and config.variant == "plain":
        raise ValueError("nearness needs a decoder with references: leave variant at full")
    if config.sdedit and config.crop:
        raise ValueError("sdedit works on whole frames: leave crop at 0")
