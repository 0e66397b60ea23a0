"""nano from nothing in one command: its stages, how long each may take, and one file of all.

Motion first: the noisiest timestep alone, on short and small windows, weighted to what moves; then
all timesteps on whole ones. Every stage is a recipe of its own, with its checkpoints in its folder,
so that a call that is stopped loses little and the next one goes on.
"""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch

from train.data.resident.folder import LayersConfig, read_facts, write_layers
from train.engine import loop
from train.engine.batches import RankShard, batches
from train.engine.checkpoint import is_finished
from train.engine.config import OptimConfig, RunConfig, RuntimeConfig
from train.engine.files import write_text
from train.engine.launch import device_of, start
from train.engine.options import option
from train.engine.state import TrainState
from train.losses.perceptual import PerceptualConfig, perceptual_loss
from train.recipes.assemble import AssembleConfig, assemble
from train.recipes.autoencoder import AutoencoderConfig, AutoencoderRecipe
from train.recipes.decoder import DecoderConfig, DecoderRecipe
from train.recipes.pretrain import PretrainConfig, PretrainRecipe
from train.recipes.sketch import SketchRecipe, SketchTrainConfig

log = logging.getLogger("toon.train")

RESULT = "nano.safetensors"
TRIED = 6  # steps whose time is taken, after as many that are not
LEAST = 20  # seconds that a stage needs to begin with


@dataclass(kw_only=True)
class NanoConfig:
    """Options that are None go by the device."""

    out: str = option("runs/nano", free=True)  # folder of all stages and of the result
    minutes: float = option(9.0, above=0, free=True)  # of a call
    training: float = option(8.0, above=0)  # minutes of all stages' steps together
    steps: int = option(0, least=0)  # of each stage; 0: as many as its share of `training` allows
    # Clips that are drawn: 12,000, on a CPU 256.
    clips: int | None = option(None, least=8, free=True)
    # Prepared clips (train.prepare) with alpha: their figures stand in 30 % of those.
    cutouts: str = ""
    # Pixels, a multiple of 64: 128, on a CPU 64.
    side: int | None = option(None, least=64, free=True)
    frames: int | None = option(None, least=4, free=True)  # of a window: 16, on a CPU 8
    batch: int | None = option(None, least=8, free=True)  # windows of the denoiser: 128, on a CPU 8
    seed: int = 0  # of clips, windows, noise and new layers
    device: str = option("", free=True)  # cpu or cuda; none: a GPU if any
    workers: int = option(0, least=0, free=True)  # processes that draw clips; 0: one a core
    # LPIPS's network in the decoder's loss, as perceptual.net.
    perceptual: str = option("auto", choices=("auto", "vgg", "alex", "hed", "none"))

    def resolved(self) -> NanoConfig:
        if (self.side or 0) % 64:
            raise ValueError(f"side={self.side}: expected a multiple of 64")
        on_gpu = device_of(self.device).type == "cuda"
        clips, side, frames, batch = (12_000, 128, 16, 128) if on_gpu else (256, 64, 8, 8)
        return replace(
            self,
            clips=self.clips or clips,
            side=self.side or side,
            frames=self.frames or frames,
            batch=self.batch or batch,
        )


@dataclass(frozen=True)
class Stage:
    """share: of the training's minutes; options: of its run, from those of all."""

    name: str
    share: float
    recipe: Callable[..., Any]
    options: Callable[[NanoConfig], RunConfig]


def _shared(c: NanoConfig, name: str, batch: int, **own: Any) -> dict[str, Any]:
    """What every stage's run has."""
    on_gpu = device_of(c.device).type == "cuda"
    run = RuntimeConfig(
        device=c.device,
        workers=0,
        save_every=200,
        keep=1,
        log_every=20,
        sample_every=10**6,  # at its beginning and at its end
        sheet_clips=2 if on_gpu else 1,
        held_out=8 if on_gpu else 2,
        checkpointing=False,
    )
    size = {"height": c.side, "width": c.side, "frames": c.frames}
    return {
        "data": str(Path(c.out) / "clips"),
        "out": str(Path(c.out) / name),
        "batch": max(1, batch),
        "seed": c.seed,
        "dtype": "bf16" if on_gpu else "fp32",
        "run": run,
        **size,
        **own,
    }


def _muon(ema: float) -> OptimConfig:
    return OptimConfig(name="muon", cosine=True, warmup=20, ema=ema)


def _part(c: NanoConfig, stage: str, file: str = "model.safetensors") -> str:
    return str(Path(c.out) / stage / file)


