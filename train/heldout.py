"""Write a test set from the held-out clips of a cache: windows of large motion as folders.

    python -m train.heldout cache=CACHE out=FOLDER [count=60 per_clip=2 seed=0 ...]

Each folder `<clip>_<start>` has frame_000.png ..., prompt.txt, fps.txt and sketch_007.png (XDoG of
that frame); backgrounds are fixed by a hash. The first window of every clip, the one that moves
most, comes before any second one; testset.json lists the choice.
"""

import json
import logging
import sys
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch
from omegaconf import MISSING
from PIL import Image
from torch import Tensor
from tqdm import tqdm

from train.data.backgrounds import paint_background
from train.data.cache import Cache, Record, stable_hash
from train.data.compose import as_layer, over
from train.data.motion import WindowRules
from train.data.sketch import xdog
from train.data.splits import SplitConfig, large_windows
from train.engine.config import read

log = logging.getLogger("toon.heldout")


@dataclass(frozen=True, kw_only=True)
class HeldoutConfig:
    """Options of `train.heldout`."""

    cache: str = MISSING
    out: str = MISSING
    split: str = "test"
    count: int = 60
    per_clip: int = 2
    stride: int = 1
    seed: int = 0
    sketch_frames: tuple[int, ...] = (7,)
    windows: SplitConfig = field(default_factory=SplitConfig)
    rules: WindowRules = field(default_factory=WindowRules)


@dataclass(frozen=True, kw_only=True)
class Window:
    """One held-out window; `rank` 0 is its clip's largest motion."""

    record: Record
    start: int
    rank: int

    @property
    def name(self) -> str:
        return f"{self.record.id}_{self.start:03d}"


def choose_windows(cache: Cache, config: HeldoutConfig) -> list[Window]:
    """At most `count` windows: rank by rank, each rank in the order of a hash."""
    windows = []
    for record in cache.split(config.split):
        motion = cache.motion(record)
        starts = large_windows(motion, config.windows, config.rules, config.stride)
        windows += [
            Window(record=record, start=start, rank=rank)
            for rank, start in enumerate(starts[: config.per_clip])
        ]
    if not windows:
        raise ValueError(f"cache={config.cache}: no large-motion window in {config.split!r}")
    windows.sort(key=lambda window: (window.rank, stable_hash(config.seed, window.name)))
    return windows[: config.count]


def render_window(cache: Cache, window: Window, config: HeldoutConfig) -> Tensor:
    """The window as drawn, (t 3 h w) in [0, 1], on the background of its hash."""
    stop = window.start + (config.windows.length - 1) * config.stride + 1
    layer = as_layer(cache.frames(window.record)[window.start : stop : config.stride])
    if not window.record.alpha:
        return layer[:, :3]
    rng = np.random.default_rng(stable_hash("background", config.seed, window.name))
    return over(layer, as_layer(paint_background(rng, cache.size, cache.size)))


def write_window(folder: Path, window: Window, frames: Tensor, config: HeldoutConfig) -> None:
    """One folder of the test set."""
    folder.mkdir(parents=True, exist_ok=True)
    for number, frame in enumerate(frames):
        _save(frame, folder / f"frame_{number:03d}.png")
    for number in config.sketch_frames:
        _save(xdog(frames[number : number + 1] * 2 - 1)[0], folder / f"sketch_{number:03d}.png")
    fps = round(window.record.fps / config.stride)
    (folder / "prompt.txt").write_text(window.record.prompt + "\n", encoding="utf-8")
    (folder / "fps.txt").write_text(f"{fps}\n", encoding="utf-8")


def _save(image: Tensor, path: Path) -> None:
    pixels = (image.clamp(0, 1) * 255).round().to(torch.uint8).movedim(0, -1).squeeze(-1)
    Image.fromarray(pixels.numpy()).save(path)


def write_heldout(config: HeldoutConfig) -> list[Window]:
    """Write the whole test set; returns its windows in the order of choice."""
    out, cache = Path(config.out), Cache(config.cache)
    if out.exists() and any(out.iterdir()):
        raise ValueError(f"out={out}: the folder is not empty; give a new one")
    windows = choose_windows(cache, config)
    if len(windows) < config.count:
        log.warning("only %d of %d windows move enough", len(windows), config.count)
    for window in tqdm(windows, desc="windows"):
        write_window(out / window.name, window, render_window(cache, window, config), config)
    listed = [{"name": w.name, "prompt": w.record.prompt, "rank": w.rank} for w in windows]
    text = json.dumps({"seed": config.seed, "split": config.split, "windows": listed}, indent=1)
    (out / "testset.json").write_text(text, encoding="utf-8")
    return windows


def main() -> None:
    logging.basicConfig(level=logging.INFO, format="%(levelname)s %(message)s")
    try:
        write_heldout(read(HeldoutConfig, None, sys.argv[1:]))
    except ValueError as error:
        sys.exit(f"error: {error}")


if __name__ == "__main__":
    main()
