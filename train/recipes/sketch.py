"""The sketch encoder beside a frozen model (paper eq. 6).

It starts as a copy of the denoiser's own spatial encoder with zero convolutions. Sketches stand
on a few frames, the others get the empty one, and every frame's error counts: no frame of the
encoder sees another.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

import toon_core
from toon_core.devices import moved
from toon_core.model import ToonModel
from toon_core.presets import sketch_for
from toon_core.sketch.control import SketchControl, gated
from toon_core.sketch.encoder import SketchEncoder
from train.engine.batches import Batch, SampleRNG
from train.engine.config import OptimConfig
from train.engine.export import save_model
from train.engine.logger import caption
from train.engine.options import option
from train.losses.diffusion import add_noise, endpoint_condition, v_loss
from train.recipes.conditioning import ContextEncoder, Predict, batch_latents, rates
from train.recipes.defaults import BaseConfig, fine_tuning
from train.recipes.denoiser import (
    DenoiserConfig,
    DenoiserRecipe,
    frozen_parts,
    sample_window,
    set_dropout,
)

BISECTION = 0.8  # share of clips whose sketched frames come by bisection (paper)
DEPTH = 4  # of the bisection at most (paper)


@dataclass(kw_only=True)
class SketchTrainConfig(BaseConfig, DenoiserConfig):
    # A sketch encoder to go on from; none: a copy of the denoiser's spatial layers.
    encoder: str = ""
    # Sketches of the data, XDoG where there are none; the other names draw all anew, auto by the
    # best extractor that is there (the paper: Anime2Sketch).
    sketch: str = option("stored", choices=("stored", "auto", "anime2sketch", "hed", "xdog"))
    scale: float = option(1.0, least=0)  # control scale in training
    # ZeroGate of the paper's ablation: the encoder's output is zero on frames without a sketch.
    gate: bool = False
    steps: int = option(50_000, least=1, free=True)  # updates (the paper's count)
    lr: float = option(1e-5, least=0, free=True)  # the paper's
    optim: OptimConfig = field(default_factory=fine_tuning)


class SketchObjective(nn.Module):
    """Paper eq. 6: the denoiser's error with the encoder's maps, of which the encoder learns."""

    def __init__(self, model: ToonModel, encoder: SketchEncoder, config: SketchTrainConfig) -> None:
        super().__init__()
        self.encoder, self.config = encoder, config
        set_dropout(encoder, config.dropout)
        self.schedule, self.scale = model.schedule, model.config.scale_factor
        # A dict: no submodules.
        self.frozen = {
            "unet": model.unet,
            "vae": model.vae,
            "tokens": ContextEncoder(model, config.drop, train_towers=False),
        }

    @property
    def tokens(self) -> ContextEncoder:
        return self.frozen["tokens"]

    def forward(self, batch: Batch, rng: SampleRNG) -> tuple[Tensor, dict[str, Tensor]]:
        latents = batch_latents(self.frozen["vae"], batch, rng, self.scale)
        x_t, v, t = add_noise(self.schedule, latents, rng, self.config.shift)
        with torch.no_grad():
            context = self.tokens(batch, rng)
        keep = moved(sketched_frames(rng, latents.shape[2]), latents.device)
        out = self._predict(batch, latents, context, keep, x_t, t)
        loss, values = v_loss(out, v, t, self.schedule)
        return loss, {**values, "sketched": keep.float().mean()}

    def predictor(self, batch: Batch, latents: Tensor, rng: SampleRNG) -> Predict:
        """predict(x_t, t) -> v, under the batch's conditions and with the middle frame's sketch."""
        context, frames = self.tokens(batch, rng), latents.shape[2]
        keep = (torch.arange(frames) == frames // 2).expand(len(latents), -1).to(latents.device)
        return partial(self._predict, batch, latents, context, keep)

    def _predict(
        self, batch: Batch, latents: Tensor, context: Tensor, keep: Tensor, x_t: Tensor, t: Tensor
    ) -> Tensor:
        """v with sketches on the frames `keep` (b f)."""
        sketches = moved(batch["sketches"], latents.device) * keep[:, None, :, None, None]
        control = self.encoder(x_t, self.encoder.hint(sketches), t, context, self.config.scale)
        if self.config.gate:
            control = gated(control, sketches)
        joined = torch.cat([x_t, endpoint_condition(latents)], dim=1)
        return self.frozen["unet"](joined, t, context, rates(batch, t.device), control=control)


def objectives(config: SketchTrainConfig, model: ToonModel) -> dict[str, nn.Module]:
    """Beside a model whose parameters are frozen."""
    if config.encoder:
        encoder = toon_core.load(config.encoder, dtype=torch.float32, expect="sketch")
        encoder.requires_grad_(True)
    else:
        encoder = copy_of_spatial_layers(model.unet, SketchEncoder(sketch_for(model.config.unet)))
    device = next(model.unet.parameters()).device
    return {"sketch": SketchObjective(model, encoder.to(device), config)}


class SketchRecipe(DenoiserRecipe):
    parts = ("moments", "text", "image", "sketches")
    result = "sketch_encoder.safetensors"

    def __init__(self, config: SketchTrainConfig, device: torch.device) -> None:
        model = toon_core.load(config.base, dtype=torch.float32, expect="toon").to(device)
        own = objectives(config, model.requires_grad_(False))
        frozen = frozen_parts(model, "unet", "vae", "resampler", "text", "image")
        super().__init__(config, model, own, frozen, config.sketch)
        self.encoder, self.device = self.objective.encoder, device

    def _rows(self, item: dict) -> list[tuple[str, Tensor]]:
        """Truth, its lines as they are trained on, and the clip with the middle frame's and
        without."""
        video, drawn = item["video"], item["sketches"]
        middle = video.shape[1] // 2
        one = torch.zeros_like(drawn)[None]
        one[0, :, middle] = drawn[:, middle]
        control = SketchControl(
            self.encoder, one.to(self.device), self.config.scale, zero_gate=self.config.gate
        )
        made = [sample_window(self.model, self.config, item, c) for c in (control, None)]
        return [
            (caption("truth", item), video),
            (f"its lines, sketch={self.config.sketch}", (2 * drawn - 1).expand_as(video)),
            (f"with frame {middle}'s lines", made[0]),
            ("without lines", made[1]),
        ]

    def export(self, out: Path, facts: dict[str, Any]) -> None:
        save_model(self.encoder, out / self.result, "sketch", self.config, facts)


def sketched_frames(rng: SampleRNG, frames: int) -> Tensor:
    """Which frames get a sketch, (b f) bool: by recursive bisection to a random depth of 1 to
    DEPTH, else a random subset."""
    by_bisection = rng.uniform() < BISECTION
    sets = torch.zeros(DEPTH, frames, dtype=torch.bool)
    for i in range(DEPTH):
        sets[i, [frame - 1 for frame in bisected(1, frames, i + 1)]] = True
    halved = sets[rng.integers(DEPTH)]
    subset = rng.uniform(frames) < rng.uniform()[:, None]
    return torch.where(by_bisection[:, None], halved, subset)


def bisected(i: int, j: int, depth: int) -> list[int]:
    """Frames ceil((i + j) / 2) down to `depth`, counted from 1; interval ends are not chosen."""
    middle = -(-(i + j) // 2)
    if depth == 0 or middle in (i, j):
        return []
    halves = bisected(i, middle, depth - 1) + bisected(middle, j, depth - 1)
    return sorted({middle, *halves})


def copy_of_spatial_layers(unet: nn.Module, encoder: SketchEncoder) -> SketchEncoder:
    """Copy the denoiser's spatial layers; the first convolution keeps its noise channels, and
    temporal and image-token layers are left out."""
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
