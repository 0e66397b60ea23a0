"""A plain autoencoder from nothing, or on from another: the latents that `train.pretrain` learns.

Single frames; squared error, L1, L1 of image gradients, a small KL, and LPIPS where its weight is
not 0. Two options make latents that a denoiser learns sooner: `latent_noise` lets pictures survive
its errors (as in Yang et al. 2025, l-DeTok), `halved` ties latents shrunk to the picture shrunk
(Kouzelis et al. 2025, EQ-VAE).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import torch
from einops import rearrange
from torch import Tensor, nn
from torch.nn.functional import avg_pool2d

import toon_core
from toon_core.config import ToonConfig
from toon_core.devices import moved
from toon_core.presets import plain
from toon_core.vae.autoencoder import Autoencoder
from toon_core.weights.checkpoint import read
from train.data.source import held_out, open_windows
from train.engine.batches import Batch, SampleRNG
from train.engine.config import RunConfig
from train.engine.export import load_part, part_of, save_part
from train.engine.logger import caption, labelled_rows
from train.engine.options import option
from train.losses.perceptual import Perceptual, PerceptualConfig, perceptual_loss
from train.recipes.decoder_init import start_as_resize
from train.recipes.defaults import shape_of

RESULT = "autoencoder.safetensors"
KL = 1e-6  # weight of the latents' divergence from a standard normal
EDGES = 0.5  # weight of the L1 of image gradients


@dataclass(kw_only=True)
class AutoencoderConfig(RunConfig):
    preset: str = "nano"  # the model's shape: nano or official_512
    # Or a YAML file of it, as for train.pretrain; a base that is a whole model has its own.
    shape: str = ""
    # A result of this, or a complete model with the plain decoder, to go on from.
    base: str = ""
    images: int = option(2, least=1)  # frames taken of each window
    # Random squares of this side in pixels, a multiple of 8, which is cheaper; 0: whole frames.
    crop: int = option(0, least=0)
    # Noise before decoding, of up to so many standard deviations of a clip's latents.
    latent_noise: float = option(0.0, least=0)
    # Share of clips decoded from latents shrunk to half, to pictures shrunk to half.
    halved: float = option(0.0, least=0, most=1)
    perceptual: PerceptualConfig = field(default_factory=PerceptualConfig)


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
        images = moved(_flat(torch.stack(chosen)), self.vae.quant_conv.weight.device)
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


class AutoencoderRecipe:
    result = RESULT

    def __init__(self, config: AutoencoderConfig, device: torch.device) -> None:
        check_crop(config)
        self.config, self.device = config, device
        self.scale_factor = base_shape(config).scale_factor
        measure = perceptual_loss(config.perceptual)
        self.measured = measure.label if measure else "none"
        self.vae = initial_autoencoder(config).to(device)
        self.vae.post_quant_conv.requires_grad_(False)  # the dual-reference path does not run it
        self.dataset = open_windows(config, "train", config.steps * config.batch)
        windows = held_out(config, config.run.sheet_clips, config.run.held_out)
        self.shown, self.scored = windows.shown, windows.scored
        measure = measure.to(device) if measure else None
        self.frozen = {"perceptual": measure} if measure else {}
        self.objectives = {"vae": AutoencoderObjective(self.vae, config, measure)}

    def held_out_loss(self) -> dict[str, float]:
        return reconstruction_scores(self._reconstruct, self.scored, self.device)

    def sheet(self) -> np.ndarray:
        return reconstruction_sheet(self._reconstruct, self.shown, self.device)

    @torch.inference_mode()
    def export(self, out: Path, facts: dict[str, Any]) -> None:
        """Give the scaled latents unit std, and write the part and its manifest."""
        videos = [item["video"].to(self.device) for item in self.shown or [self.dataset[0]]]
        calibrate(self.vae, torch.stack(videos), self.scale_factor)
        scores = reconstruction_scores(self._reconstruct, self.shown, self.device)
        found = {"perceptual_network": self.measured}
        if scores:
            found["psnr_held_out"] = scores["psnr"]
        save_part(self.vae, out / RESULT, "vae", self.config, {**facts, **found})

    def _reconstruct(self, video: Tensor) -> Tensor:
        z, _ = encode_clip(self.vae, video[None], fixed_rng())
        return self.vae.decode(z, frames_at_once=1)[0]


Decode = Callable[[Tensor], Tensor]


def reconstruction_scores(
    reconstruct: Decode, items: Sequence[dict], device: torch.device
) -> dict[str, float]:
    """Of what is decoded of held-out clips: the mean squared error in [0, 1] as `loss`, and the
    mean PSNR in dB; nothing where there are none."""
    videos = [item["video"].to(device) for item in items]
    errors = [((reconstruct(v).clamp(-1, 1) - v) / 2).square().mean() for v in videos]
    if not errors:
        return {}
    psnr = [float(-10 * e.log10()) for e in errors]
    return {"loss": float(sum(errors) / len(errors)), "psnr": sum(psnr) / len(psnr)}


def reconstruction_sheet(
    reconstruct: Decode, items: Sequence[dict], device: torch.device
) -> np.ndarray:
    """Truth and reconstruction, every third frame of each clip."""
    rows = []
    for item in items:
        video = item["video"].to(device)
        rows.append((caption("truth", item), video[:, ::3]))
        rows.append(("encoded and decoded", reconstruct(video)[:, ::3]))
    return labelled_rows(rows, every=3)


def base_shape(config: AutoencoderConfig) -> ToonConfig:
    """That of a base that is a whole model, else by `preset` and `shape`."""
    if config.base and part_of(config.base) is None:
        return read(config.base, expect="toon").config
    return shape_of(config.preset, config.shape)


def initial_autoencoder(config: AutoencoderConfig) -> Autoencoder:
    """From nothing, or the base's; ValueError where the base has another shape or decoder."""
    if config.base and part_of(config.base) is None:
        vae = toon_core.load(config.base, dtype=torch.float32, expect="toon").vae
        if not vae.config.plain:
            raise ValueError(f"base={config.base}: its decoder is not plain; see train.decoder")
        return vae.train().requires_grad_(True)
    torch.manual_seed(config.seed)
    vae = Autoencoder(plain(shape_of(config.preset, config.shape)).vae)
    start_as_resize(vae)
    if config.base:
        try:
            vae.load_state_dict(load_part(config.base, "vae"))
        except RuntimeError as error:
            raise ValueError(f"base={config.base}: another shape than preset or shape") from error
    return vae


