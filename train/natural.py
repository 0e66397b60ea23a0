"""Render clips of motion that is not cartoon, to train a base that has never seen a cartoon.

    python -m train.natural out=DIR [clips=600 size=128 frames=48 seed=0 ...]

Photographs that come inside scikit-image, under a smoothly moving camera, with fragments of other
ones that glide, turn, bend and cover each other (`train.data.natural`; docs/ablation.md). The
result is a folder of clips, `<clip>/frame_000.png ...` with prompt.txt and fps.txt, as every recipe
reads it. Clip i depends on (seed, i) alone; a run that was stopped goes on with the same command.
"""

from __future__ import annotations

import json
import logging
import os
import shutil
import sys
from dataclasses import asdict, dataclass, field
from pathlib import Path

import numpy as np
from omegaconf import MISSING
from tqdm import tqdm

from train.data.natural import NaturalConfig, load_pictures, render_clip
from train.engine.claim import claimed
from train.engine.command import GO_ON, errors_told
from train.engine.config import at_least, parse
from train.eval.clips import write_frames
from train.eval.store import write_json

log = logging.getLogger("toon.natural")

MANIFEST = "natural.json"


@dataclass(frozen=True, kw_only=True)
class RenderConfig:
    """What is rendered, and where it goes."""

    out: str = MISSING
    clips: int = 600
    frames: int = 48
    size: int = 128  # pixels of a side
    fps: int = 24
    seed: int = 0
    motion: NaturalConfig = field(default_factory=NaturalConfig)


def render(config: RenderConfig) -> Path:
    """Write all clips that are not there yet; ValueError where the folder has others."""
    at_least(config, 1, "clips", "frames", "size", "fps")
    at_least(config, 0, "seed")
    out = Path(config.out)
    with claimed(out):
        _render(config, out)
    return out


def _render(config: RenderConfig, out: Path) -> None:
    _check(config, out / MANIFEST)
    missing = [i for i in range(config.clips) if not (out / clip_name(i)).is_dir()]
    pictures = load_pictures() if missing else {}
    for number in tqdm(missing, "clips", config.clips, initial=config.clips - len(missing)):
        rng = np.random.default_rng([config.seed, number])
        clip, prompt = render_clip(pictures, rng, config.frames, config.size, config.motion)
        unfinished = out / "unfinished" / clip_name(number)  # no clip of the folder above it
        write_frames(clip, unfinished)
        (unfinished / "prompt.txt").write_text(prompt + "\n", encoding="utf-8")
        (unfinished / "fps.txt").write_text(f"{config.fps}\n", encoding="utf-8")
        os.replace(unfinished, out / clip_name(number))
    shutil.rmtree(out / "unfinished", ignore_errors=True)


def clip_name(number: int) -> str:
    return f"natural_{number:05d}"


def _check(config: RenderConfig, manifest: Path) -> None:
    """The folder's options, but for the number of clips, are these, or it is new."""
    wanted = asdict(config)
    del wanted["out"], wanted["clips"]
    wanted = json.loads(json.dumps(wanted))
    if manifest.is_file() and json.loads(manifest.read_text()) != wanted:
        raise ValueError(f"out={manifest.parent}: holds clips of other options; give a new folder")
    write_json(manifest, wanted)


def main(arguments: list[str]) -> None:
    logging.basicConfig(level=logging.INFO, format="%(levelname)s %(message)s")
    with errors_told(GO_ON):
        out = render(parse(RenderConfig, arguments, __doc__))
    log.info("%s: done", out)


if __name__ == "__main__":
    main(sys.argv[1:])
