"""Checkpoints that a kill cannot spoil, and that resume exactly."""

from __future__ import annotations

import logging
import os
from pathlib import Path
from typing import Any

import torch

log = logging.getLogger("toon.train")


def save(folder: Path, step: int, state: dict[str, Any], keep: int) -> Path:
    """Write `step_NNN.pt` beside the others, then let it take its name: a kill leaves the old."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"step_{step:08d}.pt"
    unfinished = path.with_suffix(".tmp")
    torch.save({"step": step, **state}, unfinished)
    os.replace(unfinished, path)
    for old in found(folder)[:-keep]:
        old.unlink()
    return path


def found(folder: Path) -> list[Path]:
    return sorted(folder.glob("step_*.pt"))


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
