"""Checkpoints that a kill or a full disk cannot spoil, and the check that a run goes on as the same
run."""

from __future__ import annotations

import json
import logging
from dataclasses import asdict
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

import torch
from omegaconf import OmegaConf

from train.engine.config import RunConfig, merge
from train.engine.files import atomic_write, file_digest
from train.engine.options import options_of

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

SOURCES = ("base", "init", "autoencoder", "encoder")  # options that name what a run starts from

log = logging.getLogger("toon.train")


def save(folder: Path, step: int, state: dict[str, Any], keep: int) -> Path:
    """Write `step_NNN.pt` whole or not at all; all but the newest `keep` are removed (0: none).
    OSError, naming the folder, where it cannot be written; the ones before stay."""
    path = folder / f"step_{step:08d}.pt"
    for stale in folder.glob("*.part"):  # of a run that was killed while it saved
        stale.unlink()

    def write(file: IO[bytes]) -> None:
        try:
            torch.save({"step": step, **state}, file)
        except RuntimeError as error:  # torch's writer hides an OSError in it
            raise _os_error(error) or OSError(str(error)) from error

    try:
        atomic_write(path, write, sync=True)
    except OSError as error:
        raise OSError(
            f"{folder}: the checkpoint of step {step} cannot be written ({error.__cause__}). Last "
            f"good checkpoint: {last_good(folder)}. Make room there and start the run again: it "
            "goes on from that one"
        ) from error
    if keep:
        for old in checkpoints_in(folder)[:-keep]:
            old.unlink()
    return path


def checkpoints_in(folder: Path) -> list[Path]:
    """Those of a run, the newest last."""
    return sorted(folder.glob("step_*.pt"))


def last_good(folder: Path) -> str:
    """The newest checkpoint, for a message."""
    paths = checkpoints_in(folder)
    return str(paths[-1]) if paths else "none yet"


def load_latest(folder: Path) -> dict[str, Any] | None:
    """The newest checkpoint, or None. ValueError, naming the file, when it cannot be read."""
    paths = checkpoints_in(folder)
    if not paths:
        return None
    try:
        state = torch.load(paths[-1], map_location="cpu", weights_only=True)
    except Exception as error:
        raise ValueError(
            f"{paths[-1]} cannot be read ({error}); delete it to go on from the one before"
        ) from error
    log.info("resuming from %s", paths[-1])
    return state


def _os_error(error: BaseException) -> OSError | None:
    """The first OSError behind an exception."""
    link: BaseException | None = error
    while link is not None and not isinstance(link, OSError):
        link = link.__cause__ or link.__context__
    return link


class RunHistory:
    """Options and data of a run now, and what of its options has changed on the way."""

    def __init__(self, config: RunConfig, stamp: str, result: Path) -> None:
        refuse_own_source(config, result)
        self.config, self.stamp, self.exported = config, stamp, exported_step(result)
        self.options = without_folders(json.loads(json.dumps(asdict(config))))
        self.sources = {name: file_digest(Path(path)) for name, path in sources(config).items()}
        self.changes: list[dict[str, Any]] = []  # {"step", "changed": {name: [before, then]}}

    def state_dict(self) -> dict[str, Any]:
        return {
            "options": self.options,
            "sources": self.sources,
            "data_stamp": self.stamp,
            "history": self.changes,
        }

    def resume(self, folder: Path) -> dict[str, Any] | None:
        """The newest checkpoint, to go on from, or None; ValueError as `check_resume`."""
        state = load_latest(folder)
        if state is not None:
            self.check_resume(state)
        return state

    def check_resume(self, state: dict[str, Any]) -> None:
        """ValueError naming what a checkpoint was begun with, where that is not an option that may
        change, or the data or a file it starts from are others."""
        # A run from before an option was there had what is its default now.
        before, current = (
            OmegaConf.to_object(merge(type(self.config), OmegaConf.create(options)))
            for options in (state["options"], self.options)
        )
        changed = {}
        for own, then in zip(options_of(current), options_of(before), strict=True):
            value, now = then.default, own.default
            if value == now:
                continue
            changed[own.name] = [value, now]
            if not own.free or own.name in getattr(self.config, "FIXED", ()):
                raise ValueError(
                    f"{self.config.out} was begun with {own.name}={_word(value)}, which decides "
                    "what it learns: give that again, or another out folder"
                )
        self._check_sources(state["sources"])
        self._check_data(state["data_stamp"])
        self.changes = list(state["history"])
        if changed:
            self.changes.append({"step": state["step"], "changed": changed})

    def _check_sources(self, before: dict[str, str]) -> None:
        for name, digest in before.items():
            now = self.sources.get(name, digest)
            if now != digest:
                raise ValueError(
                    f"{self.config.out} was begun with another file as {name}="
                    f"{getattr(self.config, name)} (sha256 {digest[:16]}..., now {now[:16]}...): "
                    "give that again, or another out folder"
                )

    def _check_data(self, before: str) -> None:
        out, data = self.config.out, self.config.data
        if before != self.stamp:
            raise ValueError(
                f"{out} was begun on other clips than data={data} has now, or on another cache of "
                f"them (stamp {before}, now {self.stamp}): give those again (of a cache that has "
                "grown, one made with its count of before), or another out folder"
            )


def _word(value: Any) -> str:
    """As it is given on a command line."""
    return value if isinstance(value, str) else json.dumps(value)


def sources(config: DataclassInstance) -> dict[str, str]:
    """The files that a run starts from, by option."""
    return {k: path for k in SOURCES if (path := getattr(config, k, ""))}


def refuse_own_source(config: DataclassInstance, result: Path) -> None:
    """ValueError where the result would replace a file that the run starts from."""
    for name, path in sources(config).items():
        if result.exists() and result.samefile(path):
            raise ValueError(
                f"{name}={path} is the file that the result would replace: choose another out "
                "folder"
            )


def exported_step(result: Path) -> int | None:
    """The step of a run's result; None where it is not there whole: the manifest beside it is
    written last."""
    try:
        manifest = json.loads(result.with_suffix(".json").read_text())
        return manifest["step"] if result.exists() else None
    except (OSError, ValueError, KeyError, TypeError):
        return None


def is_finished(result: Path, steps: int) -> bool:
    """Whether a run's result of so many steps is there."""
    step = exported_step(result)
    return step is not None and step >= steps


def without_folders(value: Any) -> Any:
    """A manifest names no place of the machine: of each path, the last two parts."""
    if isinstance(value, dict):
        return {key: without_folders(own) for key, own in value.items()}
    if not isinstance(value, str) or "/" not in value:
        return value
    return "/".join(Path(value).parts[-2:]) if Path(value).suffix else Path(value).name
