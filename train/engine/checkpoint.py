"""Checkpoints that a kill or a full disk cannot spoil, and the check that a run goes on as the same
run."""

from __future__ import annotations

import json
import logging
from dataclasses import asdict
from pathlib import Path
from typing import IO, Any

import torch

from train.engine.config import RunConfig
from train.engine.export import sources, without_folders
from train.engine.files import atomic_write, file_digest
from train.engine.options import options_of
from train.engine.renamed import renamed

log = logging.getLogger("toon.train")

Options = dict[str, Any]


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
        self.options = flat(without_folders(json.loads(json.dumps(asdict(config)))))
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
        # A run from before an option was there had what is its default now.
        known = options_of(type(self.config))
        defaults = json.dumps({own.name: own.default for own in known if own.default is not None})
        before = json.loads(defaults) | flat(renamed(state["options"], self.config))
        changed = {
            name: [value, self.options[name]]
            for name, value in before.items()
            if name in self.options and value != self.options[name]
        }
        free = {own.name for own in options_of(self.config) if own.free}
        free -= set(getattr(self.config, "FIXED", ()))
        for name, (value, _) in changed.items():
            if name not in free:
                raise ValueError(
                    f"{self.config.out} was begun with {name}={_word(value)}, which decides what "
                    "it learns: give that again, or another out folder"
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


def flat(values: Options, above: str = "") -> Options:
    """Nested options by dotted names."""
    found: Options = {}
    for name, value in values.items():
        inner = isinstance(value, dict)
        found |= flat(value, f"{above}{name}.") if inner else {above + name: value}
    return found


def _word(value: Any) -> str:
    """As it is given on a command line."""
    return value if isinstance(value, str) else json.dumps(value)
