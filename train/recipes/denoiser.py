"""What the denoiser's recipes share: options, the objective of eq. 2, sample sheets, the result."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor, nn

from toon_core import presets
from toon_core.model import ToonModel
from toon_core.pipeline import interpolate_any_size
from toon_core.recipe import Recipe
from toon_core.sketch.control import SketchControl
from train.data.source import held_out, open_windows
from train.engine.batches import Batch, SampleRNG, collate
from train.engine.export import save_model
from train.engine.logger import caption, labelled_rows
from train.engine.options import option
from train.losses.diffusion import add_noise, clip_errors, endpoint_condition, v_loss
from train.recipes.conditioning import ContextEncoder, Predict, batch_latents, predictor, rates
from train.recipes.defaults import Defaults, ScaledConfig

TIMES = (124, 374, 624, 874)  # of the held-out loss: the middles of four bands
FIRST = 999  # the timestep at which sampling begins


@dataclass(kw_only=True)
class SheetConfig:
    """What sample sheets have in place of the released recipe's: quicker."""

    steps: int | None = option(None, least=1, free=True)  # of DDIM
    cfg_scale: float | None = option(None, least=1, free=True)  # guidance
    temperature: float | None = option(None, least=0, most=1, free=True)  # of all noise


@dataclass(kw_only=True)
class DenoiserConfig(ScaledConfig):
    # Each of: no prompt, no image, neither, in such a share of the clips (the base's habit).
    drop: float = option(0.05, least=0, most=0.33)
    # In the res blocks of what trains; none: the model's own, 0.1 in the released one.
    dropout: float | None = option(None, least=0, below=1)
    # Above 1: more of the noisy timesteps, u of [0, 1) becomes shift u / (1 + (shift - 1) u)
    # (Esser et al. 2024, eq. 23).
    shift: float = option(1.0, above=0)
    sheet: SheetConfig = field(default_factory=SheetConfig)

    FULL: ClassVar[Defaults] = {
        **ScaledConfig.FULL,
        **{"sheet.steps": 12, "sheet.cfg_scale": 2.0, "sheet.temperature": 1.0},
    }
    SMALL: ClassVar[Defaults] = {
        **ScaledConfig.SMALL,
        "sheet.steps": presets.SMALL.steps,
        "sheet.cfg_scale": presets.SMALL.cfg_scale,
        "sheet.temperature": presets.SMALL.temperature,
    }


class DenoiserObjective(nn.Module):
    """Paper eq. 2 on the UNet and the projector of a model; its autoencoder is only used."""

    def __init__(self, model: ToonModel, config: DenoiserConfig, train_towers: bool) -> None:
        super().__init__()
        self.unet = model.unet
        set_dropout(model.unet, config.dropout)
        self.tokens = ContextEncoder(model, config.drop, train_towers)
        self.config, self.schedule, self.scale = config, model.schedule, model.config.scale_factor
        self.frozen = {"vae": model.vae}  # a dict: no submodule

    def forward(self, batch: Batch, rng: SampleRNG) -> tuple[Tensor, dict[str, Tensor]]:
        latents = batch_latents(self.frozen["vae"], batch, rng, self.scale)
        x_t, v, t = self._add_noise(latents, rng)
        out = self.predictor(batch, latents, rng)(x_t, t)
        return v_loss(out, v, t, self.schedule, self._weight(latents))

    def _add_noise(self, latents: Tensor, rng: SampleRNG) -> tuple[Tensor, Tensor, Tensor]:
        """x_t, v and t."""
        return add_noise(self.schedule, latents, rng, self.config.shift)

    def _weight(self, latents: Tensor) -> Tensor | None:
        """Of places in the loss; None: all alike."""
        return None

    def predictor(self, batch: Batch, latents: Tensor, rng: SampleRNG) -> Predict:
        """predict(x_t, t) -> v, under the batch's conditions."""
        context, fs = self.tokens(batch, rng), rates(batch, latents.device)
        return predictor(self.unet, endpoint_condition(latents), context, fs)


