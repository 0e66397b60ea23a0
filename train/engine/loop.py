"""The training loop, the same for every recipe.

A step depends on (seed, step) alone: its data are the items step * batch ..., every sample's
random draws are keyed by (seed, step, its number). So a run that is stopped and resumed equals one
that was not, and several processes do what one does: but for dropout, whose masks are drawn for a
process's part of a batch at once.
"""

from __future__ import annotations

import logging
import time
from contextlib import AbstractContextManager, closing, nullcontext
from pathlib import Path

import numpy as np
import torch
from accelerate import Accelerator
from torch import Tensor

from train.engine import checkpoint, estimate
from train.engine import config as options
from train.engine.averaged import Averaged
from train.engine.batches import Piece, Share, batches
from train.engine.blocks import recompute
from train.engine.claim import check_out, claimed
from train.engine.config import RunConfig
from train.engine.history import History
from train.engine.journal import Journal, over_processes
from train.engine.launch import start
from train.engine.objective import Build, Recipe
from train.engine.result import exported, refuse_own_source
from train.engine.stop import Stop
from train.engine.trained import Trained
from train.engine.watch import SELDOM, Most, watched

log = logging.getLogger("toon.train")


def run(build: Build, config: RunConfig) -> Run:
    """Build a recipe, say what it will need, train it as `config` says and export it.

    SystemExit 128 + n after signal n: the state is saved, and the same command goes on.
    """
    config = config.resolved()
    accelerator = start(config)
    with _own_folder(config, accelerator):
        return _run(build, config, accelerator)


def _own_folder(config: RunConfig, accelerator: Accelerator) -> AbstractContextManager:
    """Of the first process, unless nothing is written."""
    out = Path(config.out)
    if accelerator.is_main_process and not config.dry_run:
        return claimed(out, config.data)
    check_out(out, config.data)
    return nullcontext()


def _run(build: Build, config: RunConfig, accelerator: Accelerator) -> Run:
    recipe = build(config, accelerator.device)
    if config.checkpointing:
        for objective in recipe.objectives.values():
            recompute(objective)
    job = Run(recipe, config, accelerator, build)
    if job.done:
        log.info("%s has its result of step %d: nothing to do", job.out, job.step)
        return job
    job.estimate()
    if not config.dry_run:
        with watched(accelerator.device, SELDOM) as job.most:
            job.train()
        estimate.report_peak(job.most)
    return job


