"""Checkpoints that a kill or a full disk cannot spoil, and the check that a run goes on as the same
run."""

from __future__ import annotations

import json
import logging
from pathlib import Path
from typing import IO, Any

import torch
from omegaconf import ListConfig, OmegaConf

from train.engine.config import RunConfig
from train.engine.export import sources, without_folders
from train.engine.files import atomic_write, file_digest
from train.engine.options import options_of
from train.engine.renamed import renamed

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

    def __init__(self, config: RunConfig, stamp: str) -> None:
        self.config, self.stamp = config, stamp
        own = {option.name: option.default for option in options_of(config)}
        self.options = without_folders(json.loads(json.dumps(own)))
        self.sources = {name: file_digest(Path(path)) for name, path in sources(config).items()}
        self.changes: list[dict[str, Any]] = []  # {"step", "changed": {name: [before, then]}}

    def state_dict(self) -> dict[str, Any]:
        return {
            "options": self.options,
            "sources": self.sources,
            "data_stamp": self.stamp,
            "history": self.changes,
        }

    def check_resume(self, state: dict[str, Any]) -> None:
        """Go on from a checkpoint. ValueError naming what it was begun with, where that is not an
        option that may change, or the data or a file it starts from are others."""
        changed, before = {}, OmegaConf.create(renamed(state["options"], self.config))
        for own in options_of(type(self.config)):
            # A run from before an option was there had what is its default now.
            value = OmegaConf.select(before, own.name, default=own.default)
            value = [*value] if isinstance(value, (tuple, ListConfig)) else value
            if value == self.options[own.name]:
                continue
            changed[own.name] = [value, self.options[own.name]]
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
