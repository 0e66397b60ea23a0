"""Train a plain autoencoder from nothing, or on from another.

    python -m train.autoencoder data=DIR out=DIR [preset=nano | shape=FILE.yaml] [base=FILE]

Single frames; squared error, L1, L1 of image gradients, a small KL, and LPIPS where lambda_p is
not 0. Two options make latents that a denoiser learns sooner: `latent_noise` lets pictures survive
its errors (as in Yang et al. 2025, l-DeTok), `halved` ties latents shrunk to the picture shrunk
(Kouzelis et al. 2025, EQ-VAE). The encoder's latents are what `train.pretrain` learns, and the
plain decoder is what `train.decoder` starts from. The result, out/autoencoder.safetensors, is one
part of a model.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from einops import rearrange
from torch import Tensor, nn
from torch.nn.functional import avg_pool2d

import toon_core
from toon_core.config import ToonConfig
from toon_core.presets import plain
from toon_core.vae.autoencoder import Autoencoder
from toon_core.weights.checkpoint import read
from train.crops import check_crop, random_crop
from train.data.source import held_out, open_windows
from train.engine import loop, sheets
from train.engine.command import errors_told
from train.engine.config import RunConfig, parse
from train.engine.draws import Draws
from train.engine.objective import Batch
from train.engine.result import load_part, part_of, save_part
from train.losses.perceptual import Perceptual, perceptual
from train.scale import shape
from train.vae_start import start_as_resize

RESULT = "autoencoder.safetensors"


@dataclass(kw_only=True)
class AutoencoderConfig(RunConfig):
    preset: str = "nano"  # the model's shape
    shape: str = ""  # or a YAML file: ToonConfig's fields, a part also in the release's options
    base: str = ""  # a result of this, or a complete model with the plain decoder, to go on from
    images: int = 2  # frames taken of each window
    crop: int = 0  # train on random squares of this side (0: whole frames), which is cheaper
    kl: float = 1e-6
    latent_noise: float = 0.0  # noise before decoding, up to so many std of a clip's latents
    halved: float = 0.0  # share of clips decoded from latents of half the size
    edges: float = 0.5  # weight of the L1 of image gradients
    lambda_p: float = 0.0  # weight of LPIPS
    perceptual: str = "auto"  # its network: auto, vgg, alex, hed or none
    models: str = "models"  # folder of its file
    calibrate: bool = True  # give the scaled latents unit std at the end


class Reconstruction(nn.Module):
    """The autoencoder on some frames of each window."""

    def __init__(
        self, vae: Autoencoder, config: AutoencoderConfig, measure: Perceptual | None
    ) -> None:
        super().__init__()
        self.vae, self.config = vae, config
        self._measure = (measure,)  # no submodule: not trained

    def forward(self, batch: Batch, draws: Draws) -> tuple[Tensor, dict[str, Tensor]]:
        c, (measure,) = self.config, self._measure
        video = random_crop(batch["video"], c.crop, draws)
        picked = draws.order(video.shape[2])[:, : c.images]
        chosen = [clip[:, order] for clip, order in zip(video, picked, strict=True)]
        images = _flat(torch.stack(chosen)).to(self.vae.quant_conv.weight.device)
        posterior = self.vae.encode(images)
        noise = noise_like(posterior.mean, draws)
        z = disturbed(posterior.sample(noise), c.latent_noise, draws)
        kl = posterior.kl().mean()
        loss, values = c.kl * kl, {"kl": kl}
        for share, out, truth in self._decoded(z, images, draws):
            loss = loss + share * reconstruction(out, truth, c.edges)
            values.setdefault("l1", (out - truth).abs().mean().detach())
            if measure is not None:
                distance = measure(out, truth)
                values.setdefault("lpips", distance)
                loss = loss + share * c.lambda_p * distance
        return loss, values

    def _decoded(
        self, z: Tensor, images: Tensor, draws: Draws
    ) -> Iterator[tuple[float, Tensor, Tensor]]:
        """(share of the batch, decoded, truth) of the clips that stay whole and those halved."""
        halved = draws.uniform() < self.config.halved
        halved = halved.repeat_interleave(len(z) // len(draws))
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
        self.scale_factor = chosen_shape(config).scale_factor
        measure = perceptual(config.perceptual if config.lambda_p else "none", config.models)
        self.measured = measure.label if measure else "none"
        self.vae = start(config).to(device)
        self.vae.decoder.checkpointing = config.checkpointing
        self.vae.post_quant_conv.requires_grad_(False)  # the dual-reference path does not run it
        self.dataset = open_windows(config, items=config.steps * config.batch)
        self.fixed = [item["video"].to(device) for item in held_out(config)]
        measure = measure.to(device) if measure else None
        self.objectives = {"vae": Reconstruction(self.vae, config, measure)}

    def sheet(self) -> np.ndarray:
        """Truth and reconstruction, of held-out clips."""
        clips = [x[:, ::3] for video in self.fixed for x in (video, self._decoded(video))]
        return sheets.rows(clips)

    @torch.inference_mode()
    def export(self, out: Path, facts: dict[str, Any]) -> None:
        if self.config.calibrate:
            videos = self.fixed or [self.dataset[0]["video"].to(self.device)]
            calibrate(self.vae, torch.stack(videos), self.scale_factor)
        found = {"perceptual_network": self.measured, **held_out_psnr(self._decoded, self.fixed)}
        save_part(self.vae, out / RESULT, "vae", self.config, {**facts, **found})

    def _decoded(self, video: Tensor) -> Tensor:
        z, _ = encode_clip(self.vae, video[None], fixed_draws())
        return self.vae.decode(z, frames_at_once=1)[0]


def held_out_psnr(
    decoded: Callable[[Tensor], Tensor], videos: Sequence[Tensor]
) -> dict[str, float]:
    """For a manifest, of what is decoded of each clip; nothing where there are none."""
    errors = [(decoded(v).clamp(-1, 1) - v) / 2 for v in videos]
    psnr = [float(-10 * e.square().mean().log10()) for e in errors]
    return {"psnr_held_out": sum(psnr) / len(psnr)} if psnr else {}


def chosen_shape(config: AutoencoderConfig) -> ToonConfig:
    """That of a base that is a whole model, else by `preset` and `shape`."""
    if config.base and part_of(config.base) is None:
        return read(config.base, expect="toon").config
    return shape(config)


def start(config: AutoencoderConfig) -> Autoencoder:
    """From nothing, or the base's; ValueError where the base has another shape or decoder."""
    if config.base and part_of(config.base) is None:
        vae = toon_core.load(config.base, dtype=torch.float32, expect="toon").vae
        if not vae.config.plain:
            raise ValueError(f"base={config.base}: its decoder is not plain; see train.decoder")
        return vae.train().requires_grad_(True)
    torch.manual_seed(config.seed)
    vae = Autoencoder(plain(shape(config)).vae)
    start_as_resize(vae)
    if config.base:
        try:
            vae.load_state_dict(load_part(config.base, "vae"))
        except RuntimeError as error:
            raise ValueError(f"base={config.base}: another shape than preset or shape") from error
    return vae


