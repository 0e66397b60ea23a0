"""The training loop, the same for every recipe.

A step depends on (seed, step) alone: its data are the items step * batch ..., every sample's
random draws are keyed by (seed, step, its number). So a run that is stopped and resumed equals one
that was not, and several processes do what one does.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import torch
from accelerate import Accelerator
from accelerate.utils import gather_object
from torch import Tensor

from train.engine import checkpoint
from train.engine import config as options
from train.engine.batches import Share, batches
from train.engine.config import RunConfig
from train.engine.journal import Journal
from train.engine.launch import start
from train.engine.objective import Recipe
from train.engine.trained import Trained

log = logging.getLogger("toon.train")


def run(build: Callable[[Any, torch.device], Recipe], config: RunConfig) -> Run | None:
    """Build a recipe, train it as `config` says, and export it."""
    accelerator = start(config)
    job = Run(build(config, accelerator.device), config, accelerator)
    if config.dry_run:
        return None
    job.train()
    return job


class Run:
    """One run of a recipe in the folder `config.out`."""

    def __init__(self, recipe: Recipe, config: RunConfig, accelerator: Accelerator) -> None:
        self.recipe, self.config, self.accelerator = recipe, config, accelerator
        self.out = Path(config.out)
        self.trained = {
            name: Trained(objective, config, accelerator)
            for name, objective in recipe.objectives.items()
        }
        self.step, self.seconds = 0, 0.0
        if not config.dry_run:
            self._resume()

    def _resume(self) -> None:
        state = checkpoint.load_latest(self.out / "checkpoints")
        if state is None:
            return
        self.step, self.seconds = state["step"], state["seconds"]
        for name, trained in self.trained.items():
            trained.load_state_dict(state["objectives"][name])

    def save(self) -> None:
        state = {
            "seconds": self.seconds,
            "objectives": {name: t.state_dict() for name, t in self.trained.items()},
        }
        if self.accelerator.is_main_process:
            checkpoint.save(self.out / "checkpoints", self.step, state, self.config.keep)
        self.accelerator.wait_for_everyone()

    def train(self) -> None:
        """Run to `steps` or until `minutes` are over; the result is exported either way."""
        journal = self._open()
        if self.step == 0:
            self._sheet(journal)
        self._steps(journal)
        self.save()
        self._sheet(journal)
        if journal:
            journal.close()
        with self._averaged() as recipe:
            if self.accelerator.is_main_process:
                recipe.export(self.out, self._facts())
        self.accelerator.wait_for_everyone()

    def _open(self) -> Journal | None:
        if not self.accelerator.is_main_process:
            return None
        self.out.mkdir(parents=True, exist_ok=True)
        options.write(self.config, self.out / "config.yaml")
        return Journal(self.out, self.step, self.config.steps)

    def _steps(self, journal: Journal | None) -> None:
        c, begin = self.config, time.monotonic()
        last = begin
        for pieces in batches(self.recipe.dataset, c, self._share(), self.step):
            values = self._advance(pieces)
            self.seconds += time.monotonic() - last
            last = time.monotonic()
            if journal:
                journal.bar.update()
            if self.step % c.log_every == 0:
                self._log(journal, values)
            if self.step % c.sample_every == 0:
                self._sheet(journal)
            if self.step % c.save_every == 0:
                self.save()
            if c.minutes and time.monotonic() - begin > c.minutes * 60:
                return

    def _share(self) -> Share:
        c, a = self.config, self.accelerator
        return Share(
            batch=c.batch, accumulate=c.accumulate, rank=a.process_index, processes=a.num_processes
        )

    def _advance(self, pieces: list) -> dict[str, Tensor]:
        """One step of every objective."""
        values = {}
        for name, trained in self.trained.items():
            prefix = f"{name}/" if len(self.trained) > 1 else ""
            try:
                found = trained.step(pieces, self.step)
            except FloatingPointError as error:
                kept = checkpoint.found(self.out / "checkpoints")
                last = kept[-1] if kept else "none yet"
                raise ValueError(
                    f"{name}, step {self.step}: {error}; last good checkpoint: {last}"
                ) from error
            values.update({prefix + k: v for k, v in found.items()})
        self.step += 1
        return values

    def _log(self, journal: Journal | None, values: dict[str, Tensor]) -> None:
        """Means over the processes, of what each of them has."""
        numbers = gather_object([{k: float(v) for k, v in values.items()}])
        if journal is None:
            return
        names = dict.fromkeys(k for n in numbers for k in n)
        lists = {k: [n[k] for n in numbers if k in n] for k in names}
        journal.values(self.step, {k: sum(v) / len(v) for k, v in lists.items()})

    def _sheet(self, journal: Journal | None) -> None:
        if journal is None:
            return
        with self._averaged() as recipe, torch.inference_mode():
            journal.sheet(self.step, recipe.sheet())

    @contextmanager
    def _averaged(self) -> Iterator[Recipe]:
        """The recipe with averaged weights, until the block ends."""
        with ExitStack() as stack:
            for trained in self.trained.values():
                stack.enter_context(trained.ema.applied())
            yield self.recipe

    def _facts(self) -> dict[str, Any]:
        return {"step": self.step, "seconds": round(self.seconds), "batch": self.config.batch}