class Run:
    """One run of a recipe in the folder `config.out`."""

    def __init__(
        self, recipe: Recipe, config: RunConfig, accelerator: Accelerator, build: Build
    ) -> None:
        self.recipe, self.config, self.accelerator, self.build = recipe, config, accelerator, build
        self.out = Path(config.out)
        refuse_own_source(config, self.out / recipe.result)
        self.checkpoints = self.out / "checkpoints"
        self.trained = {
            name: Trained(objective, config, accelerator)
            for name, objective in recipe.objectives.items()
        }
        self.averaged = Averaged(recipe, self.trained, config, accelerator, build)
        self.journal: Journal | None = None  # the first process's
        self.expected: estimate.Estimate | None = None
        self.most = Most()  # memory while it trained
        self._first: np.ndarray | None = None  # sheet of the start
        self.history = History(config, recipe.dataset.stamp())
        self.step, self.seconds, self._saved, self.done = 0, 0.0, -1, False
        if not config.dry_run:
            self._resume()

    def estimate(self) -> None:
        """Say what it will need; the sheet that is drawn for it is the one of the start."""
        data, n = self.recipe.dataset, self.accelerator.num_processes
        self.expected = estimate.report(self.trained, data, self.config, n, self._draw_first)

    def _draw_first(self) -> None:
        self._first = self.averaged.sheet()

    def _resume(self) -> None:
        state = checkpoint.load_latest(self.checkpoints)
        if state is None:
            return
        self.history.go_on(state)
        self.step, self.seconds, self._saved = state["step"], state["seconds"], state["step"]
        for name, trained in self.trained.items():
            trained.load_state_dict(state["objectives"][name])
        if self.accelerator.scaler and "scaler" in state:
            self.accelerator.scaler.load_state_dict(state["scaler"])
        self.done = self.step >= self.config.steps and exported(self.out, self.step)

    def save(self) -> None:
        """OSError where it cannot be written, ValueError where the weights are no numbers."""
        if self._saved == self.step:
            return
        self._check_weights()
        state = {
            **self.history.state_dict(),
            "seconds": self.seconds,
            "objectives": {name: t.state_dict() for name, t in self.trained.items()},
        }
        if self.accelerator.scaler:
            state["scaler"] = self.accelerator.scaler.state_dict()
        if self.accelerator.is_main_process:
            checkpoint.save(self.checkpoints, self.step, state, self.config.keep)
        self._saved = self.step
        self.accelerator.wait_for_everyone()

    def train(self) -> None:
        """Run to `steps` or until `minutes` are over; the result is exported either way."""
        self._open()
        try:
            if self.step == 0:
                self._show(self._first)
            with Stop(self.accelerator, self.config.minutes) as stop:
                self._steps(stop)
                self.save()
            if stop.signal is not None:
                log.warning("stopped at step %d; the same command goes on from it", self.step)
                raise SystemExit(128 + stop.signal)
            self._finish()
        finally:
            if self.journal:
                self.journal.close()

    def _open(self) -> None:
        if self.accelerator.is_main_process:
            self.out.mkdir(parents=True, exist_ok=True)
            options.write(self.config, self.out / "config.yaml")
            self.journal = Journal(self.out, self.step, self.config.steps)

    def _steps(self, stop: Stop) -> None:
        c, last = self.config, time.monotonic()
        with closing(batches(self.recipe.dataset, c, self._share(), self.step)) as steps:
            for pieces in steps:
                values = self._advance(pieces)
                self.seconds += time.monotonic() - last
                last = time.monotonic()
                self._note(values)
                if stop.wanted():
                    return

    def _note(self, values: dict[str, Tensor]) -> None:
        c = self.config
        if self.journal:
            self.journal.bar.update()
        if self.step % c.log_every == 0:
            self._log(values)
        if self.step % c.save_every == 0:
            self.save()
        if self.step % c.sample_every == 0:
            self._sheet()

    def _share(self) -> Share:
        c, a = self.config, self.accelerator
        return Share(
            batch=c.batch, accumulate=c.accumulate, rank=a.process_index, processes=a.num_processes
        )

    def _advance(self, pieces: list[Piece]) -> dict[str, Tensor]:
        """One step of every objective."""
        values = {}
        for name, trained in self.trained.items():
            prefix = f"{name}/" if len(self.trained) > 1 else ""
            try:
                found = trained.step(pieces, self.step)
            except FloatingPointError as error:
                raise ValueError(self._diverged(name, str(error))) from error
            values.update({prefix + k: v for k, v in found.items()})
        self.step += 1
        return values

    def _check_weights(self) -> None:
        """Of all processes, so that they end together."""
        for name, trained in self.trained.items():
            bad = torch.tensor(float(not trained.sound()), device=self.accelerator.device)
            if float(self.accelerator.gather(bad[None]).max()):
                reason = "its weights are not finite, or too large for half precision"
                raise ValueError(self._diverged(name, reason))

    def _diverged(self, name: str, reason: str) -> str:
        last = checkpoint.last_good(self.checkpoints)
        text = (
            f"{name}, step {self.step}: {reason}; last good checkpoint: {last}. A lower lr or "
            "clip_norm may help: the same command goes on from there with either"
        )
        if self._saved == self.step:
            text += ". If it fails here again, that one is spoiled, too: delete it to go on from "
            text += "the one before"
        return text

    def _log(self, values: dict[str, Tensor]) -> None:
        means = over_processes({k: float(v) for k, v in values.items()})
        if self.journal:
            self.journal.values(self.step, means)

    def _sheet(self) -> None:
        self._show(self.averaged.sheet())

    def _show(self, picture: np.ndarray | None) -> None:
        if self.journal and picture is not None:
            self.journal.sheet(self.step, picture)

    def _finish(self) -> None:
        if self.step % self.config.sample_every:
            self._sheet()
        with self.averaged.recipe(export=True) as recipe:
            if recipe:
                self._export(recipe)
        self.accelerator.wait_for_everyone()

    def _export(self, recipe: Recipe) -> None:
        facts = {"step": self.step, "seconds": round(self.seconds), "batch": self.config.batch}
        try:
            found = {"data_stamp": self.history.stamp, "history": self.history.changes}
            recipe.export(self.out, {**facts, **found})
        except OSError as error:
            raise OSError(
                f"{error}. Last good checkpoint: {checkpoint.last_good(self.checkpoints)}. Start "
                "the run again when this is mended: it only writes its result"
            ) from error
