"""A test set from the held-out clips of a store: windows of large motion as folders."""

import json
import logging
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from omegaconf import MISSING
from PIL import Image
from torch import Tensor
from tqdm import tqdm

from toon_core.metrics.plain.sketch_agreement import sketch_lines
from train.data.motion import WindowRules
from train.data.prepare.splits import SplitConfig, large_windows
from train.data.shards import Record, stable_hash
from train.data.store import Store
from train.data.windows.backgrounds import paint_background
from train.data.windows.compose import as_layer, over, resize_to_cover
from train.data.windows.sampler import with_motion
from train.data.xdog import xdog
from train.engine.files import LOCK, locked_folder
from train.engine.options import check, option

from .clips import pixels, write_frames

log = logging.getLogger("toon.heldout")


@dataclass(frozen=True, kw_only=True)
class HeldoutConfig:
    """Options of `train.heldout`."""

    data: str = MISSING  # shards of `train.prepare`
    out: str = MISSING  # folder of the test set, a new one
    height: int = option(0, least=0)  # pixels; 0: as stored
    width: int = option(0, least=0)  # pixels; 0: as stored
    split: str = "test"  # split of the shards that it is taken from
    count: int = option(60, least=1)  # windows at most
    per_clip: int = option(2, least=1)  # windows of a clip at most
    stride: int = option(1, least=1)  # every so many-th frame of a clip
    seed: int = 0  # of the choice and of painted backgrounds
    sketch_frames: tuple[int, ...] = (7,)  # numbers of the frames that get a sketch
    windows: SplitConfig = field(default_factory=SplitConfig)  # what motion is large
    rules: WindowRules = field(default_factory=WindowRules)


@dataclass(frozen=True, kw_only=True)
class HeldoutWindow:
    """One held-out window; `rank` 0 is its clip's largest motion."""

    record: Record
    start: int
    rank: int

    @property
    def name(self) -> str:
        return f"{self.record.id}_{self.start:03d}"


def choose_windows(store: Store, config: HeldoutConfig) -> list[HeldoutWindow]:
    """At most `count` windows: rank by rank, each rank in the order of a hash."""
    windows = []
    for record, motion in with_motion(store, config.split):
        starts = large_windows(motion, config.windows, config.rules, config.stride)
        windows += [
            HeldoutWindow(record=record, start=start, rank=rank)
            for rank, start in enumerate(starts[: config.per_clip])
        ]
    if not windows:
        raise ValueError(f"data={config.data}: no large-motion window in {config.split!r}")
    windows.sort(key=lambda window: (window.rank, stable_hash(config.seed, window.name)))
    return windows[: config.count]


def render_window(store: Store, window: HeldoutWindow, config: HeldoutConfig) -> Tensor:
    """The window as drawn, (t 3 h w) in [0, 1], on the background of its hash."""
    numbers = range(window.start, window.start + config.windows.length * config.stride)
    layer = as_layer(store.frames(window.record, numbers[:: config.stride]))
    frames = layer[:, :3]
    if window.record.alpha:
        rng = np.random.default_rng(stable_hash("background", config.seed, window.name))
        frames = over(layer, as_layer(paint_background(rng, *layer.shape[-2:])))
    return resize_to_cover(frames, (config.height, config.width)) if config.height else frames


def write_window(
    folder: Path, window: HeldoutWindow, frames: Tensor, config: HeldoutConfig
) -> None:
    """One folder of the test set."""
    write_frames(frames, folder)
    for number in config.sketch_frames:
        sketch = xdog(frames[number : number + 1] * 2 - 1)[0]
        if sketch_lines(sketch, sketch.shape[-2:]).any():
            drawn = Image.fromarray(pixels(sketch.expand(3, -1, -1)[None])[0])
            drawn.convert("L").save(folder / f"sketch_{number:03d}.png")
    fps = round(window.record.fps / config.stride)
    (folder / "prompt.txt").write_text(window.record.caption + "\n", encoding="utf-8")
    (folder / "fps.txt").write_text(f"{fps}\n", encoding="utf-8")


def write_heldout(config: HeldoutConfig) -> list[HeldoutWindow]:
    """Write the whole test set; returns its windows in the order of choice."""
    check(config)
    out = Path(config.out)
    with locked_folder(out, config.data):
        return _written(config, out)


def _written(config: HeldoutConfig, out: Path) -> list[HeldoutWindow]:
    store = Store(config.data)
    if bool(config.height) != bool(config.width):
        raise ValueError(f"height={config.height} width={config.width}: give both or none")
    if any(path.name != LOCK for path in out.iterdir()):
        raise ValueError(f"out={out}: the folder is not empty; give a new one")
    windows = choose_windows(store, config)
    if len(windows) < config.count:
        log.warning("only %d of %d windows move enough", len(windows), config.count)
    for window in tqdm(windows, desc="windows"):
        write_window(out / window.name, window, render_window(store, window, config), config)
    listed = [{"name": w.name, "prompt": w.record.caption, "rank": w.rank} for w in windows]
    text = json.dumps({"seed": config.seed, "split": config.split, "windows": listed}, indent=1)
    (out / "testset.json").write_text(text, encoding="utf-8")
    return windows
