"""What the denoiser's recipes share: options, the objective of eq. 2, sample sheets, the result."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor, nn

from toon_core import presets
from toon_core.model import ToonModel
from toon_core.pipeline import interpolate
from toon_core.sketch.control import SketchControl
from train.conditions import Tokens, clip_latents, rates, sampled
from train.data.source import held_out, open_windows
from train.engine import sheets
from train.engine.draws import Draws
from train.engine.objective import Batch
from train.engine.result import save_model
from train.losses.decoded import DecodedDistance
from train.losses.diffusion import ends_only, noised, v_loss
from train.scale import Options, ScaledConfig
from train.stepping import Predict, predictor


def _sheets(steps: int, cfg: float, temperature: float) -> Options:
    return {"sheet_steps": steps, "sheet_cfg": cfg, "sheet_temperature": temperature}


@dataclass(kw_only=True)
class DenoisingConfig(ScaledConfig):
    drop: float = 0.05  # share p of each kind of condition dropout
    semantic_frame: str = "first"  # the image condition's frame of a clip; or last, random
    dropout: float | None = None  # in the res blocks of what trains; none: the model's own
    weighting: str = "plain"  # of the steps' errors: plain or min_snr
    shift: float = 1.0  # above 1: more of the noisy timesteps (Esser et al. 2024, eq. 23)
    sheet_steps: int | None = None  # DDIM steps of a sample sheet
    sheet_cfg: float | None = None
    sheet_temperature: float | None = None

    FREE: ClassVar[tuple[str, ...]] = (
        *ScaledConfig.FREE,
        *("sheet_steps", "sheet_cfg", "sheet_temperature"),
    )
    FULL: ClassVar[Options] = {**ScaledConfig.FULL, **_sheets(12, 2.0, 1.0)}
    SMALL: ClassVar[Options] = {
        **ScaledConfig.SMALL,
        **_sheets(presets.SMALL.steps, presets.SMALL.cfg_scale, presets.SMALL.temperature),
    }


class DenoiserObjective(nn.Module):
    """Paper eq. 2 on the UNet and the projector of a model; its autoencoder is only used."""

    def __init__(
        self,
        model: ToonModel,
        config: DenoisingConfig,
        train_towers: bool,
        decoded: DecodedDistance | None = None,
    ) -> None:
        """decoded: a second term, times `config.lambda_p`."""
        super().__init__()
        self.unet = model.unet
        set_dropout(model.unet, config.dropout)
        self.tokens = Tokens(model, config.drop, train_towers, config.semantic_frame)
        self.config = config
        self._others = (model, decoded)  # no submodules: not trained here

    def forward(self, batch: Batch, draws: Draws) -> tuple[Tensor, dict[str, Tensor]]:
        model, _ = self._others
        latents = batch_latents(model, batch, draws)
        x_t, v, t = noised(model.schedule, latents, draws, self.config.shift)
        out = self.predictor(batch, ends_only(latents), draws)(x_t, t)
        loss, values = v_loss(out, v, t, model.schedule, self.config.weighting)
        return self.with_distance(loss, values, model.schedule.x0(x_t, out, t), latents, draws)

    def predictor(self, batch: Batch, ends: Tensor, draws: Draws) -> Predict:
        """The denoiser that trains, under the batch's conditions."""
        context, fs = self.tokens(batch, draws), rates(batch, ends.device)
        return predictor(self.unet, ends, context, fs)

    def with_distance(
        self,
        loss: Tensor,
        values: dict[str, Tensor],
        estimate: Tensor,
        latents: Tensor,
        draws: Draws,
    ) -> tuple[Tensor, dict[str, Tensor]]:
        """A loss and its values, with the distance of the decoded estimate of x0 where asked."""
        _, decoded = self._others
        if decoded is None:
            return loss, values
        distance = decoded(estimate, latents, draws)
        return loss + self.config.lambda_p * distance, values | {"lpips": distance.detach()}


def set_dropout(network: nn.Module, p: float | None) -> None:
    """Of all its blocks, in place; None leaves them. ValueError where it is no share."""
    if p is None:
        return
    if not 0 <= p < 1:
        raise ValueError(f"dropout={p}: expected a share, 0 or more and below 1")
    for module in network.modules():
        if isinstance(module, nn.Dropout):
            module.p = p


def batch_latents(model: ToonModel, batch: Batch, draws: Draws) -> Tensor:
    """Scaled samples (b z f h w): of cached posteriors, or of the video's."""
    device, scale = next(model.unet.parameters()).device, model.config.scale_factor
    if "moments" in batch:
        return scale * sampled(batch["moments"].to(device), draws)
    return clip_latents(model.vae, batch["video"].to(device), draws, scale)


class Samples:
    """Held-out windows and what a model makes of their ends."""

    def __init__(self, config: DenoisingConfig, device: torch.device) -> None:
        self.config, self.device = config, device
        self.items = held_out(config)

    def sheet(self, model: ToonModel) -> np.ndarray:
        """Truth, then the sample, for every window."""
        rows = [row for item in self.items for row in (item["video"], self.sampled(model, item))]
        return sheets.rows(rows)

    def sampled(self, model: ToonModel, item: dict, control: SketchControl | None = None) -> Tensor:
        """A window from its ends alone, (3 f h w) in [-1, 1]."""
        c = self.config
        recipe = replace(
            presets.RELEASED,
            frames=c.frames,
            fps=item["fs"],
            steps=c.sheet_steps,
            cfg_scale=c.sheet_cfg,
            temperature=c.sheet_temperature,
            replace_middle_frames=False,
        )
        first, last = (item["video"][None, :, i].to(self.device) for i in (0, -1))
        # One branch and one frame at a time: a sheet should need less memory than training.
        frames = interpolate(
            model,
            first,
            last,
            item["prompt"],
            recipe=recipe,
            control=control,
            batched=False,
            frames_at_once=1,
        )
        return frames[0].clamp(-1, 1).cpu()


class DenoiserRecipe:
    """A model whose denoiser is trained; recipes differ in what of it they train. What they do
    not train stays in eval mode. `parts` is what they take of a cache's items: all that the
    frozen networks give."""

    parts: tuple[str, ...] = ("moments", "text", "image")
    result = "model.safetensors"

    def __init__(
        self, config: DenoisingConfig, model: ToonModel, device: torch.device, objective: nn.Module
    ) -> None:
        self.config, self.model = config, model.eval()
        self.objectives = {"denoiser": objective}
        items = config.steps * config.batch
        self.dataset = open_windows(config, "train", items, self.parts, self.model)
        self.samples = Samples(config, device)

    def sheet(self) -> np.ndarray:
        objective = self.objectives["denoiser"].eval()
        picture = self.samples.sheet(self.model)
        objective.train()
        return picture

    def export(self, out: Path, facts: dict[str, Any]) -> None:
        self.objectives["denoiser"].eval()
        save_model(self.model, out / self.result, "denoiser", self.config, facts)
