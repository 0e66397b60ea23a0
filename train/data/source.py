"""The one door of training data: windows to train on, and those that are held out."""

import logging
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from einops import rearrange
from torch import nn
from torch.utils.data import Dataset

from train.data.resident.folder import FACTS as LAYERS
from train.data.resident.windows import ResidentWindows
from train.data.store import open_store
from train.data.windows.cache_format import is_cache, read_facts
from train.data.windows.cached import CachedWindows
from train.data.windows.dataset import BucketWindows, ClipWindows, WindowConfig
from train.data.windows.sampler import NoWindow
from train.data.xdog import xdog
from train.engine.launch import device_of

log = logging.getLogger("toon.data")

TEST_SEED = 0  # held-out windows are the same for every run


class WindowOptions(Protocol):
    """The options that windows are drawn by. A cache has its own seed and staging."""

    data: str
    height: int  # pixels
    width: int
    frames: int
    seed: int
    windows: WindowConfig


class TrainingOptions(WindowOptions, Protocol):
    """The same with those of training, whose windows come in batches."""

    buckets: bool
    batch: int


@dataclass(frozen=True)
class HeldOut:
    """Windows of held-out clips: `shown` on sheets, where none is held out those of training;
    `scored` by the held-out loss, then none."""

    shown: list[dict]
    scored: list[dict]


def open_windows(
    options: TrainingOptions,
    split: str = "train",
    items: int = 100_000,
    parts: tuple[str, ...] = ("video",),
    model: nn.Module | None = None,
    *,
    sketch: str = "stored",
    made_by: str = "base",
) -> Dataset:
    """Windows of `options.data`: shards, a folder of clips, what `train.cache` made of either, or
    layers of `train.layers`, which are composed on the device.

    Shards and folders give `video` whatever `parts` says, and `sketches` where it is one of them,
    by the extractor `sketch`. A cache gives the parts asked for, and refuses a `model` whose
    encoders are not those that it was made with; `made_by` is the option that names the model.
    ValueError where the data hold no window of that length, or a cache has not what is asked for.
    """
    if is_resident(options.data):
        return _resident(options, split, items, "sketches" in parts)
    if is_cache(options.data):
        if split != "train":
            return CachedWindows.open_held_out(options, items, parts)
        return CachedWindows.open_checked(options, items, parts, model, sketch, made_by)
    windows = make_windows(options, split, items, sketch if "sketches" in parts else "")
    bucketed = options.buckets and split == "train"
    return BucketWindows(windows, options.batch) if bucketed else windows


def held_out(
    options: TrainingOptions,
    shown: int,
    scored: int,
    parts: tuple[str, ...] = ("video",),
    sketch: str = "stored",
) -> HeldOut:
    """So many windows of the test split to show and to score, of a cache as many as it has."""
    if is_resident(options.data):
        drawn = _resident(options, "test", max(shown, scored), "sketches" in parts)
        found = [drawn[i] for i in range(len(drawn))]
        return HeldOut(found[:shown], found[:scored])
    cached = is_cache(options.data)
    if cached:
        scored = min(scored, read_facts(Path(options.data))["held_out"])
    count = max(shown, scored)
    if not count:
        return HeldOut([], [])
    if cached:
        windows = CachedWindows.open_held_out(options, count, parts)
        stands_in = windows.facts.get("held_out_from") == "train"
    else:
        drawn = sketch if "sketches" in parts else ""
        windows, stands_in = windows_to_show(options, count, drawn)
    if stands_in:
        scored = 0
    items = [_with_sketches(windows[i], parts) for i in range(max(shown, scored))]
    return HeldOut(items[:shown], items[:scored])


def is_resident(data: str | Path) -> bool:
    """Whether a folder holds clips as layers."""
    return (Path(data) / LAYERS).is_file()


def _resident(options: Any, split: str, items: int, sketches: bool) -> ResidentWindows:
    """ValueError for options that layers do not go with."""
    if options.height != options.width or options.buckets:
        raise ValueError(
            f"data={options.data}: layers are square: give height={options.width} "
            f"width={options.width} without buckets"
        )
    return ResidentWindows(
        options.data,
        split,
        options.frames,
        options.width,
        options.seed if split == "train" else TEST_SEED,
        items,
        device_of(options.run.device, "run.device"),
        sketches,
    )


def windows_to_show(
    options: WindowOptions, items: int, sketch: str = ""
) -> tuple[ClipWindows, bool]:
    """Windows of the test split, and whether they are of training clips: of few clips none may be
    held out, or none that moves; then those of training, which can be shown but say nothing of
    what is learned, stand in for them."""
    try:
        windows = make_windows(options, "test", items, sketch)
    except NoWindow as error:
        log.warning(
            "%s. Sample sheets show windows of the train split, and there is no held-out loss",
            error,
        )
        return make_windows(options, "train", items, sketch, TEST_SEED), True
    train, test = ({r.id for r in windows.store.split(name)} for name in ("train", "test"))
    if test <= train:
        log.info("no clip is held out of so few: there is no held-out loss")
    return windows, test <= train


def _with_sketches(item: dict, parts: tuple[str, ...]) -> dict:
    """The item with XDoG's `sketches` where they are asked for and a cache has none."""
    if "sketches" in parts and "sketches" not in item:
        lines = xdog(rearrange(item["video"], "c f h w -> f c h w"))
        item["sketches"] = rearrange(lines, "f c h w -> c f h w")
    return item


def make_windows(
    options: WindowOptions, split: str, items: int, sketch: str = "", seed: int | None = None
) -> ClipWindows:
    """Windows of shards or of a folder of clips, with `sketches` by an extractor's name; without
    `seed` those of training by the options' own. NoWindow where the split has none that moves."""
    if seed is None:
        seed = options.seed if split == "train" else TEST_SEED
    return ClipWindows(
        open_store(options.data),
        split,
        frames=options.frames,
        height=options.height,
        width=options.width,
        seed=seed,
        items=items,
        config=options.windows,
        sketch=sketch,
    )
