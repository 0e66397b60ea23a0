"""What the recipes of the autoencoder and of the decoder share: options, clips encoded and drawn
again, the held-out loss and sheets of that."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from einops import rearrange
from torch import Tensor
from torch.utils.data import Dataset

from toon_core.devices import moved
from toon_core.vae.autoencoder import Autoencoder
from train.data.source import held_out
from train.data.windows.dataset import TrainingConfig
from train.engine.batches import SampleRNG
from train.engine.logger import caption, labelled_rows
from train.engine.options import option
from train.losses.perceptual import Perceptual, PerceptualConfig


@dataclass(kw_only=True)
class ReconstructionConfig(TrainingConfig):
    # Random squares of this side in pixels, a multiple of 8, which is cheaper; 0: whole frames.
    crop: int = option(0, least=0)
    perceptual: PerceptualConfig = field(default_factory=PerceptualConfig)


def check_crop(config: ReconstructionConfig) -> None:
    """ValueError unless `crop` is 0 or a side on the latents' grid that fits in a frame."""
    crop, height, width = config.crop, config.height, config.width
    if crop % 8 or crop > min(height, width):
        raise ValueError(f"crop={crop}: expected a multiple of 8, no larger than {height}x{width}")
    if crop and config.buckets:
        raise ValueError(f"buckets=true is for whole frames, crop={crop} for squares: give one")


class ReconstructionRecipe:
    """A model's autoencoder, or a part of it, trained to give back what it encodes."""

    vae: Autoencoder

    def __init__(
        self,
        config: ReconstructionConfig,
        device: torch.device,
        dataset: Dataset,
        measure: Perceptual | None,
    ) -> None:
        self.config, self.device, self.dataset = config, device, dataset
        self.shown, self.scored = held_out(config, config.run.sheet_clips, config.run.held_out)
        self.measured = measure.label if measure else "none"
        self.frozen = {} if measure is None else {"perceptual": measure.to(device)}

    def held_out_loss(self) -> dict[str, float]:
        return self._scores(self.scored)

    def sheet(self) -> np.ndarray:
        """Truth and reconstruction, every third frame of each clip."""
        rows = []
        for item in self.shown:
            video = item["video"].to(self.device)
            rows.append((caption("truth", item), video[:, ::3]))
            rows.append(("encoded and decoded", self._reconstruct(video)[:, ::3]))
        return labelled_rows(rows, every=3)

    def manifest_facts(self) -> dict[str, Any]:
        """How it was measured, and how well held-out clips come back."""
        scores = self._scores(self.shown)
        psnr = {"psnr_held_out": scores["psnr"]} if scores else {}
        return {"perceptual_network": self.measured, **psnr}

    def _scores(self, items: list[dict]) -> dict[str, float]:
        """The mean squared error in [0, 1] as `loss`, and the mean PSNR in dB; nothing where there
        are no clips."""
        videos = [item["video"].to(self.device) for item in items]
        errors = [((self._reconstruct(v).clamp(-1, 1) - v) / 2).square().mean() for v in videos]
        if not errors:
            return {}
        psnr = [float(-10 * e.log10()) for e in errors]
        return {"loss": float(sum(errors) / len(errors)), "psnr": sum(psnr) / len(psnr)}

    def _reconstruct(self, video: Tensor) -> Tensor:
        z, references = encode_clip(self.vae, video[None], fixed_rng())
        own = references if self.vae.config.references else None
        return self.vae.decode(z, own, frames_at_once=1)[0]


def encode_clip(vae: Autoencoder, video: Tensor, rng: SampleRNG) -> tuple[Tensor, list[Tensor]]:
    """video (b 3 f h w) -> sampled z (b z f h/8 w/8), unscaled, and both keys' features."""
    frames = video.shape[2]
    posterior, features = vae.encode_with_features(flat(video))
    noise = noise_like(posterior.mean, rng)
    z = rearrange(posterior.sample(noise), "(b f) z h w -> b z f h w", f=frames)
    by_frame = [rearrange(m, "(b f) c h w -> b c f h w", f=frames) for m in features]
    return z, [torch.stack([m[:, :, 0], m[:, :, -1]], 2) for m in by_frame]


def noise_like(mean: Tensor, rng: SampleRNG) -> Tensor:
    """Standard normal of a posterior's shape ((b f) z h w)."""
    frames = len(mean) // len(rng)
    return moved(rng.normal(frames, *mean.shape[1:]).flatten(0, 1), mean.device, mean.dtype)


def fixed_rng() -> SampleRNG:
    """Of one clip, the same whenever it is shown."""
    return SampleRNG(0, 0, [0])


def random_crop(video: Tensor, side: int, rng: SampleRNG) -> Tensor:
    """A random square of every clip (b c f h w), on the 8-pixel grid of the latents; with side 0
    the clips themselves."""
    if not side:
        return video
    y, x = (8 * rng.integers((size - side) // 8 + 1) for size in video.shape[-2:])
    corners = zip(video, y.tolist(), x.tolist(), strict=True)
    return torch.stack([clip[..., j : j + side, i : i + side] for clip, j, i in corners])


def flat(video: Tensor) -> Tensor:
    """(b c f h w) -> ((b f) c h w)."""
    return rearrange(video, "b c f h w -> (b f) c h w")
