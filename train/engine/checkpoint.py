"""Checkpoints that a kill or a full disk cannot spoil, and that resume exactly."""

from __future__ import annotations

import logging
import os
from pathlib import Path
from typing import Any

import torch

log = logging.getLogger("toon.train")

UNFINISHED = "unfinished.tmp"


def save(folder: Path, step: int, state: dict[str, Any], keep: int) -> Path:
    """Write `step_NNN.pt` under another name first, so that a kill leaves the ones before; all
    but the newest `keep` are removed (0: none). OSError, naming the folder, where it cannot be
    written; the ones before stay."""
    folder.mkdir(parents=True, exist_ok=True)
    path, unfinished = folder / f"step_{step:08d}.pt", folder / UNFINISHED
    try:
        with unfinished.open("wb") as file:
            torch.save({"step": step, **state}, file)
            file.flush()
            os.fsync(file.fileno())
        os.replace(unfinished, path)
    except (OSError, RuntimeError) as error:  # torch's writer hides an OSError in a RuntimeError
        unfinished.unlink(missing_ok=True)
        raise OSError(
            f"{folder}: the checkpoint of step {step} cannot be written ({_cause(error)}). Last "
            f"good checkpoint: {last_good(folder)}. Make room there and start the run again: it "
            "goes on from that one"
        ) from error
    if keep:
        for old in found(folder)[:-keep]:
            old.unlink()
    return path


def found(folder: Path) -> list[Path]:
    return sorted(folder.glob("step_*.pt"))


def last_good(folder: Path) -> str:
    """The newest checkpoint, for a message."""
    paths = found(folder)
    return str(paths[-1]) if paths else "none yet"


def load_latest(folder: Path) -> dict[str, Any] | None:
    """The newest checkpoint, or None. ValueError, naming the file, when it cannot be read."""
    paths = found(folder)
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


def _cause(error: BaseException) -> BaseException:
    """The first OSError behind an exception, else the exception."""
    link: BaseException | None = error
    while link is not None:
        if isinstance(link, OSError):
            return link
        link = link.__cause__ or link.__context__
    return error
