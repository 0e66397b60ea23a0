"""A small recipe of two objectives, and its command line: what the engine is tested on.

A little video UNet learns to remove noise that its rng add, and a judge beside it learns to tell
what the UNet made, so that steps have rng, dropout, blocks and several optimizers.

    python tests/train/toy_recipe.py data=none out=DIR [key=value ...] [-- another run ...]

A further run may be a real one: `-- train.NAME key=value ...`.
"""

from __future__ import annotations

import importlib
import json
import os
import sys
import time
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import ClassVar

import numpy as np
import torch
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tensorboard.summary.writer import event_file_writer
from torch import nn

from toon_core.config import UNetConfig
from toon_core.unet.model import VideoUNet
from train.data.windows.dataset import TrainingConfig
from train.engine import loop
from train.engine.config import OptimConfig, RunConfig, RuntimeConfig, parse
from train.engine.options import option, options_of, with_values
from train.engine.renamed import MOVED

SHAPE = (2, 2, 4, 4)  # channels, frames, height, width

# Logs are read in the order of their names, second and number of the file: of two runs in one
# second, number 9 would come after number 10.
event_file_writer._global_uid = event_file_writer.AtomicCounter(10_000)


@dataclass(kw_only=True)
class ToyConfig(TrainingConfig):
    batch: int = 4
    lr: float = option(1e-2, least=0, free=True)
    optim: OptimConfig = field(default_factory=partial(OptimConfig, warmup=1))
    run: RuntimeConfig = field(default_factory=partial(RuntimeConfig, workers=0, log_every=1))
    dropout: float = 0.0
    pause: float = option(0.0, free=True)  # seconds of every step
    # Seconds between writing a checkpoint and naming it.
    slow_save: float = option(0.0, free=True)
    interrupt_step: int = option(-1, free=True)  # which sends this process a signal
    signal: int = option(2, free=True)
    bad_step: int = option(-1, free=True)  # whose loss is not a number
    judge: bool = True
    base: str = ""  # a file that it says to start from

    def resolved(self) -> ToyConfig:
        """Its items come from no folder."""
        return RunConfig.resolved(self)


class Items(torch.utils.data.Dataset):
    def __getitem__(self, index: int) -> dict:
        generator = torch.Generator().manual_seed(index)
        return {"x": torch.rand(SHAPE, generator=generator), "name": str(index)}

    def __len__(self) -> int:
        return 1_000_000

    def stamp(self) -> str:
        return "toys"

    def licences(self) -> list[str]:
        return ["nobody's"]


class Denoise(nn.Module):
    def __init__(self, config: ToyConfig) -> None:
        super().__init__()
        shape = UNetConfig(
            in_channels=SHAPE[0],
            out_channels=SHAPE[0],
            model_channels=8,
            channel_mult=(1,),
            num_res_blocks=1,
            num_head_channels=8,
            attention_resolutions=(1,),
            context_dim=4,
            dropout=config.dropout,
            norm_groups=2,
        )
        self.unet, self.config = VideoUNet(shape), config
        self.seen: dict[int, list[str]] = {}  # names of every step's samples

    def forward(self, batch, rng):
        self._begin(rng.step)
        self.seen.setdefault(rng.step, []).extend(batch["name"])
        x, noise = batch["x"], rng.normal(*SHAPE)
        context = torch.ones(len(x), 78, 4)
        out = self.unet(x + noise, rng.integers(1000), context)
        batch["made"] = out.detach()
        error = (out - noise).square().mean()
        return error * (float("nan") if rng.step == self.config.bad_step else 1), {"l2": error}

    def _begin(self, step: int) -> None:
        time.sleep(self.config.pause)
        if self.config.pause and Path(self.config.out).is_dir():
            Path(self.config.out, "begun").write_text(str(step))
        if step == self.config.interrupt_step:
            os.kill(os.getpid(), self.config.signal)


class Judge(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.net = nn.Sequential(nn.Flatten(), nn.Linear(64, 1))

    def forward(self, batch, rng):
        made, real = self.net(batch["made"]), self.net(batch["x"])
        return (made.tanh() - real.sigmoid()).mean(), {}


class ToyRecipe:
    result = "result.pt"
    frozen: ClassVar = {}

    def __init__(self, config: ToyConfig, device: torch.device) -> None:
        torch.manual_seed(5)
        self.objectives = {"denoise": Denoise(config).to(device)}
        for p in self.objectives["denoise"].unet.out.parameters():
            nn.init.normal_(p, std=0.1)  # they begin at zero, which hides what comes before
        if config.judge:
            self.objectives["judge"] = Judge().to(device)
        self.dataset = Items()

    def held_out_loss(self) -> dict[str, float]:
        return {}

    def sheet(self) -> np.ndarray:
        return np.zeros((4, 4, 3), np.uint8)

    def export(self, out: Path, facts: dict) -> None:
        (out / "result.json").write_text(json.dumps(facts))
        torch.save(self.objectives["denoise"].state_dict(), out / "result.pt")


def toy_config(**options) -> ToyConfig:
    """Options of groups by their last name alone."""
    last = {own.name.rpartition(".")[2]: own.name for own in options_of(ToyConfig)}
    named = {last.get(MOVED.get(k, k).rpartition(".")[2], k): v for k, v in options.items()}
    return with_values(ToyConfig(data="none", out=""), named)


def train(recipe: type[ToyRecipe] = ToyRecipe, **options) -> loop.Run:
    """A run in this process."""
    return loop.run(recipe, toy_config(**options))


def same(a, b) -> bool:
    """Whether two nested states are equal bit for bit."""
    if isinstance(a, torch.Tensor):
        return torch.equal(a, b)
    if isinstance(a, dict):
        return a.keys() == b.keys() and all(same(a[k], b[k]) for k in a)
    if isinstance(a, (list, tuple)):
        return len(a) == len(b) and all(map(same, a, b))
    return a == b


def curve(out: Path, name: str) -> list[float]:
    """The values of a curve of a run, in TensorBoard's log."""
    return [e.value for e in EventAccumulator(str(out / "log")).Reload().Scalars(name)]


def states(job: loop.Run) -> dict:
    """What training has changed, by objective."""
    return {name: state.state_dict() for name, state in job.states.items()}


def tensors(tree: dict) -> list[torch.Tensor]:
    """All tensors of nested dicts: releases of bitsandbytes nest their moments differently."""
    leaves = (tensors(v) if isinstance(v, dict) else [v] for v in tree.values())
    return [v for found in leaves for v in found if isinstance(v, torch.Tensor)]


def main(arguments: list[str]) -> None:
    while arguments:
        end = arguments.index("--") if "--" in arguments else len(arguments)
        _one(arguments[:end])
        arguments = arguments[end + 1 :]


def _one(words: list[str]) -> None:
    if words[0].startswith("train."):
        importlib.import_module(words[0]).main(words[1:])
        return
    config = parse(ToyConfig, words, __doc__)
    if config.slow_save:
        os.fsync = lambda _: time.sleep(config.slow_save)
    loop.run(ToyRecipe, config)


if __name__ == "__main__":
    main(sys.argv[1:])
