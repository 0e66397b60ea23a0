"""The paper's ablations at a small scale: rectification, decoder and sketch encoder.

    python -m train.ablate --config train/configs/ablate_cpu.yaml data=CLIPS out=DIR [--dry-run]

Trains a base that has never seen a cartoon (`train.natural`), from it the rectification variants I
to V and the decoder variants, and from the rectified model both sketch encoders: equal steps,
several seeds. Then Tables 3 and 4, the curve of figure 10 and sheets as figures 6 to 9 are written
on fixed held-out clips, all named in out/report.md. What it will cost is measured and written
first. It goes on where it was stopped or killed; docs/ablation.md says what is compared.
"""

from __future__ import annotations

import logging
import os
import shutil
import sys
from collections.abc import Callable
from pathlib import Path

from omegaconf import OmegaConf

from train.ablation import budget, reconstruction, rectification, running, sketches
from train.ablation.plan import AblateConfig, Places, Run, plan
from train.ablation.together import finish_all
from train.data.splits import SplitConfig
from train.engine.claim import claimed
from train.engine.command import GO_ON, errors_told
from train.engine.config import at_least, load_yaml, parse
from train.engine.files import write_text
from train.heldout import HeldoutConfig, write_heldout
from train.natural import render

log = logging.getLogger("toon.ablate")

SECTIONS: dict[str, Callable[[AblateConfig, Places, list[Run]], str]] = {
    "rectify": rectification.report,
    "decoder": reconstruction.report,
    "sketch": sketches.report,
}
# What may differ when it goes on: options of its own, and of the runs.
FREE = ("core_hours", "dry_run", "report_only", "figure_clips", "jobs")
FREE_OF_RUNS = ("threads", "workers", "keep", "save_every", "log_every")


def ablate(config: AblateConfig) -> Path | None:
    """All of it, or what is left of it; the report, None after a dry run. ValueError for options
    that cannot work or cost too much, before any training."""
    at_least(config, 1, "jobs")
    places = Places(config)
    with claimed(places.out, config.data):
        return _ablated(config, places)


def _ablated(config: AblateConfig, places: Places) -> Path | None:
    _keep_options(config, places.out / "ablation.yaml")
    runs = plan(config, places)
    natural = running.rendering(config, places)
    for run in runs:
        running.options(run, places)
    if config.report_only:
        return report(config, places, runs)
    _testset(config, places)
    budget.stated(config, places)
    if config.dry_run:
        return None
    render(natural)
    finish_all(runs, places, config.jobs)
    return report(config, places, runs)


def _keep_options(config: AblateConfig, file: Path) -> None:
    """A folder holds runs of one set of options only."""
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


def _testset(config: AblateConfig, places: Places) -> None:
    """The held-out windows of the data, once."""
    if places.testset.is_dir():
        return
    if config.testset:
        raise ValueError(f"testset={config.testset}: no such folder; see train.heldout")
    unfinished = places.out / "testset.part"
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
    os.replace(unfinished, places.testset)


def report(config: AblateConfig, places: Places, runs: list[Run]) -> Path:
    """report.md of the runs that are done; says which are not."""
    done = [run for run in runs if running.is_done(run, places)]
    parts = ["# Ablation\n", "## Budget\n", (places.out / "budget.md").read_text()]
    parts.append(budget.spent(places, done))
    if left := [run.name for run in runs if run not in done]:
        parts.append(f"Not done yet: {', '.join(left)}.\n")
    for recipe, section in SECTIONS.items():
        if any(run.recipe == recipe for run in done):
            parts.append(section(config, places, done))
    file = places.out / "report.md"
    write_text(file, "\n".join(parts))
    log.info("%s", file)
    return file


def main(arguments: list[str]) -> None:
    logging.basicConfig(level=logging.INFO, format="%(name)s: %(message)s")
    config = parse(AblateConfig, arguments, __doc__)
    with errors_told(GO_ON):
        ablate(config)


if __name__ == "__main__":
    main(sys.argv[1:])
