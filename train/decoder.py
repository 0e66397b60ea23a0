"""Train the dual-reference 3D decoder on a frozen encoder (paper eq. 3 to 5, table 4).

    python -m train.decoder data=DIR out=DIR [base=FILE] [variant=full|no_pseudo3d|plain]

base is any complete model, nano where none is given: with a plain decoder training starts at "no
reference, no time", with the variant's own decoder it goes on from that. Loss: L1 +
lambda_p LPIPS + lambda_d L_GAN, hinge, lambda_d adaptive (Esser et al. 2021) and from step
gan_start on. Whole clips, both key frames' encoder features as references. The result is a
complete model file, out/model.safetensors.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor, nn

import toon_core
from train.autoencoder import encode_clip, fixed_draws, held_out_psnr
from train.crops import check_crop
from train.data.source import held_out, open_windows
from train.decoding import DecoderObjective
from train.engine import loop, sheets
from train.engine.command import errors_told
from train.engine.config import parse
from train.engine.result import save_model
from train.losses.adversarial import Adversary
from train.losses.perceptual import perceptual
from train.redenoised import Redenoiser
from train.scale import FromBase, Options
from train.vae_start import start_decoder


@dataclass(kw_only=True)
class DecoderConfig(FromBase):
    variant: str = "full"  # or no_pseudo3d, or plain (neither references nor pseudo-3D)
    steps: int = 60_000
    lr: float = 4.5e-6
    betas: tuple[float, float] = (0.5, 0.9)  # not published; usual with a discriminator
    crop: int = 0  # train on random squares of this side (0: whole frames), which is cheaper
    models: str = "models"  # folder of files of other networks, here LPIPS's
    perceptual: str = "auto"  # or vgg, alex, hed, none
    lambda_p: float = 0.1  # weight of LPIPS
    style: float = 0.0  # not the paper's: so much of the distance of Gram matrices is added to it
    perceptual_frames: int = 32  # frames in LPIPS at a time: memory, not the result
    perceptual_drawn: int = 0  # so many of a clip's frames in LPIPS, drawn at random (0: all)
    # Not the paper's: a decoder for what a denoiser gives, not for perfect latents.
    latent_noise: float = 0.0  # noise of up to this std on scaled latents
    redenoise: int = 0  # latents made anew by up to so many last steps of the base's sampling,
    redenoise_of: int = 15  # which has so many steps
    redenoise_temperature: float = 1.0  # and this one
    matching: float = 0.0  # weight of looking at the keys' places that show the same
    nearness: bool = False  # the attention to the keys also knows which places are near
    gan_weight: float = 1.0  # a factor on the adaptive weight; 0: no discriminator
    gan_start: int = 1000  # first step with it (not published): the new parts begin at zero
    disc_dims: int = 2  # the discriminator sees frames, or (3) clips
    disc_width: int = 64
    disc_layers: int = 3
    identity_time_mix: bool = True  # a new time_mix_conv starts as no change (release: random)
    fold_post_quant: bool = True  # keep what a plain base's post_quant_conv did

    # Not `accumulate`: the adaptive weight is that of a part of the batch.
    FREE: ClassVar[tuple[str, ...]] = (
        *(name for name in FromBase.FREE if name != "accumulate"),
        "perceptual_frames",
    )
    FULL: ClassVar[Options] = {"height": 256, "width": 256, "batch": 16, "checkpointing": False}


class DecoderRecipe:
    result = "model.safetensors"

    def __init__(self, config: DecoderConfig, device: torch.device) -> None:
        _check(config)
        self.config, self.device = config, device
        choice = config.perceptual if config.lambda_p else "none"
        measure = perceptual(choice, config.models, config.style)
        self.measured = measure.label if measure else "none"
        self.model = toon_core.load(config.base, expect="toon")
        parts = ("video",) if config.crop else ("video", "moments")
        items = config.steps * config.batch
        self.dataset = open_windows(config, "train", items, parts, self.model)
        self.fixed = [item["video"].to(device) for item in held_out(config)]
        torch.manual_seed(config.seed)
        self.vae = start_decoder(
            self.model.vae,
            config.variant,
            identity_time_mix=config.identity_time_mix,
            fold=config.fold_post_quant,
            nearness=config.nearness,
        ).to(device)
        self.vae.decoder.checkpointing = config.checkpointing
        self.model.vae = self.vae
        self.model.config = replace(self.model.config, vae=self.vae.config)
        adversary = adversary_of(config).to(device) if config.gan_weight else None
        decoder = DecoderObjective(
            self.vae,
            config,
            self.model.config.scale_factor,
            measure.to(device) if measure else None,
            adversary,
            self._redenoiser(),
        )
        self.objectives: dict[str, nn.Module] = {"decoder": decoder}
        if adversary is not None:
            self.objectives["discriminator"] = adversary

    def _redenoiser(self) -> Redenoiser | None:
        c = self.config
        if not c.redenoise:
            return None
        for name in ("unet", "resampler", "text", "image"):
            part = getattr(self.model, name)
            if part is not None:
                part.to(self.device).float().eval().requires_grad_(False)
        return Redenoiser(self.model, c.redenoise, c.redenoise_of, c.redenoise_temperature)

    def sheet(self) -> np.ndarray:
        """Truth and reconstruction, of held-out clips."""
        clips = [x[:, ::3] for video in self.fixed for x in (video, self._decoded(video))]
        return sheets.rows(clips)

    @torch.inference_mode()
    def export(self, out: Path, facts: dict[str, Any]) -> None:
        """`model.safetensors`, complete, and its manifest; other parts as they are in the base."""
        found = {"perceptual_network": self.measured, **held_out_psnr(self._decoded, self.fixed)}
        path = out / self.result
        save_model(self.model, path, "decoder", self.config, {**facts, **found})

    def _decoded(self, video: Tensor) -> Tensor:
        z, references = encode_clip(self.vae, video[None], fixed_draws())
        own = references if self.vae.config.references else None
        return self.vae.decode(z, own, frames_at_once=1)[0]


def adversary_of(config: DecoderConfig) -> Adversary:
    c = config
    return Adversary(width=c.disc_width, layers=c.disc_layers, dims=c.disc_dims)


def _check(config: DecoderConfig) -> None:
    """ValueError on options that cannot work, before anything is read."""
    check_crop(config)
    side = config.crop or min(config.height, config.width)
    if config.gan_weight and side < 2 ** (config.disc_layers + 2):
        raise ValueError(
            f"{side} pixels are too few for disc_layers={config.disc_layers}: "
            f"give at least {2 ** (config.disc_layers + 2)}, or fewer layers"
        )
    if not 0 <= config.redenoise <= config.redenoise_of:
        raise ValueError(
            f"redenoise={config.redenoise}: expected 0 to redenoise_of={config.redenoise_of}"
        )
    if config.matching and (config.checkpointing or config.variant == "plain"):
        raise ValueError("matching needs a decoder with references, and checkpointing=false")
    if config.nearness and config.variant == "plain":
        raise ValueError("nearness needs a decoder with references: leave variant at full")
    if config.redenoise and config.crop:
        raise ValueError("redenoise works on whole frames: leave crop at 0")


def main(arguments: list[str]) -> None:
    loop.run(DecoderRecipe, parse(DecoderConfig, arguments, __doc__))


if __name__ == "__main__":
    with errors_told():
        main(sys.argv[1:])