def encode_clip(vae: Autoencoder, video: Tensor, draws: Draws) -> tuple[Tensor, list[Tensor]]:
    """video (b 3 f h w) -> sampled z (b z f h/8 w/8), unscaled, and both keys' features."""
    frames = video.shape[2]
    posterior, features = vae.encode_with_features(_flat(video))
    noise = noise_like(posterior.mean, draws)
    z = rearrange(posterior.sample(noise), "(b f) z h w -> b z f h w", f=frames)
    by_frame = [rearrange(m, "(b f) c h w -> b c f h w", f=frames) for m in features]
    return z, [m[:, :, [0, -1]] for m in by_frame]


def noise_like(mean: Tensor, draws: Draws) -> Tensor:
    """Standard normal of a posterior's shape ((b f) z h w)."""
    frames = len(mean) // len(draws)
    return draws.normal(frames, *mean.shape[1:]).flatten(0, 1).to(mean)


def disturbed(z: Tensor, strength: float, draws: Draws) -> Tensor:
    """z ((b f) z h w) with noise whose std each clip draws, up to `strength` times that of its
    latents: of theirs, lest they grow out of it."""
    if not strength:
        return z
    frames = len(z) // len(draws)
    std = z.detach().unflatten(0, (-1, frames)).std(dim=(1, 2, 3, 4))
    level = (strength * draws.uniform().to(std) * std).repeat_interleave(frames)
    return z + level[:, None, None, None] * noise_like(z, draws)


def fixed_draws() -> Draws:
    """Of one clip, the same whenever it is shown."""
    return Draws(0, 0, [0])


def reconstruction(out: Tensor, truth: Tensor, edges: float) -> Tensor:
    """Squared error, which brings colours home, L1, and L1 of the differences between
    neighbours, which keeps lines sharp; (n c h w)."""
    error = out - truth
    across = (error[..., 1:] - error[..., :-1]).abs().mean()
    down = (error[..., 1:, :] - error[..., :-1, :]).abs().mean()
    return error.square().mean() + error.abs().mean() + edges * (across + down)


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


def _flat(video: Tensor) -> Tensor:
    return rearrange(video, "b c f h w -> (b f) c h w")


def main(arguments: list[str]) -> None:
    loop.run(AutoencoderRecipe, parse(AutoencoderConfig, arguments, __doc__))


if __name__ == "__main__":
    with errors_told():
        main(sys.argv[1:])
