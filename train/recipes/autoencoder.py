"""A plain autoencoder from nothing, or on from another: the latents that `train.pretrain` learns.

Single frames; squared error, L1, L1 of image gradients, a small KL, and LPIPS where its weight is
not 0. Two options make latents that a denoiser learns sooner: `latent_noise` lets pictures survive
its errors (as in Yang et al. 2025, l-DeTok), `halved` ties latents shrunk to the picture shrunk
(Kouzelis et al. 2025, EQ-VAE).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import avg_pool2d

import toon_core
from toon_core.config import ToonConfig
from toon_core.devices import moved
from toon_core.presets import plain
from toon_core.vae.autoencoder import Autoencoder
from toon_core.weights.infer import decoder_kind
from train.data.source import open_windows
from train.engine.batches import Batch, SampleRNG
from train.engine.export import load_part, part_of, save_part
from train.engine.options import option
from train.losses.perceptual import Perceptual, perceptual_loss
from train.recipes.decoder_init import start_as_resize
from train.recipes.defaults import ShapeConfig
from train.recipes.reconstruction import (
    ReconstructionConfig,
    ReconstructionRecipe,
    check_crop,
    flat,
    noise_like,
    random_crop,
)

RESULT = "autoencoder.safetensors"
KL = 1e-6  # weight of the latents' divergence from a standard normal
EDGES = 0.5  # weight of the L1 of image gradients


@dataclass(kw_only=True)
class AutoencoderConfig(ShapeConfig, ReconstructionConfig):
    # A result of this, or a complete model with the plain decoder, which has a shape of its own,
    # to go on from.
    base: str = ""
    images: int = option(2, least=1)  # frames taken of each window
    # Noise before decoding, of up to so many standard deviations of a clip's latents.
    latent_noise: float = option(0.0, least=0)
    # Share of clips decoded from latents shrunk to half, to pictures shrunk to half.
    halved: float = option(0.0, least=0, most=1)


class AutoencoderObjective(nn.Module):
    """The autoencoder on some frames of each window."""

    def __init__(
        self, vae: Autoencoder, config: AutoencoderConfig, measure: Perceptual | None
    ) -> None:
        super().__init__()
        self.vae, self.config = vae, config
        self.frozen = {"perceptual": measure}  # a dict: no submodule

    def forward(self, batch: Batch, rng: SampleRNG) -> tuple[Tensor, dict[str, Tensor]]:
        c, measure = self.config, self.frozen["perceptual"]
        video = random_crop(batch["video"], c.crop, rng)
        picked = rng.order(video.shape[2])[:, : c.images]
        chosen = [clip[:, order] for clip, order in zip(video, picked, strict=True)]
        images = moved(flat(torch.stack(chosen)), self.vae.quant_conv.weight.device)
        posterior = self.vae.encode(images)
        noise = noise_like(posterior.mean, rng)
        z = with_noise(posterior.sample(noise), c.latent_noise, rng)
        kl = posterior.kl().mean()
        loss, values = KL * kl, {"kl": kl}
        for share, out, truth in self._reconstruct(z, images, rng):
            loss = loss + share * reconstruction_loss(out, truth)
            values.setdefault("l1", (out - truth).abs().mean().detach())
            if measure is not None:
                distance = measure(out, truth)
                values.setdefault("lpips", distance)
                loss = loss + share * c.perceptual.weight * distance
        return loss, values

    def _reconstruct(
        self, z: Tensor, images: Tensor, rng: SampleRNG
    ) -> Iterator[tuple[float, Tensor, Tensor]]:
        """(share of the batch, decoded, truth) of the clips that stay whole and those halved."""
        halved = rng.uniform() < self.config.halved
        halved = halved.repeat_interleave(len(z) // len(rng))
        for size, chosen in ((1, ~halved), (2, halved)):
            if chosen.any():
                small, truth = (avg_pool2d(x[chosen], size) for x in (z, images))
                out = self.vae.decode(small.unsqueeze(2)).squeeze(2)
                yield chosen.float().mean().item(), out, truth


class AutoencoderRecipe(ReconstructionRecipe):
    result = RESULT

    def __init__(self, config: AutoencoderConfig, device: torch.device) -> None:
        check_crop(config)
        measure = perceptual_loss(config.perceptual)
        vae, self.scale_factor = initial_autoencoder(config)
        self.vae = vae.to(device)
        self.vae.post_quant_conv.requires_grad_(False)  # the dual-reference path does not run it
        dataset = open_windows(config, config.steps * config.batch)
        super().__init__(config, device, dataset, measure)
        self.objectives = {"vae": AutoencoderObjective(self.vae, config, measure)}

    @torch.inference_mode()
    def export(self, out: Path, facts: dict[str, Any]) -> None:
        """Give the scaled latents unit std, and write the part and its manifest."""
        videos = [item["video"].to(self.device) for item in self.shown or [self.dataset[0]]]
        calibrate(self.vae, torch.stack(videos), self.scale_factor)
        save_part(self.vae, out / RESULT, "vae", self.config, {**facts, **self.manifest_facts()})


def initial_autoencoder(config: AutoencoderConfig) -> tuple[Autoencoder, float]:
    """From nothing, or the base's, and the factor that scales its latents; ValueError where the
    base has another shape or decoder."""
    if config.base and part_of(config.base) is None:
        model = toon_core.load(config.base, dtype=torch.float32, expect="toon")
        if not model.vae.config.plain:
            raise ValueError(f"base={config.base}: its decoder is not plain; see train.decoder")
        return model.vae.train().requires_grad_(True), model.config.scale_factor
    shape = plain(config.model_shape())
    if config.base:
        return load_autoencoder(config.base, shape, "base"), shape.scale_factor
    torch.manual_seed(config.seed)
    vae = Autoencoder(shape.vae)
    start_as_resize(vae)
    return vae, shape.scale_factor


def load_autoencoder(path: str, shape: ToonConfig, given: str = "autoencoder") -> Autoencoder:
    """A result of `train.autoencoder` by the option `given`; the decoder's kind shows in the file.
    ValueError where it has another shape."""
    state = load_part(path, "vae")
    vae = Autoencoder(replace(shape.vae, **decoder_kind(state)))
    try:
        vae.load_state_dict(state)
    except RuntimeError as error:
        raise ValueError(f"{given}={path}: another shape than preset or shape") from error
    return vae


def with_noise(z: Tensor, strength: float, rng: SampleRNG) -> Tensor:
    """z ((b f) z h w) with noise whose std each clip draws, up to `strength` times that of its
    latents: of theirs, lest they grow out of it."""
    if not strength:
        return z
    frames = len(z) // len(rng)
    std = z.detach().unflatten(0, (-1, frames)).std(dim=(1, 2, 3, 4))
    drawn = moved(rng.uniform(), std.device, std.dtype)
    level = (strength * drawn * std).repeat_interleave(frames)
    return z + level[:, None, None, None] * noise_like(z, rng)


def reconstruction_loss(out: Tensor, truth: Tensor) -> Tensor:
    """Squared error, which brings colours home, L1, and L1 of the differences between
    neighbours, which keeps lines sharp; (n c h w)."""
    error = out - truth
    across = (error[..., 1:] - error[..., :-1]).abs().mean()
    down = (error[..., 1:, :] - error[..., :-1, :]).abs().mean()
    return error.square().mean() + error.abs().mean() + EDGES * (across + down)


@torch.no_grad()
def calibrate(vae: Autoencoder, video: Tensor, scale_factor: float) -> None:
    """Change no picture, but let the scaled latents have unit std in every channel, as the
    noise schedule expects: the encoder's output grows by k and the decoder's input shrinks."""
    z = vae.encode(flat(video)).mean
    k = 1 / (scale_factor * z.std(dim=(0, 2, 3)))
    channels = len(k)
    vae.quant_conv.weight[:channels] *= k[:, None, None, None]
    vae.quant_conv.bias[:channels] *= k
    vae.quant_conv.bias[channels:] += 2 * k.log()
    # `post_quant_conv` stays the identity where it is one: the dual-reference path skips it.
    before = vae.post_quant_conv.weight
    identity = torch.equal(before[..., 0, 0], torch.eye(channels, device=before.device))
    taken = vae.decoder.conv_in.weight if identity else before
    taken /= k[None, :, None, None]
