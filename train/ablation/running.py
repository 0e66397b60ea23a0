"""Running one run of the plan: from its last checkpoint, or not at all where it is done."""

from __future__ import annotations

import logging
import os
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from train import autoencoder, decoder, pretrain, rectify, sketch
from train.ablation.plan import AblateConfig, Places, Run
from train.engine import loop
from train.engine.config import RunConfig, read
from train.engine.result import finished
from train.natural import RenderConfig

log = logging.getLogger("toon.ablate")

RECIPES = {
    "autoencoder": (autoencoder.AutoencoderConfig, autoencoder.AutoencoderRecipe),
    "pretrain": (pretrain.PretrainConfig, pretrain.PretrainRecipe),
    "rectify": (rectify.RectifyConfig, rectify.RectifyRecipe),
    "decoder": (decoder.DecoderConfig, decoder.DecoderRecipe),
    "sketch": (sketch.SketchTrainConfig, sketch.SketchRecipe),
}


def options(run: Run, places: Places, *more: str) -> RunConfig:
    """Its recipe's options; ValueError naming the run where one is wrong."""
    try:
        words = [f"out={places.out / run.name}", *run.words, *more]
        return read(RECIPES[run.recipe][0], None, words)
    except ValueError as error:
        raise ValueError(f"{run.name}: {error}") from error


def rendering(config: AblateConfig, places: Places) -> RenderConfig:
    """Options of the clips without cartoon; ValueError where one is wrong."""
    own = {"out": places.natural, "size": config.size, **config.natural}
    try:
        return read(RenderConfig, None, [f"{k}={v}" for k, v in own.items()])
    except ValueError as error:
        raise ValueError(f"natural: {error}") from error


def train(run: Run, places: Places, *more: str) -> loop.Run:
    """Go on with it to its last step. SystemExit where it was told to stop."""
    config = options(run, places, *more)
    return loop.run(RECIPES[run.recipe][1], config)


def is_done(run: Run, places: Places) -> bool:
    """Whether its result is there."""
    return finished(places.result(run), options(run, places).steps)


def finish(run: Run, places: Places) -> None:
    """Train it if it is not done; its checkpoints go when it is."""
    if not is_done(run, places):
        log.info("%s", run.name)
        train(run, places)
    shutil.rmtree(places.out / run.name / "checkpoints", ignore_errors=True)


@dataclass
class Spent:
    """Seconds on the clock and of the processor, own and of processes that have ended."""

    wall: float = 0.0
    core: float = 0.0


@contextmanager
def spent() -> Iterator[Spent]:
    """What the block takes; filled in when it ends."""
    found, wall, core = Spent(), time.monotonic(), _core()
    yield found
    found.wall, found.core = time.monotonic() - wall, _core() - core


def _core() -> float:
    """Windows does not count the processes that have ended."""
    times = os.times()
    return times.user + times.system + times.children_user + times.children_system