def _autoencoder(c: NanoConfig) -> RunConfig:
    own = {"lr": 1e-3, "images": 4, "latent_noise": 0.4, "halved": 0.25, "optim": _muon(0.99)}
    return AutoencoderConfig(**_shared(c, "autoencoder", c.batch // 4, **own))


def _motion(c: NanoConfig) -> RunConfig:
    """Half as large where the network takes it, half as long, and more of them."""
    side = c.side // 2 if c.side % 128 == 0 else c.side
    small = {"height": side, "width": side, "frames": max(4, c.frames // 2)}
    own = {"autoencoder": _part(c, "autoencoder", "autoencoder.safetensors"), "lr": 1e-3, **small}
    return PretrainConfig(
        **_shared(c, "motion", 2 * c.batch, **own, first_step=1.0, moving=4.0, optim=_muon(0.99))
    )


def _denoiser(c: NanoConfig) -> RunConfig:
    own = {"autoencoder": _part(c, "autoencoder", "autoencoder.safetensors"), "lr": 1e-3}
    own |= {
        "init": _part(c, "motion"),
        "first_step": 0.3,
        "shift": 2.0,
        "moving": 2.0,
        "optim": _muon(0.998),
    }
    return PretrainConfig(**_shared(c, "denoiser", c.batch, **own))


def _decoder(c: NanoConfig) -> RunConfig:
    measure = PerceptualConfig(
        weight=0.0 if c.perceptual == "none" else 1.0, net=c.perceptual, frames=2
    )
    own = {"base": _part(c, "denoiser"), "lr": 5e-4, "gan_weight": 0.0, "nearness": True}
    own |= {"latent_noise": 0.3, "matching": 0.03, "perceptual": measure}
    optim = OptimConfig(cosine=True, warmup=20, ema=0.98, betas=(0.5, 0.9))
    return DecoderConfig(**_shared(c, "decoder", c.batch // 8, **own, optim=optim))


def _sketch(c: NanoConfig) -> RunConfig:
    own = {"base": _part(c, "denoiser"), "lr": 2e-3, "sketch": "xdog", "shift": 6.0}
    return SketchTrainConfig(**_shared(c, "sketch", c.batch // 2, **own, optim=_muon(0.0)))


STAGES = (
    Stage("autoencoder", 0.18, AutoencoderRecipe, _autoencoder),
    Stage("motion", 0.17, PretrainRecipe, _motion),
    Stage("denoiser", 0.35, PretrainRecipe, _denoiser),
    Stage("decoder", 0.2, DecoderRecipe, _decoder),
    Stage("sketch", 0.1, SketchRecipe, _sketch),
)


def train_nano(config: NanoConfig) -> Path | None:
    """The model's file, or None where the call's minutes were over before."""
    config = config.resolved()
    end = time.monotonic() + 60 * config.minutes
    # Whether it is there, before anything long.
    perceptual_loss(PerceptualConfig(weight=1.0, net=config.perceptual))
    out = Path(config.out)
    write_layers(
        LayersConfig(
            out=str(out / "clips"),
            count=config.clips,
            held_out=min(24, max(1, config.clips // 8)),
            seed=config.seed,
            cutouts=config.cutouts,
            frames=config.frames * 3 // 2,
            side=config.side,
            workers=config.workers,
        )
    )
    for stage in STAGES:
        if not _train(stage, config, end):
            return None
    file = out / RESULT
    if not file.is_file():
        base, decoder = _part(config, "denoiser"), _part(config, "decoder")
        own, *others = read_facts(out / "clips").licences
        credit = "; ".join([f"puppets of train.puppets, {own}", *others])
        assemble(AssembleConfig(base=base, decoder=decoder, out=str(file), credit=credit))
    return file


def _train(stage: Stage, whole: NanoConfig, end: float) -> bool:
    """Whether the stage is done; it goes on as far as the time allows."""
    config = stage.options(whole).resolved()
    plan = Path(config.out) / "steps.json"
    if plan.is_file():
        steps = json.loads(plan.read_text(encoding="utf-8"))
        if is_finished(Path(config.out) / stage.recipe.result, steps):
            return True
    left = end - time.monotonic()
    if left < LEAST:
        return False
    if not plan.is_file():
        steps = whole.steps or _affordable(stage, config, 60 * stage.share * whole.training)
        write_text(plan, json.dumps(steps) + "\n")
        left = end - time.monotonic()
    log.info("%s: %d steps of %d windows", stage.name, steps, config.batch)
    run = replace(config.run, minutes=max(left, 1) / 60)
    return loop.run(stage.recipe, replace(config, steps=steps, run=run)).step >= steps


def _affordable(stage: Stage, config: RunConfig, seconds: float) -> int:
    """Steps of so many seconds here, by the time of a few."""
    accelerator = start(config)
    recipe = stage.recipe(replace(config, steps=10**6), accelerator.device)
    states = [TrainState(o, config, accelerator) for o in recipe.objectives.values()]
    part = RankShard(batch=config.batch)
    tried = replace(config, steps=2 * TRIED)
    for number, parts in enumerate(batches(recipe.dataset, tried, part, 0)):
        if number == TRIED:
            _wait(accelerator.device)
            begin = time.monotonic()
        for state in states:
            state.step(parts, number)
    _wait(accelerator.device)
    return max(10, round(TRIED * seconds / (time.monotonic() - begin)))


def _wait(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)
