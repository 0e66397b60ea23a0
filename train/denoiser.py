"""Train the denoiser with its projector and towers, from nothing (training.md; paper eq. 2).

    python -m train.denoiser data=CACHE latents=LATENTS autoencoder=RUN/autoencoder.safetensors \\
        out=RUN3 [steps=... init=weights/nano.safetensors]

v-prediction, mean squared error, timesteps uniform, the dynamic rescale before the noise, frame
rate as a condition, prompt and image dropped at times.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from omegaconf import MISSING
from torch import Tensor, nn
from torch.utils.data import Dataset

from toon_core import presets
from toon_core.conditioning.encode import Keys, encode_branches, image_tokens, join
from toon_core.conditioning.resampler import Resampler
from toon_core.conditioning.towers import ImageEncoder, TextEncoder
from toon_core.config import ToonConfig
from toon_core.pipeline import decode, sample, seeded
from toon_core.presets import Recipe
from toon_core.schedule import Schedule
from toon_core.sketch.control import SketchControl
from toon_core.unet.model import VideoUNet
from train.autoencoder import encode_clip, fixed_draws
from train.cache import SCALE, Latents, encoder_hash, load_autoencoder
from train.data.windows import ClipWindows
from train.engine import loop, sheets
from train.engine.config import RunConfig, parse
from train.engine.draws import Draws
from train.engine.objective import Batch
from train.engine.result import load_part, save_part


@dataclass(kw_only=True)
class DenoiserConfig(RunConfig):
    latents: str = MISSING  # folder made by `train.cache` from the same data
    autoencoder: str = MISSING  # for the sheets
    init: str = ""  # a denoiser.safetensors to start from
    drop: float = 0.05  # share p of each kind of condition dropout
    sheet_steps: int = 12


class LatentWindows(Dataset):
    """Window i modulo the cached ones, every second pass backwards: `latents`, the `first` key's
    pixels, `prompt`, `fs`."""

    def __init__(self, windows: ClipWindows, latents: Latents) -> None:
        self.windows, self.latents = windows, latents

    def __len__(self) -> int:
        return self.windows.items

    def __getitem__(self, index: int) -> dict:
        return self.with_video(index)[0]

    def with_video(self, index: int) -> tuple[dict, Tensor]:
        """The item, and its window's pixels (3 f h w)."""
        passes, index = divmod(index, len(self.latents))
        item = self.windows[index]
        values = torch.from_numpy(self.latents.values[index].astype(np.float32))
        video = item["video"]
        if passes % 2:
            values, video = values.flip(1), video.flip(1)
        given = {
            "latents": values,
            "first": video[:, 0],
            "prompt": item["prompt"],
            "fs": torch.tensor(item["fs"]),
        }
        return given, video


class DenoiserParts(nn.Module):
    """Everything that is trained here, under the names of `ToonModel`."""

    def __init__(self, config: ToonConfig) -> None:
        super().__init__()
        self.unet = VideoUNet(config.unet)
        self.resampler = Resampler(config.resampler)
        self.text = TextEncoder(config.clip)
        self.image = ImageEncoder(config.clip)


class Denoising(nn.Module):
    """The denoiser's loss."""

    def __init__(self, parts: DenoiserParts, schedule: Schedule, config: DenoiserConfig) -> None:
        super().__init__()
        self.parts, self.schedule, self.config = parts, schedule, config

    def forward(self, batch: Batch, draws: Draws) -> tuple[Tensor, dict[str, Tensor]]:
        latents = batch["latents"].to(next(self.parameters()).device)
        x_t, v, t = noised(self.schedule, latents, draws)
        context = dropped_context(self.parts, batch, draws, self.config.drop)
        fs = batch["fs"].to(t.device)
        out = self.parts.unet(torch.cat([x_t, ends_only(latents)], dim=1), t, context, fs)
        error = (out - v).square().mean(dim=(1, 2, 3, 4))
        late = t >= self.schedule.config.timesteps // 2
        values = {"noisy": error[late].mean(), "clean": error[~late].mean()}
        return error.mean(), {k: x.detach() for k, x in values.items() if not x.isnan()}


