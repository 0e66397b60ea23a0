"""Train the autoencoder: first with its plain decoder, then the dual-reference one on top.

    python -m train.autoencoder data=CACHE out=RUN [stage=plain]
    python -m train.autoencoder data=CACHE out=RUN2 stage=dual base=RUN/autoencoder.safetensors

Plain: encoder and decoder on single frames by L1, its image gradients and a small KL. Dual
(paper eq. 3 to 5, without the adversarial part): encoder frozen, the decoder with references and
pseudo-3D convolutions on whole clips.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from einops import rearrange
from torch import Tensor, nn

from toon_core import presets
from toon_core.layers.blocks import Upsample
from toon_core.vae.autoencoder import Autoencoder
from toon_core.vae.blocks import AttentionBlock, Downsample, ResBlock
from train.data.windows import ClipWindows
from train.engine import loop, sheets
from train.engine.config import RunConfig, parse
from train.engine.draws import Draws
from train.engine.objective import Batch
from train.engine.result import load_part, save_part


@dataclass(kw_only=True)
class AutoencoderConfig(RunConfig):
    stage: str = "plain"  # plain, or dual: the dual-reference 3D decoder on a frozen encoder
    base: str = ""  # dual: the plain stage's autoencoder.safetensors; plain: one to go on from
    frames: int = 2  # plain: frames taken of each window; dual: the whole window's
    crop: int = 0  # train on random squares of this side (0: whole frames), which is cheaper
    kl: float = 1e-6
    edges: float = 0.5  # weight of the L1 of image gradients
    identity_time_mix: bool = True  # start the colours' time convolution as no change


class Reconstruction(nn.Module):
    """Plain stage: the autoencoder on some frames of each window."""

    def __init__(self, vae: Autoencoder, config: AutoencoderConfig) -> None:
        super().__init__()
        self.vae, self.config = vae, config

    def forward(self, batch: Batch, draws: Draws) -> tuple[Tensor, dict[str, Tensor]]:
        video = random_crop(batch["video"], self.config.crop, draws)
        picked = draws.order(video.shape[2])[:, : self.config.frames]
        chosen = [clip[:, order] for clip, order in zip(video, picked, strict=True)]
        images = _flat(torch.stack(chosen)).to(self.vae.quant_conv.weight.device)
        posterior = self.vae.encode(images)
        noise = noise_like(posterior.mean, draws)
        out = self.vae.decode(posterior.sample(noise).unsqueeze(2)).squeeze(2)
        kl = posterior.kl().mean()
        error = reconstruction(out, images, self.config.edges)
        return error + self.config.kl * kl, {"l1": _l1(out, images), "kl": kl}


class DualReconstruction(nn.Module):
    """Dual stage: the decoder on whole clips; the encoder is no part of what is trained."""

    def __init__(self, vae: Autoencoder, config: AutoencoderConfig) -> None:
        super().__init__()
        self.decoder, self.config = vae.decoder, config
        self._vae = (vae,)

    def forward(self, batch: Batch, draws: Draws) -> tuple[Tensor, dict[str, Tensor]]:
        (vae,) = self._vae
        video = random_crop(batch["video"], self.config.crop, draws)
        video = video.to(vae.quant_conv.weight.device)
        with torch.no_grad():
            z, references = encode_clip(vae, video, draws)
        out = vae.decode(z, references)
        error = reconstruction(_flat(out), _flat(video), self.config.edges)
        return error, {"l1": _l1(out, video)}


class AutoencoderRecipe:
    def __init__(self, config: AutoencoderConfig, device: torch.device) -> None:
        self.config, self.device = config, device
        self.dataset = ClipWindows(config.data, seed=config.seed, items=config.steps * config.batch)
        held_out = ClipWindows(config.data, "test", seed=0, items=config.sheet_clips)
        self.fixed = torch.stack([held_out[i]["video"] for i in range(config.sheet_clips)]).to(
            device
        )
        self.dual = config.stage == "dual"
        self.vae = self._build().to(device)
        kind = DualReconstruction if self.dual else Reconstruction
        self.objectives = {"vae": kind(self.vae, config)}

    def _build(self) -> Autoencoder:
        shape = presets.nano().vae
        plain = replace(shape, references=False, pseudo_3d=False)
        if self.config.stage == "plain":
            vae = Autoencoder(plain)
            start_as_resize(vae)
            if self.config.base:
                vae.load_state_dict(load_part(self.config.base, "vae"))
            return vae
        if not self.dual:
            raise ValueError(f"stage={self.config.stage}: expected plain or dual")
        vae = Autoencoder(shape)
        _take(vae, load_part(self.config.base, "vae"))
        if self.config.identity_time_mix:
            start_identity(vae.decoder.conv_out.time_mix_conv, train=True)
        vae.encoder.requires_grad_(False)
        return vae

    def sheet(self) -> np.ndarray:
        """Truth and reconstruction, of held-out clips."""
        clips = []
        for video in self.fixed:
            z, references = encode_clip(self.vae, video[None], fixed_draws())
            out = self.vae.decode(z, references if self.dual else None)
            clips += [video[:, ::3], out[0, :, ::3]]
        return sheets.rows(clips)

    @torch.inference_mode()
    def export(self, out: Path, facts: dict[str, Any]) -> None:
        if not self.dual:
            calibrate(self.vae, self.fixed)
        facts["psnr_held_out"] = self._psnr()
        save_part(self.vae, out / "autoencoder.safetensors", "vae", self.config, facts)

    def _psnr(self) -> float:
        errors = []
        for video in self.fixed:
            z, references = encode_clip(self.vae, video[None], fixed_draws())
            frames = self.vae.decode(z, references if self.dual else None)[0]
            errors.append(((frames - video).clamp(-2, 2) / 2).square().mean())
        return float(-10 * torch.stack(errors).log10().mean())


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
def calibrate(vae: Autoencoder, video: Tensor, scale_factor: float = 0.18215) -> None:
    """Change no picture, but let the scaled latents have unit std in every channel, as the
    noise schedule expects: the encoder's output grows by k and the decoder's input shrinks."""
    z = vae.encode(_flat(video)).mean
    k = 1 / (scale_factor * z.std(dim=(0, 2, 3)))
    channels = len(k)
    vae.quant_conv.weight[:channels] *= k[:, None, None, None]
    vae.quant_conv.bias[:channels] *= k
    vae.quant_conv.bias[channels:] += 2 * k.log()
    vae.decoder.conv_in.weight /= k[None, :, None, None]


def random_crop(video: Tensor, side: int, draws: Draws) -> Tensor:
    """A random square of every clip (b c f h w), on the 8-pixel grid of the latents."""
    if not side:
        return video
    y, x = (8 * draws.integers((size - side) // 8 + 1) for size in video.shape[-2:])
    corners = zip(video, y.tolist(), x.tolist(), strict=True)
    return torch.stack([clip[..., j : j + side, i : i + side] for clip, j, i in corners])


def _flat(video: Tensor) -> Tensor:
    return rearrange(video, "b c f h w -> (b f) c h w")


def _l1(out: Tensor, truth: Tensor) -> Tensor:
    return (out - truth).abs().mean().detach()


def start_identity(conv: nn.Module, train: bool = False) -> None:
    """Start as no change. The plain decoder's `post_quant_conv` stays so, since the
    dual-reference path that is trained from it does not run it."""
    with torch.no_grad():
        nn.init.dirac_(conv.weight)
        nn.init.zeros_(conv.bias)
    conv.requires_grad_(train)


@torch.no_grad()
def start_as_resize(vae: Autoencoder) -> None:
    """Start the plain autoencoder as little more than a smaller picture and back: residual
    branches add nothing, shortcuts and upsampling copy channels, downsampling averages, and the
    posterior is narrow (std exp(-3)). From the usual random start a narrow one spends most of a
    short training on finding its colours."""
    for module in vae.modules():
        if isinstance(module, ResBlock):
            nn.init.zeros_(module.conv2.weight)
            nn.init.zeros_(module.conv2.bias)
            if isinstance(module.nin_shortcut, nn.Conv2d):
                start_identity(module.nin_shortcut, train=True)
        elif isinstance(module, AttentionBlock):
            nn.init.zeros_(module.proj_out.weight)
        elif isinstance(module, Upsample):
            start_identity(module.conv, train=True)
        elif isinstance(module, Downsample):
            start_identity(module.conv, train=True)
            centre = module.conv.weight[..., 1, 1].clone()
            module.conv.weight.zero_()
            module.conv.weight[..., :2, :2] = centre[..., None, None] / 4
    start_identity(vae.post_quant_conv)
    vae.quant_conv.bias[vae.config.z_channels :] -= 6.0


def _take(vae: Autoencoder, state: dict[str, Tensor]) -> None:
    """Load a plain autoencoder; only what the plain decoder lacks may be missing."""
    missing, surplus = vae.load_state_dict(state, strict=False)
    new = ("time_stack", "mix_factor", "attn_refinement", "time_mix_conv")
    wrong = [k for k in missing if not any(part in k for part in new)] + surplus
    if wrong:
        raise ValueError(f"base does not fit the autoencoder: {wrong[:5]}")


def main(arguments: list[str]) -> None:
    config = parse(AutoencoderConfig, arguments, __doc__)
    loop.run(AutoencoderRecipe, config)


if __name__ == "__main__":
    main(sys.argv[1:])