def errors_at(objective: Any, batch: Batch, rng: SampleRNG, times: Sequence[int]) -> Tensor:
    """Mean squared errors of v over all clips, at given timesteps: (times,)."""
    latents = batch_latents(objective.frozen["vae"], batch, rng, objective.scale)
    predict, found = objective.predictor(batch, latents, rng), []
    for time in times:
        t = torch.full((len(latents),), time, device=latents.device)
        eps = rng.normal(*latents.shape[1:]).to(latents)
        x_t, v = objective.schedule.add_noise(latents, eps, t)
        found.append(clip_errors(predict(x_t, t), v).mean())
    return torch.stack(found)


def held_out_errors(objective: Any, items: Sequence[dict]) -> dict[str, float]:
    """Over held-out clips, without dropout of any kind: `loss`, the mean over TIMES, and the error
    at each of these timesteps and at the first one of sampling."""
    if not items:
        return {}
    objective.eval()
    tokens, (drop, objective.tokens.drop) = objective.tokens, (objective.tokens.drop, 0.0)
    times = (*TIMES, FIRST)
    errors = [
        errors_at(objective, collate([item]), SampleRNG(0, 0, [i]), times)
        for i, item in enumerate(items)
    ]
    objective.train()
    tokens.drop = drop
    means = torch.stack(errors).mean(0).tolist()
    by_time = {f"t{time:03d}": error for time, error in zip(times, means, strict=True)}
    return {"loss": sum(means[: len(TIMES)]) / len(TIMES), **by_time}


def set_dropout(network: nn.Module, p: float | None) -> None:
    """Set the dropout of all its blocks in place; None leaves them."""
    if p is None:
        return
    for module in network.modules():
        if isinstance(module, nn.Dropout):
            module.p = p


def sheet_recipe(config: DenoiserConfig, fps: int) -> Recipe:
    """How a sheet is sampled."""
    own = {"frames": config.frames, "fps": fps, "replace_middle_frames": False}
    return replace(presets.RELEASED, **own, **vars(config.sheet))


def sample_window(
    model: ToonModel, config: DenoiserConfig, item: dict, control: SketchControl | None = None
) -> Tensor:
    """A window from its ends alone, (3 f h w) in [-1, 1]. In little memory, so that a sheet needs
    less than training."""
    keys, recipe = item["video"][:, [0, -1]].movedim(1, 0), sheet_recipe(config, item["fs"])
    made = interpolate_any_size(model, keys, item["prompt"], recipe, control=control, lean=True)
    return made.movedim(0, 1)


class DenoiserRecipe:
    """A model whose denoiser is trained, or an encoder beside it, by one objective; recipes differ
    in what of it they train. What they do not train stays in eval mode. `parts` is what they take
    of a cache's items: all that the frozen networks give."""

    parts: tuple[str, ...] = ("moments", "text", "image")
    made_by = "base"  # the option that names the model whose encoders a cache must have
    result = "model.safetensors"

    def __init__(
        self,
        config: DenoiserConfig,
        model: ToonModel,
        objectives: dict[str, nn.Module],
        frozen: Mapping[str, nn.Module],
        sketch: str = "stored",
    ) -> None:
        self.config, self.model = config, model.eval()
        self.objectives, self.frozen = objectives, frozen
        (self.objective,) = objectives.values()
        items, run = config.steps * config.batch, config.run
        own = {"sketch": sketch, "made_by": self.made_by}
        self.dataset = open_windows(config, items, self.parts, model, **own)
        shown = ("video", *(part for part in self.parts if part == "sketches"))
        self.shown, self.scored = held_out(config, run.sheet_clips, run.held_out, shown, sketch)

    def held_out_loss(self) -> dict[str, float]:
        return held_out_errors(self.objective, self.scored)

    def sheet(self) -> np.ndarray:
        self.objective.eval()
        rows = [row for item in self.shown for row in self._rows(item)]
        self.objective.train()
        return labelled_rows(rows)

    def _rows(self, item: dict) -> list[tuple[str, Tensor]]:
        """Truth, then the sample."""
        made = sample_window(self.model, self.config, item)
        truth = (caption("truth", item), item["video"])
        return [truth, ("sampled from its first and last frame", made)]

    def export(self, out: Path, facts: dict[str, Any]) -> None:
        self.objective.eval()
        save_model(self.model, out / self.result, "denoiser", self.config, facts)


def frozen_parts(model: ToonModel, *names: str) -> dict[str, nn.Module]:
    """Those parts of a model, by name."""
    return {name: getattr(model, name) for name in names}