class DenoiserRecipe:
    def __init__(self, config: DenoiserConfig, device: torch.device) -> None:
        self.config, self.device = config, device
        latents = Latents(config.latents)
        if latents.facts["encoder"] != encoder_hash(config.autoencoder):
            raise ValueError(f"{config.latents} was made with another autoencoder")
        items = config.steps * config.batch
        windows = ClipWindows(config.data, seed=latents.facts["seed"], items=items)
        self.dataset = LatentWindows(windows, latents)
        self.shape = presets.nano()
        self.schedule = Schedule(self.shape.schedule)
        self.parts = DenoiserParts(self.shape).to(device)
        if config.init:
            self.parts.load_state_dict(load_part(config.init, "denoiser"))
        self.objectives = {"denoiser": Denoising(self.parts, self.schedule, config)}
        self.vae = load_autoencoder(config.autoencoder).to(device)
        held_out = ClipWindows(config.data, "test", seed=0, items=config.sheet_clips)
        self.fixed = [held_out[i] for i in range(config.sheet_clips)]

    def sheet(self) -> np.ndarray:
        """Truth, then what is sampled from its ends, of held-out clips."""
        clips = []
        for item in self.fixed:
            clips += [item["video"].to(self.device), self.sampled(item)]
        return sheets.rows(clips)

    def sampled(
        self, item: dict, control: SketchControl | None = None, cfg_scale: float = 2.0
    ) -> Tensor:
        """A held-out window from its ends alone, (3 f h w) in [-1, 1]."""
        m, training = self.parts, self.parts.training
        m.eval()
        video = item["video"][None].to(self.device)
        z, references = encode_clip(self.vae, video, fixed_draws())
        keys = Keys(ends_only(SCALE * z), references)
        branches = encode_branches(m.text, m.image, m.resampler, video[:, :, 0], item["prompt"])
        recipe = Recipe(fps=item["fs"], steps=self.config.sheet_steps, cfg_scale=cfg_scale)
        model = _Sampled(m.unet, self.schedule)
        draw = seeded(123, self.device)
        latents = sample(model, keys, branches, recipe, control, draw, True, None)
        m.train(training)
        dual = None if self.vae.config.plain else references
        return decode(self.vae, latents / SCALE, dual, replace_middle=False)[0].clamp(-1, 1)

    def export(self, out: Path, facts: dict[str, Any]) -> None:
        save_part(self.parts, out / "denoiser.safetensors", "denoiser", self.config, facts)


class _Sampled:
    """What `sample` needs of a model."""

    def __init__(self, unet: VideoUNet, schedule: Schedule) -> None:
        self.unet, self.schedule = unet, schedule


def dropped_context(parts: DenoiserParts, batch: Batch, draws: Draws, p: float) -> Tensor:
    """Tokens with condition dropout: u < 2p no prompt, p <= u < 3p a grey image."""
    u = draws.uniform()
    prompts = ["" if x < 2 * p else prompt for x, prompt in zip(u, batch["prompt"], strict=True)]
    grey = ((u >= p) & (u < 3 * p)).view(-1, 1, 1, 1)
    first = batch["first"].masked_fill(grey, 0.0)
    first = first.to(next(parts.parameters()).device)
    tokens = image_tokens(parts.image, parts.resampler, first)
    return join(parts.text(prompts), tokens, len(prompts))


def noised(schedule: Schedule, latents: Tensor, draws: Draws) -> tuple[Tensor, Tensor, Tensor]:
    """Latents (b z f h w) -> (x_t, v, t) at uniform steps."""
    t = draws.integers(schedule.config.timesteps).to(latents.device)
    eps = draws.normal(*latents.shape[1:]).to(latents)
    x_t, v = schedule.add_noise(latents, eps, t)
    return x_t, v, t


def ends_only(latents: Tensor) -> Tensor:
    """The concat condition: first and last frame in their places, zeros between."""
    kept = torch.zeros_like(latents)
    kept[:, :, 0], kept[:, :, -1] = latents[:, :, 0], latents[:, :, -1]
    return kept


def main(arguments: list[str]) -> None:
    config = parse(DenoiserConfig, arguments, __doc__)
    loop.run(DenoiserRecipe, config)


if __name__ == "__main__":
    main(sys.argv[1:])
