"""Train the sketch encoder beside a frozen denoiser (paper eq. 6; training.md).

    python -m train.sketch data=CACHE latents=LATENTS autoencoder=RUN/autoencoder.safetensors \\
        denoiser=RUN3/denoiser.safetensors out=RUN4

It starts as a copy of the denoiser's own spatial encoder with zero convolutions. Sketches stand
on a few frames, the others get the empty one, and every frame's error counts: no frame of the
encoder sees another.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from einops import rearrange
from omegaconf import MISSING
from torch import Tensor, nn
from torch.utils.data import Dataset

from toon_core import presets
from toon_core.schedule import Schedule
from toon_core.sketch.control import SketchControl
from toon_core.sketch.encoder import SketchEncoder
from toon_core.weights.save import save
from train.data.sketch import xdog
from train.denoiser import (
    DenoiserConfig,
    DenoiserParts,
    DenoiserRecipe,
    LatentWindows,
    dropped_context,
    ends_only,
    noised,
)
from train.engine import loop, sheets
from train.engine.config import parse
from train.engine.draws import Draws
from train.engine.objective import Batch
from train.engine.result import load_part, provenance, write_manifest


@dataclass(kw_only=True)
class SketchTrainConfig(DenoiserConfig):
    denoiser: str = MISSING  # denoiser.safetensors, frozen
    bisection: float = 0.8  # share of clips whose sketched frames come by bisection
    scale: float = 1.0  # control scale in training


class SketchWindows(Dataset):
    """`LatentWindows` items with `sketches` (1 f h w) of every frame."""

    def __init__(self, base: LatentWindows) -> None:
        self.base = base

    def __len__(self) -> int:
        return len(self.base)

    def __getitem__(self, index: int) -> dict:
        item, video = self.base.with_video(index)
        sketches = xdog(rearrange(video, "c f h w -> f c h w"))
        return {**item, "sketches": rearrange(sketches, "f c h w -> c f h w")}


class SketchDenoising(nn.Module):
    """The loss of a frozen denoiser with the encoder's features (paper eq. 6)."""

    def __init__(
        self,
        encoder: SketchEncoder,
        parts: DenoiserParts,
        schedule: Schedule,
        config: SketchTrainConfig,
    ) -> None:
        super().__init__()
        self.encoder, self.config = encoder, config
        self._frozen = (parts, schedule)

    def forward(self, batch: Batch, draws: Draws) -> tuple[Tensor, dict[str, Tensor]]:
        parts, schedule = self._frozen
        device = next(parts.parameters()).device
        latents, sketches = batch["latents"].to(device), batch["sketches"].to(device)
        keep = chosen(sketches.shape[2], self.config.bisection, draws)
        hint = self.encoder.hint(sketches * keep[:, None, :, None, None].to(device))
        x_t, v, t = noised(schedule, latents, draws)
        with torch.no_grad():
            tokens = dropped_context(parts, batch, draws, self.config.drop)
        control = self.encoder(x_t, hint, t, tokens, self.config.scale)
        joined = torch.cat([x_t, ends_only(latents)], dim=1)
        out = parts.unet(joined, t, tokens, batch["fs"].to(device), control=control)
        return (out - v).square().mean(), {"sketched": keep.float().mean()}


class SketchRecipe:
    def __init__(self, config: SketchTrainConfig, device: torch.device) -> None:
        self.config, self.device = config, device
        self.base = DenoiserRecipe(config, device)
        self.dataset = SketchWindows(self.base.dataset)
        self.parts: DenoiserParts = self.base.parts
        self.parts.load_state_dict(load_part(config.denoiser, "denoiser"))
        self.parts.requires_grad_(False).eval()
        self.encoder = start_from(self.parts.unet, SketchEncoder(presets.nano_sketch())).to(device)
        loss = SketchDenoising(self.encoder, self.parts, self.base.schedule, config)
        self.objectives = {"sketch": loss}

    def sheet(self) -> np.ndarray:
        """Truth, its sketch on the middle frame, and the clip with and without the sketch."""
        clips = []
        for item in self.base.fixed:
            video = item["video"]
            sketches = xdog(rearrange(video, "c f h w -> f c h w"))
            shown = rearrange(sketches, "f c h w -> c f h w") * 2 - 1
            one = torch.zeros_like(shown)[None]
            one[0, :, 8] = (shown[:, 8] + 1) / 2
            control = SketchControl(self.encoder, one.to(self.device), self.config.scale)
            clips += [video, shown.expand_as(video)]
            clips += [self.base.sampled(item, c, cfg_scale=1.0) for c in (control, None)]
        return sheets.rows(clips)

    def export(self, out: Path, facts: dict[str, Any]) -> None:
        path = out / "sketch_encoder.safetensors"
        save(self.encoder, path, dtype=torch.float16)
        write_manifest(path, provenance("sketch", self.config, facts))


def chosen(frames: int, bisection: float, draws: Draws) -> Tensor:
    """Which frames get a sketch, (b f) bool: by recursive bisection to a depth of 1 to 4, else a
    random subset (training.md)."""
    by_halves, share, each = draws.uniform() < bisection, draws.uniform(1), draws.uniform(frames)
    keep = each < share
    for row, depth in enumerate((1 + draws.integers(4)).tolist()):
        if by_halves[row]:
            keep[row] = False
            keep[row, [frame - 1 for frame in bisected(1, frames, depth)]] = True
    return keep


def bisected(i: int, j: int, depth: int) -> list[int]:
    """Frames ceil((i + j) / 2) down to `depth`, counted from 1; interval ends are not chosen."""
    middle = -(-(i + j) // 2)
    if depth == 0 or middle in (i, j):
        return []
    halves = bisected(i, middle, depth - 1) + bisected(middle, j, depth - 1)
    return sorted({middle, *halves})


def start_from(unet: nn.Module, encoder: SketchEncoder) -> SketchEncoder:
    """Copy the denoiser's spatial layers; the first convolution keeps its noise channels, and
    temporal and image-token layers are left out (training.md)."""
    last = len(unet.middle_block) - 1
    source = {
        k.replace(f"middle_block.{last}.", "middle_block.2."): v
        for k, v in unet.state_dict().items()
        if not k.startswith("middle_block.2.")
    }
    own = encoder.state_dict()
    for name, value in own.items():
        if name == "input_blocks.0.0.weight":
            own[name] = source[name][:, : encoder.config.in_channels]
        elif name in source and source[name].shape == value.shape:
            own[name] = source[name]
    encoder.load_state_dict(own)
    return encoder


def main(arguments: list[str]) -> None:
    config = parse(SketchTrainConfig, arguments, __doc__)
    loop.run(SketchRecipe, config)


if __name__ == "__main__":
    main(sys.argv[1:])
