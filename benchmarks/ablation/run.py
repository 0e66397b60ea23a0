"""The runs of an ablation one after the other, each from its last checkpoint, and the report."""

from __future__ import annotations

import logging
import os
import shutil
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path

from omegaconf import OmegaConf

from benchmarks.ablation import photographs, reconstruction, rectification, sketches
from benchmarks.ablation.plan import AblationConfig, Folders, Run, plan
from train.data.prepare.splits import SplitConfig
from train.engine import loop
from train.engine.checkpoint import is_finished
from train.engine.config import RunConfig, load_yaml, read
from train.engine.export import manifest_of
from train.engine.files import OutFolder, write_text
from train.eval.testset import HeldoutConfig, write_heldout
from train.recipes import autoencoder, decoder, pretrain, rectify, sketch

log = logging.getLogger("toon.ablation")

RECIPES = {
    "autoencoder": (autoencoder.AutoencoderConfig, autoencoder.AutoencoderRecipe),
    "pretrain": (pretrain.PretrainConfig, pretrain.PretrainRecipe),
    "rectify": (rectify.RectifyConfig, rectify.RectifyRecipe),
    "decoder": (decoder.DecoderConfig, decoder.DecoderRecipe),
    "sketch": (sketch.SketchTrainConfig, sketch.SketchRecipe),
}
SECTIONS: dict[str, Callable[[AblationConfig, Folders, list[Run]], str]] = {
    "rectify": rectification.report,
    "decoder": reconstruction.report,
    "sketch": sketches.report,
}
# What may differ when it goes on: options of its own, and of the runs.
FREE = ("dry_run", "report_only", "figure_clips")
FREE_OF_RUNS = ("run",)


def ablate(config: AblationConfig) -> Path | None:
    """All of it, or what is left of it; the report, None after a dry run. ValueError for options
    that cannot work, before any training."""
    folders = Folders(config)
    with OutFolder(folders.out, config.data).locked():
        _check_options(config, folders.out / "ablation.yaml")
        runs = plan(config, folders)
        clips = photograph_options(config, folders)
        for run in runs:
            options(run, folders)
        if config.report_only:
            return report(config, folders, runs)
        _make_testset(config, folders)
        if config.dry_run:
            log.info("%d runs: %s", len(runs), ", ".join(run.name for run in runs))
            return None
        photographs.render(clips)
        for run in runs:
            finish(run, folders)
        return report(config, folders, runs)


def options(run: Run, folders: Folders) -> RunConfig:
    """The options of its recipe; ValueError naming the run where one is wrong."""
    try:
        return read(RECIPES[run.recipe][0], None, [f"out={folders.out / run.name}", *run.words])
    except ValueError as error:
        raise ValueError(f"{run.name}: {error}") from error


def photograph_options(config: AblationConfig, folders: Folders) -> photographs.RenderConfig:
    """Options of the clips without cartoon; ValueError where one is wrong."""
    own = {"out": folders.photographs, "size": config.size, **config.photographs}
    try:
        return read(photographs.RenderConfig, None, [f"{k}={v}" for k, v in own.items()])
    except ValueError as error:
        raise ValueError(f"photographs: {error}") from error


def train(run: Run, folders: Folders) -> loop.Run:
    """Go on with it to its last step. SystemExit where it was told to stop."""
    return loop.run(RECIPES[run.recipe][1], options(run, folders))


def is_done(run: Run, folders: Folders) -> bool:
    """Whether its result is there."""
    return is_finished(folders.result(run), options(run, folders).steps)


def finish(run: Run, folders: Folders) -> None:
    """Train it if it is not done; its checkpoints go when it is."""
    if not is_done(run, folders):
        log.info("%s", run.name)
        train(run, folders)
    shutil.rmtree(folders.out / run.name / "checkpoints", ignore_errors=True)


def _check_options(config: AblationConfig, file: Path) -> None:
    """Write the options down; ValueError where the folder was begun with others."""
    given = OmegaConf.to_container(OmegaConf.structured(config))
    wanted = {key: value for key, value in given.items() if key not in FREE}
    if file.is_file():
        before = OmegaConf.to_container(load_yaml(file))
        changed = sorted(k for k in wanted if _decisive(wanted[k]) != _decisive(before.get(k)))
        if changed:
            raise ValueError(
                f"out={file.parent} was begun with {changed[0]}={before.get(changed[0])}: give "
                "that again, or another out folder"
            )
    write_text(file, OmegaConf.to_yaml(wanted))


def _decisive(value: object) -> object:
    """Of a section of options, those that the runs' results hang on."""
    if not isinstance(value, dict):
        return value
    return {key: own for key, own in value.items() if key not in FREE_OF_RUNS}


def _make_testset(config: AblationConfig, folders: Folders) -> None:
    """The held-out windows of the data, once."""
    if folders.testset.is_dir():
        return
    if config.testset:
        raise ValueError(f"testset={config.testset}: no such folder; see train.heldout")
    unfinished = folders.out / "testset.part"
    shutil.rmtree(unfinished, ignore_errors=True)
    write_heldout(
        HeldoutConfig(
            data=config.data,
            out=str(unfinished),
            height=config.size,
            width=config.size,
            count=config.testset_clips,
            windows=SplitConfig(length=config.frames),
        )
    )
    os.replace(unfinished, folders.testset)


def report(config: AblationConfig, folders: Folders, runs: Sequence[Run]) -> Path:
    """report.md of the runs that are done; says which are not."""
    done = [run for run in runs if is_done(run, folders)]
    parts = ["# Ablation\n", time_taken(folders, done)]
    if left := [run.name for run in runs if run not in done]:
        parts.append(f"Not done yet: {', '.join(left)}.\n")
    for recipe, section in SECTIONS.items():
        if any(run.recipe == recipe for run in done):
            parts.append(section(config, folders, done))
    file = folders.out / "report.md"
    write_text(file, "\n".join(parts))
    log.info("%s", file)
    return file


def time_taken(folders: Folders, done: Sequence[Run]) -> str:
    """What the steps of the runs that are done have taken, by their manifests."""
    seconds: Counter[str] = Counter()
    for run in done:
        manifest = folders.result(run).with_suffix(".json")
        seconds[run.recipe] += manifest_of(manifest).get("seconds", 0)
    parts = ", ".join(f"train.{name} {s / 3600:.3g}" for name, s in seconds.items())
    return (
        f"The steps of the {len(done)} runs that are done took, in hours on the clock: "
        f"{parts or 'nothing'}; in all **{seconds.total() / 3600:.2f}**.\n"
    )
