"""What the whole ablation will cost, measured before it starts on a few steps of every recipe."""

from __future__ import annotations

import json
import logging
import shutil
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from train.ablation import rectification, running
from train.ablation.plan import (
    AblateConfig,
    Places,
    Run,
    base_runs,
    decoder_run,
    plan,
    rectify_run,
    sketch_run,
)
from train.engine.result import manifest_of
from train.eval.clips import read_testset
from train.eval.store import write_json
from train.natural import render

log = logging.getLogger("toon.ablate")


@dataclass(frozen=True, kw_only=True)
class Cost:
    """One line of the budget: `times` a piece of work of so many seconds of a core (or GPU)."""

    what: str
    times: int
    seconds: float

    @property
    def hours(self) -> float:
        return self.times * self.seconds / 3600


def stated(config: AblateConfig, places: Places) -> list[Cost]:
    """The budget of an earlier call, or one measured now; written to budget.json and budget.md.
    ValueError where it is more than `core_hours`."""
    file = places.out / "budget.json"
    if file.is_file():
        costs = [Cost(**line) for line in json.loads(file.read_text())]
    else:
        costs = measured(config, places)
        write_json(file, [asdict(cost) for cost in costs])
    text = markdown(costs, config)
    (places.out / "budget.md").write_text(text, encoding="utf-8")
    log.info("\n%s", text)
    total = sum(cost.hours for cost in costs)
    if total > config.core_hours:
        raise ValueError(
            f"{total:.2f} hours are needed, core_hours={config.core_hours:g} allows less: "
            f"lower steps, seeds or testset_clips (see {places.out / 'budget.md'})"
        )
    return costs


def measured(config: AblateConfig, places: Places) -> list[Cost]:
    """A trial of every recipe in its most expensive variant, of rendering and of sampling."""
    trial = Places(config, places.out / "trial")
    shutil.rmtree(trial.out, ignore_errors=True)
    costs = [_rendering(config, trial)]
    costs += [_training(config, trial, run) for run in base_runs(config, trial)]
    rectified = rectify_run(config, trial, "II", 0)
    costs.append(_training(config, trial, rectified))
    costs.append(_training(config, trial, decoder_run(config, trial, "full", 0), "gan_start=0"))
    base = f"base={trial.result(rectified)}"
    costs.append(_training(config, trial, sketch_run(config, trial, "independent", 0), base))
    costs.append(_sampling(config, trial, trial.result(rectified)))
    shutil.rmtree(trial.out)
    return costs


def _training(config: AblateConfig, trial: Places, run: Run, *more: str) -> Cost:
    """A step's time on the clock, times the cores that the trial kept busy."""
    steps = running.options(run, trial).steps
    with running.spent() as spent:
        done = running.train(run, trial, f"steps={config.trial_steps}", "warmup=0", *more)
    busy = 1.0 if on_gpu(config) else spent.core / spent.wall
    step = done.seconds / config.trial_steps * busy
    runs = sum(other.recipe == run.recipe for other in plan(config, trial))
    what = f"train.{run.recipe}: steps of {runs} runs"
    return Cost(what=what, times=runs * steps, seconds=step)


def _rendering(config: AblateConfig, trial: Places) -> Cost:
    options = running.rendering(config, trial)
    with running.spent() as spent:
        render(replace(options, clips=8))
    return Cost(what="clips without cartoon", times=options.clips, seconds=spent.core / 8)


def _sampling(config: AblateConfig, trial: Places, model: Path) -> Cost:
    """Clips sampled and scored: by every rectified model, and three times for the sketches."""
    few = len(read_testset(trial.testset, 3))
    seconds = []
    for count in (1, few):  # what comes once, as loading, is in both
        with running.spent() as spent:
            where = trial.out / f"scored_{count}"
            rectification.score(config, trial, {"II_0": model}, where, limit=count)
        seconds.append(spent.wall if on_gpu(config) else spent.core)
    one = max(0.0, seconds[1] - seconds[0]) / max(1, few - 1)
    models = 1 + sum(run.recipe == "rectify" for run in plan(config, trial))
    clips = len(read_testset(trial.testset))
    times = models * clips + 3 * min(clips, config.sketch_clips)
    return Cost(what="clips sampled and scored", times=times, seconds=one)


def spent(places: Places, done: Sequence[Run]) -> str:
    """What the steps of the runs that are done have really taken, by their manifests."""
    seconds: Counter[str] = Counter()
    for run in done:
        manifest = places.result(run).with_suffix(".json")
        seconds[run.recipe] += manifest_of(manifest).get("seconds", 0)
    parts = ", ".join(f"train.{name} {s / 3600:.3g}" for name, s in seconds.items())
    return (
        f"Spent in steps by the {len(done)} runs that are done, in hours on the clock (times the "
        f"cores that were busy, where these are counted): {parts or 'nothing'}; in all "
        f"**{seconds.total() / 3600:.2f}**.\n"
    )


def on_gpu(config: AblateConfig) -> bool:
    return not config.device.startswith("cpu")


def markdown(costs: Sequence[Cost], config: AblateConfig) -> str:
    total = sum(cost.hours for cost in costs)
    unit = "GPU" if on_gpu(config) else "core"
    lines = [
        f"| work | times | {unit}-seconds each | {unit}-hours |",
        "| --- | ---: | ---: | ---: |",
        *(f"| {c.what} | {c.times} | {c.seconds:.3g} | {c.hours:.3g} |" for c in costs),
        f"| **total** | | | **{total:.2f}** |",
        "",
        f"Measured on {config.trial_steps} steps of each recipe in its most expensive variant, at "
        f"{config.size}x{config.size} pixels; at most {config.core_hours:g} {unit}-hours are "
        "allowed. Sample sheets and the decoders' tables come on top, a few percent.",
    ]
    return "\n".join(lines) + "\n"
