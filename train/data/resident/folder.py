"""Layers of many clips in a folder, drawn by all cores: arrays that are read as they lie."""

from __future__ import annotations

import json
import os
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
from typing import Any

import numpy as np
from tqdm import tqdm

from train.data.puppets.folder import LICENCE
from train.data.puppets.levels import LEVELS
from train.data.resident.cutouts import cut_out
from train.data.resident.layers import draw_layers, side_behind
from train.engine.files import write_text
from train.engine.options import option
from train.engine.pool import Lost, run_jobs

FACTS = "resident.json"
PIECE = 16  # clips that a process draws at a time


@dataclass(kw_only=True)
class LayersConfig:
    """Clips as layers, for training from the device's memory."""

    out: str = option("", free=True)  # folder of the arrays
    count: int = option(12_000, least=2)  # clips; at 128 pixels 1.7 MB each
    held_out: int = option(24, least=1)  # the last so many are never trained on
    seed: int = 0  # another number is another set
    frames: int = option(24, least=2)  # of a clip; windows are cut from them
    side: int = option(128, least=16)  # pixels, of squares
    # Clips of one's own or others', prepared (train.prepare): the figures of their training split
    # stand in a share of the layers, before the pictures of puppets. None: puppets alone.
    cutouts: str = ""
    share: float = option(0.3, least=0, most=1)  # of the layers that show them
    workers: int = option(0, least=0, free=True)  # processes that draw; 0: one a core


@dataclass(frozen=True, kw_only=True)
class LayersFacts:
    """What the clips of a folder hang on; `cutouts` is the stamp of the prepared ones."""

    count: int
    held_out: int
    seed: int
    frames: int
    side: int
    cutouts: str = ""
    share: float = 0.0
    licences: tuple[str, ...] = (LICENCE,)

    def told(self) -> dict[str, Any]:
        """Without what is as with puppets alone, so that a folder of these is as it always was."""
        values = {f.name: (getattr(self, f.name), f.default) for f in fields(self)}
        return {name: value for name, (value, default) in values.items() if value != default}


def _facts_of(config: LayersConfig) -> LayersFacts:
    """ValueError where the clips cannot be used."""
    own = {k: v for k, v in asdict(config).items() if k not in ("out", "workers")}
    facts = LayersFacts(**own)
    if not config.cutouts:
        return replace(facts, share=0.0)
    found = cut_out(config.cutouts, config.frames, config.side, config.seed)
    return replace(facts, cutouts=found.stamp(), licences=(LICENCE, *found.licences()))


def arrays(folder: Path, facts: LayersFacts, mode: str = "r") -> dict[str, np.memmap]:
    """figures (n f h w 4) and behind (n p p 3) uint8, places (n f 2 3) float32, as `Layers`."""
    n, f, side, p = facts.count, facts.frames, facts.side, side_behind(facts.side)
    shapes = {
        "figures": (np.uint8, (n, f, side, side, 4)),
        "behind": (np.uint8, (n, p, p, 3)),
        "places": (np.float32, (n, f, 2, 3)),
    }
    found = {}
    for name, (kind, shape) in shapes.items():
        file = folder / f"{name}.bin"
        how = "w+" if mode == "r+" and not file.exists() else mode
        found[name] = np.memmap(file, kind, how, shape=shape)
    return found


def write_layers(config: LayersConfig) -> Path:
    """Draw what is not there yet. ValueError where the folder holds clips of other options."""
    out = Path(config.out)
    arrays(out, _write_facts(config, out / FACTS), "r+")
    begins = [k for k in range(0, config.count, PIECE) if not _words(out, k).is_file()]
    jobs = {f"clips from {begin}": (config, begin) for begin in begins}
    workers = min(config.workers or os.cpu_count() or 1, len(jobs))
    done = run_jobs(_draw_piece, jobs, workers if workers > 1 else 0)
    for name, result in tqdm(done, "clips", len(jobs)):
        if isinstance(result, Lost):
            raise OSError(f"{name}: {result.value}; the same command goes on")
    return out


def read_facts(folder: Path) -> LayersFacts:
    """ValueError where they are not those of such a folder."""
    try:
        found = json.loads((folder / FACTS).read_text(encoding="utf-8"))
        facts = LayersFacts(**{**found, "licences": tuple(found.get("licences", (LICENCE,)))})
        numbers = (facts.count, facts.held_out, facts.frames, facts.side)
        if not all(isinstance(n, int) and 0 < n < 10**8 for n in numbers):
            raise ValueError("its numbers are out of range")
    except (OSError, TypeError, ValueError, AttributeError) as error:
        raise ValueError(f"{folder / FACTS}: no clips as layers ({error})") from error
    return facts


def read_words(folder: Path, count: int) -> list[tuple[str, int]]:
    """Prompt and frames a second of every clip. ValueError where some are not drawn yet."""
    found: list[tuple[str, int]] = []
    for begin in range(0, count, PIECE):
        try:
            words = json.loads(_words(folder, begin).read_text(encoding="utf-8"))
        except OSError as error:
            raise ValueError(f"{folder}: its clips are not all drawn; draw them first") from error
        found += [(str(prompt), int(fps)) for prompt, fps in words]
    return found


def _draw_piece(config: LayersConfig, begin: int) -> None:
    """Some clips, straight into their places; the words are written last, and so say that they
    are there."""
    out, words = Path(config.out), []
    facts = read_facts(out)
    into, trained_on = arrays(out, facts, "r+"), facts.count - facts.held_out
    for index in range(begin, min(begin + PIECE, facts.count)):
        others = None
        if config.cutouts and index < trained_on:
            cutouts = cut_out(config.cutouts, facts.frames, facts.side, facts.seed)
            others = cutouts.figures(index, facts.share)
        level = index % LEVELS
        made = draw_layers(facts.seed, index, level, facts.frames, facts.side, others)
        for name, array in into.items():
            array[index] = getattr(made, name)
        words.append((made.prompt, made.fps))
    write_text(_words(out, begin), json.dumps(words) + "\n")


def _words(folder: Path, begin: int) -> Path:
    return folder / "words" / f"{begin:08d}.json"


def _write_facts(config: LayersConfig, file: Path) -> LayersFacts:
    if not config.out:
        raise ValueError("out is needed: give out=...")
    if config.held_out >= config.count:
        raise ValueError(f"held_out={config.held_out} of count={config.count}: none is left")
    facts = _facts_of(config)
    if file.is_file() and read_facts(file.parent) != facts:
        raise ValueError(f"out={file.parent}: holds clips of other options; give a new folder")
    write_text(file, json.dumps(facts.told(), indent=1) + "\n")
    return facts