def encode_clip(vae: Autoencoder, video: Tensor, rng: SampleRNG) -> tuple[Tensor, list[Tensor]]:
    """video (b 3 f h w) -> sampled z (b z f h/8 w/8), unscaled, and both keys' features."""
    frames = video.shape[2]
    posterior, features = vae.encode_with_features(_flat(video))
    noise = noise_like(posterior.mean, rng)
    z = rearrange(posterior.sample(noise), "(b f) z h w -> b z f h w", f=frames)
    by_frame = [rearrange(m, "(b f) c h w -> b c f h w", f=frames) for m in features]
    return z, [torch.stack([m[:, :, 0], m[:, :, -1]], 2) for m in by_frame]


def noise_like(mean: Tensor, rng: SampleRNG) -> Tensor:
    """Standard normal of a posterior's shape ((b f) z h w)."""
    frames = len(mean) // len(rng)
    return moved(rng.normal(frames, *mean.shape[1:]).flatten(0, 1), mean.device, mean.dtype)


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


def fixed_rng() -> SampleRNG:
    """Of one clip, the same whenever it is shown."""
    return SampleRNG(0, 0, [0])


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
    z = vae.encode(_flat(video)).mean
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


class CropOptions(Protocol):
    """What a random crop goes by."""

    crop: int
    height: int
    width: int
    buckets: bool


def check_crop(config: CropOptions) -> None:
    """ValueError unless `crop` is 0 or a side on the latents' grid that fits in a frame."""
    crop, height, width = config.crop, config.height, config.width
    if crop % 8 or crop > min(height, width):
        raise ValueError(f"crop={crop}: expected a multiple of 8, no larger than {height}x{width}")
    if crop and config.buckets:
        raise ValueError(f"buckets=true is for whole frames, crop={crop} for squares: give one")


def random_crop(video: Tensor, side: int, rng: SampleRNG) -> Tensor:
    """A random square of every clip (b c f h w), on the 8-pixel grid of the latents; with side 0
    the clips themselves."""
    if not side:
        return video
    y, x = (8 * rng.integers((size - side) // 8 + 1) for size in video.shape[-2:])
    corners = zip(video, y.tolist(), x.tolist(), strict=True)
    return torch.stack([clip[..., j : j + side, i : i + side] for clip, j, i in corners])


def _flat(video: Tensor) -> Tensor:
    return rearrange(video, "b c f h w -> (b f) c h w")
