"""The training loop, the same for every recipe.

A step depends on (seed, step) alone: its data are the items step * batch ..., every sample's
random numbers are keyed by (seed, step, its number). So a run that is stopped and resumed equals
one that was not, and several processes do what one does: but for dropout, whose masks are drawn
for a process's part of the batch at once.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from contextlib import closing
from math import isnan
from pathlib import Path

import torch
from accelerate import Accelerator
from accelerate.utils import broadcast
from torch import Tensor

from train.engine import checkpoint, estimate
from train.engine import config as options
from train.engine.batches import MicroBatch, RankShard, batches, collate
from train.engine.checkpoint import RunHistory
from train.engine.config import RunConfig
from train.engine.estimate import SELDOM, PeakMemory, as_size, present, track_peak
from train.engine.launch import launched
from train.engine.logger import RunLogger
from train.engine.objective import Build, Recipe
from train.engine.state import AveragedRecipe, TrainState, set_checkpointing
from train.engine.stop import EarlyStopping, Stop

log = logging.getLogger("toon.train")

BEST = "best"  # folder of the best state's checkpoint, inside that of the others


def run(build: Build, config: RunConfig) -> Run:
    """Build a recipe, train it as `config` says and export it.

    SystemExit 128 + n after signal n: the state is saved, and the same command goes on.
    """
    config = config.resolved()
    with launched(config) as accelerator:
        recipe = build(config, accelerator.device)
        job = Run(recipe, config, accelerator, build)
        if job.done:
            log.info("%s has its result of step %d: nothing to do", job.out, job.step)
        elif config.dry_run:
            job.estimate()
        else:
            with track_peak(accelerator.device, SELDOM) as job.peak:
                job.train()
            log.info("memory at its peak: %s", as_size(job.peak.bytes))
        return job


class Run:
    """One run of a recipe in the folder `config.out`."""

    def __init__(
        self, recipe: Recipe, config: RunConfig, accelerator: Accelerator, build: Build
    ) -> None:
        self.config, self.accelerator, self.recipe = config, accelerator, recipe
        self.out = Path(config.out)
        self.checkpoints = self.out / "checkpoints"
        self.history = RunHistory(config, recipe.dataset.stamp(), self.out / recipe.result)
        begun = None if config.dry_run else self.history.resume(self.checkpoints)
        networks = (*recipe.objectives.values(), *recipe.frozen.values())
        set_checkpointing(networks, bool(config.run.checkpointing))
        self.states = {
            name: TrainState(objective, config, accelerator)
            for name, objective in recipe.objectives.items()
        }
        self.averaged = AveragedRecipe(recipe, self.states, config, accelerator, build)
        self.logger: RunLogger | None = None  # the first process's
        self.expected: estimate.Estimate | None = None
        self.peak = PeakMemory()  # while it trained
        self.stopping, self.done = EarlyStopping(config.run.patience), False
        self.step, self.seconds, self._saved = 0, 0.0, -1
        self._logged = (0, 0.0)  # step and seconds of the last line of the curves
        if begun is not None:
            self._resume(begun)

    def estimate(self) -> None:
        """Try steps and a sheet, and say what the run will need."""
        n = self.accelerator.num_processes
        self.expected = estimate.report(self.states, self._dry_run, self.config, n, self._evaluate)

    def _dry_run(self, samples: int) -> Callable[[], None]:
        """What a step of so many samples does, but for the update; the second part of a step finds
        the gradients of the first."""
        items = [self.recipe.dataset[i] for i in range(samples)]
        parts = range(min(self.config.run.accumulate, 2))

        def steps() -> None:
            batch = [MicroBatch(collate(items), range(samples)) for _ in parts]
            for state in self.states.values():
                # As in the last step: all of a loss is switched on.
                state.dry_step(batch, self.config.steps - 1)

        return steps

    def _resume(self, state: dict) -> None:
        self._load(state)
        self.stopping.load_state_dict(state.get("early_stopping", {}))
        at_end = self.step >= self.config.steps
        result = self.stopping.best_step if self.stopping.over else self.step
        self.done = (at_end or self.stopping.over) and self.history.exported == result

    def _load(self, state: dict) -> None:
        self.step, self.seconds, self._saved = state["step"], state["seconds"], state["step"]
        self._logged = (self.step, self.seconds)
        for name, own in self.states.items():
            own.load_state_dict(state["objectives"][name])
        if self.accelerator.scaler and "scaler" in state:
            self.accelerator.scaler.load_state_dict(state["scaler"])

    def save(self) -> None:
        """OSError where it cannot be written, ValueError where the weights are no numbers."""
        if self._saved != self.step:
            self._write(self.checkpoints, self.config.run.keep)
            self._saved = self.step

    def _write(self, folder: Path, keep: int) -> None:
        self._check_weights()
        state = {
            **self.history.state_dict(),
            "seconds": self.seconds,
            "early_stopping": self.stopping.state_dict(),
            "objectives": {name: own.state_dict() for name, own in self.states.items()},
        }
        if self.accelerator.scaler:
            state["scaler"] = self.accelerator.scaler.state_dict()
        if self.accelerator.is_main_process:
            checkpoint.save(folder, self.step, state, keep)
        self.accelerator.wait_for_everyone()

    def train(self) -> None:
        """Run to `steps`, until `minutes` are over or the held-out loss falls no more; the result
        is exported either way."""
        self._open()
        try:
            if self.step == 0:
                self._evaluate()
            with Stop(self.accelerator, self.config.run.minutes) as stop:
                if not self.stopping.over:
                    self._steps(stop)
                self.save()
            if stop.signal is not None:
                log.warning("stopped at step %d; the same command goes on from it", self.step)
                raise SystemExit(128 + stop.signal)
            self._finish()
        finally:
            if self.logger:
                self.logger.close()

    def _open(self) -> None:
        if self.accelerator.is_main_process:
            self.out.mkdir(parents=True, exist_ok=True)
            options.write(self.config, self.out / "config.yaml")
            self.logger = RunLogger(self.out, self.step, self.config.steps)

    def _steps(self, stop: Stop) -> None:
        c, a, last = self.config, self.accelerator, time.monotonic()
        part = RankShard(
            batch=c.batch,
            accumulate=c.run.accumulate,
            rank=a.process_index,
            processes=a.num_processes,
        )
        with closing(batches(self.recipe.dataset, c, part, self.step)) as steps:
            for parts in steps:
                values = self._advance(parts)
                self.seconds += time.monotonic() - last
                last = time.monotonic()
                self._after_step(values)
                if self.stopping.over or stop.requested():
                    return

    def _after_step(self, values: dict[str, Tensor]) -> None:
        c = self.config.run
        if self.logger:
            self.logger.bar.update()
        if self.step % c.log_every == 0:
            self._log(values)
        if self.step % c.sample_every == 0:
            self._evaluate()
        if self.step % c.save_every == 0:
            self.save()

    def _advance(self, parts: list[MicroBatch]) -> dict[str, Tensor]:
        """One step of every objective."""
        values = {}
        for name, state in self.states.items():
            prefix = f"{name}/" if len(self.states) > 1 else ""
            try:
                found = state.step(parts, self.step)
            except FloatingPointError as error:
                raise ValueError(self._diverged(name, str(error))) from error
            values.update({prefix + k: v for k, v in found.items()})
        self.step += 1
        return values

    def _check_weights(self) -> None:
        """Of all processes, so that they end together."""
        for name, state in self.states.items():
            bad = torch.tensor(float(not state.is_sound()), device=self.accelerator.device)
            if float(self.accelerator.gather(bad[None]).max()):
                reason = "its weights are not finite, or too large for half precision"
                raise ValueError(self._diverged(name, reason))

    def _diverged(self, name: str, reason: str) -> str:
        last = checkpoint.last_good(self.checkpoints)
        text = (
            f"{name}, step {self.step}: {reason}; last good checkpoint: {last}. A lower lr or "
            "optim.clip_norm may help: the same command goes on from there with either"
        )
        if self._saved == self.step:
            text += ". If it fails here again, that one is spoiled, too: delete it to go on from "
            text += "the one before"
        return text

    def _log(self, values: dict[str, Tensor]) -> None:
        """The mean over the processes that have a number; beside it the rate, the time of a step
        since the last line (s), clips a second, and memory now (GiB)."""
        own = torch.tensor([float(v) for v in values.values()], device=self.accelerator.device)
        means = dict(
            zip(values, self.accelerator.gather(own[None]).nanmean(0).tolist(), strict=True)
        )
        steps, seconds = self.step - self._logged[0], self.seconds - self._logged[1]
        self._logged = (self.step, self.seconds)
        if self.logger:
            first = next(iter(self.states.values()))
            means["run/lr"] = first.optimizer.param_groups[0]["lr"]
            means["run/step_seconds"] = seconds / steps
            means["run/clips_per_second"] = steps * self.config.batch / max(seconds, 1e-9)
            means["run/memory_gib"] = present(self.accelerator.device) / 2**30
            self.logger.values(self.step, means)

    def _evaluate(self) -> None:
        """A sheet and the held-out loss of the averaged weights; its best state is kept where
        early stopping is on."""
        c, found = self.config.run, {}
        if c.sheet_clips or c.held_out:
            with self.averaged.shown() as recipe:
                if recipe:
                    found = recipe.held_out_loss()
                    picture = recipe.sheet() if c.sheet_clips else None
                    if self.logger and picture is not None:
                        self.logger.sheet(self.step, picture)
        loss = torch.tensor(found.get("loss", float("nan")), device=self.accelerator.device)
        loss = float(broadcast(loss))  # the first process's, on all
        if self.config.dry_run or isnan(loss):
            return
        if self.logger:
            self.logger.values(self.step, {f"held_out/{k}": v for k, v in found.items()})
        if self.step and self.stopping.note(self.step, loss) and c.patience:
            self._write(self.checkpoints / BEST, keep=1)
        if self.stopping.over:
            log.info(
                "the held-out loss has not fallen for %d evaluations: the result is step %d's",
                self.stopping.since,
                self.stopping.best_step,
            )

    def _finish(self) -> None:
        if self.step % self.config.run.sample_every:
            self._evaluate()
        if self.stopping.over and (best := checkpoint.load_latest(self.checkpoints / BEST)):
            self._load(best)
        with self.averaged.recipe(export=True) as recipe:
            if recipe:
                self._export(recipe)
        self.accelerator.wait_for_everyone()

    def _export(self, recipe: Recipe) -> None:
        facts = {
            "step": self.step,
            "seconds": round(self.seconds),
            "batch": self.config.batch,
            "data_stamp": self.history.stamp,
            "licences": self.recipe.dataset.licences(),
            "history": self.history.changes,
        }
        try:
            recipe.export(self.out, facts)
        except OSError as error:
            raise OSError(
                f"{error}. Last good checkpoint: {checkpoint.last_good(self.checkpoints)}. Start "
                "the run again when this is mended: it only writes its result"
            ) from error
