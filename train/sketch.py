"""Train the sketch encoder beside a frozen model (paper eq. 6; training.md).

    python -m train.sketch data=CLIPS out=RUN [base=MODEL.safetensors]

It starts as a copy of the denoiser's own spatial encoder with zero convolutions. Sketches stand
on a few frames, the others get the empty one, and every frame's error counts: no frame of the
encoder sees another. With gate=true the encoder's output is zero on frames without a sketch (the
paper's ZeroGate ablation). The defaults are the paper's, for models narrower than the released one
with a smaller batch and size (`scale.py`); base is nano where none is given. Sketches are those
that `train.prepare` or `train.cache` stored, and XDoG's where there are none.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from einops import rearrange
from torch import Tensor, nn

import toon_core
from toon_core.model import ToonModel
from toon_core.presets import sketch_for
from toon_core.sketch.control import SketchControl, gated
from toon_core.sketch.encoder import SketchEncoder
from train.conditions import Tokens, rates
from train.data.sketch import xdog
from train.data.source import open_windows
from train.denoising import DenoisingConfig, Samples, batch_latents, set_dropout
from train.engine import loop, sheets
from train.engine.command import errors_told
from train.engine.config import parse
from train.engine.draws import Draws
from train.engine.objective import Batch
from train.engine.result import save_model
from train.losses.diffusion import ends_only, noised, v_loss
from train.scale import FromBase

PARTS = ("moments", "text", "image", "sketches")  # of a cache's items


@dataclass(kw_only=True)
class SketchTrainConfig(FromBase, DenoisingConfig):
    encoder: str = ""  # a sketch encoder to go on from
    sketch: str = "stored"  # or auto, anime2sketch, hed, xdog: see train.data.sketcher
    bisection: float = 0.8  # share of clips whose sketched frames come by bisection
    depth: int = 4  # of the bisection at most
    scale: float = 1.0  # control scale in training
    gate: bool = False  # ZeroGate
    steps: int = 50_000
    lr: float = 1e-5
    weight_decay: float = 0.01
    clip_norm: float = 0.5
    ema: float = 0.0


class SketchObjective(nn.Module):
    def __init__(self, model: ToonModel, encoder: SketchEncoder, config: SketchTrainConfig) -> None:
        super().__init__()
        self.encoder, self.config = encoder, config
        set_dropout(encoder, config.dropout)
        tokens = Tokens(model, config.drop, train_towers=False, frame=config.semantic_frame)
        self._frozen = (model, tokens)

    def forward(self, batch: Batch, draws: Draws) -> tuple[Tensor, dict[str, Tensor]]:
        model, tokens = self._frozen
        latents = batch_latents(model, batch, draws)
        x_t, v, t = noised(model.schedule, latents, draws, self.config.shift)
        with torch.no_grad():
            context = tokens(batch, draws)
        c = self.config
        keep = chosen(draws, latents.shape[2], c.bisection, c.depth).to(latents.device)
        sketches = batch["sketches"].to(latents.device) * keep[:, None, :, None, None]
        control = self.encoder(x_t, self.encoder.hint(sketches), t, context, self.config.scale)
        if self.config.gate:
            control = gated(control, sketches)
        joined = torch.cat([x_t, ends_only(latents)], dim=1)
        out = model.unet(joined, t, context, rates(batch, t.device), control=control)
        loss, values = v_loss(out, v, t, model.schedule, self.config.weighting)
        return loss, {**values, "sketched": keep.float().mean()}


def lines(video: Tensor) -> Tensor:
    """XDoG of every frame: (3 f h w) in [-1, 1] -> (1 f h w) in [0, 1]."""
    sketches = xdog(rearrange(video, "c f h w -> f c h w"))
    return rearrange(sketches, "f c h w -> c f h w")


class SketchRecipe:
    result = "sketch_encoder.safetensors"

    def __init__(self, config: SketchTrainConfig, device: torch.device) -> None:
        if config.depth < 1:
            raise ValueError(f"depth={config.depth}: expected 1 or more")
        self.config, self.device = config, device
        self.model = toon_core.load(config.base, dtype=torch.float32, expect="toon").to(device)
        self.model.requires_grad_(False)
        self.encoder = _encoder(config, self.model).to(device)
        self.objectives = {"sketch": SketchObjective(self.model, self.encoder, config)}
        self.dataset = open_windows(config, "train", config.steps * config.batch, PARTS, self.model)
        self.samples = Samples(config, device)

    def sheet(self) -> np.ndarray:
        """Truth, the sketch of the middle frame, and the clip with it and without."""
        self.encoder.eval()
        rows = [row for item in self.samples.items for row in self._rows(item)]
        self.encoder.train()
        return sheets.rows(rows)

    def _rows(self, item: dict) -> list[Tensor]:
        video, drawn = item["video"], lines(item["video"])
        middle = video.shape[1] // 2
        one = torch.zeros_like(drawn)[None]
        one[0, :, middle] = drawn[:, middle]
        control = SketchControl(
            self.encoder, one.to(self.device), self.config.scale, zero_gate=self.config.gate
        )
        both = [self.samples.sampled(self.model, item, c) for c in (control, None)]
        return [video, (2 * drawn - 1).expand_as(video), *both]

    def export(self, out: Path, facts: dict[str, Any]) -> None:
        save_model(self.encoder, out / self.result, "sketch", self.config, facts)


def _encoder(config: SketchTrainConfig, model: ToonModel) -> SketchEncoder:
    if not config.encoder:
        return start_from(model.unet, SketchEncoder(sketch_for(model.config.unet)))
    encoder = toon_core.load(config.encoder, dtype=torch.float32, expect="sketch")
    return encoder.requires_grad_(True)


def chosen(draws: Draws, frames: int, bisection: float, depth: int = 4) -> Tensor:
    """Which frames get a sketch, (b f) bool: by recursive bisection to a drawn depth of 1 to
    `depth`, else a random subset (training.md)."""
    by_bisection = draws.uniform() < bisection
    sets = torch.zeros(depth, frames, dtype=torch.bool)
    for i in range(depth):
        sets[i, [frame - 1 for frame in bisected(1, frames, i + 1)]] = True
    halved = sets[draws.integers(depth)]
    subset = draws.uniform(frames) < draws.uniform()[:, None]
    return torch.where(by_bisection[:, None], halved, subset)


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
    loop.run(SketchRecipe, parse(SketchTrainConfig, arguments, __doc__))


if __name__ == "__main__":
    with errors_told():
        main(sys.argv[1:])
