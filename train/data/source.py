"""The one door of training data: `open_windows(config, split, items, parts, model)`."""

import logging
from pathlib import Path
from typing import Any

from torch import nn
from torch.utils.data import Dataset

from train.data.bucketed import BucketWindows
from train.data.cached import CachedWindows
from train.data.cachefile import FACTS
from train.data.folder import FolderStore
from train.data.picking import NoWindow
from train.data.store import INDEX, Store
from train.data.windows import ClipWindows

log = logging.getLogger("toon.data")

TEST_SEED = 0  # held-out windows are the same for every run


def open_store(data: str | Path) -> Store | FolderStore:
    """Shards of `train.prepare` (a folder with index.jsonl) or a plain folder of clips."""
    return Store(data) if (Path(data) / INDEX).is_file() else FolderStore(data)


def open_windows(
    config: Any,
    split: str = "train",
    items: int = 100_000,
    parts: tuple[str, ...] = ("video",),
    model: nn.Module | None = None,
) -> Dataset:
    """Windows of `config.data`: shards, a folder of clips, or what `train.cache` made of either.

    Shards and folders give `video` whatever `parts` says, and `sketches` where it is one of them,
    by the drawer `config.sketch`. A cache gives the parts asked for, and refuses a `model` whose
    encoders are not those that it was made with. Uses `data`, `height`, `width`, `frames`,
    `seed` and `windows` of the options, of which a cache has its own seed and windows, and for
    training windows `buckets` and `batch`. Where no window is held out, "test" gives windows of
    training, with a warning. ValueError where the data hold no window of that length, or a cache
    has not what is asked for.
    """
    bucketed = config.buckets and split == "train"
    if (Path(config.data) / FACTS).is_file():
        if bucketed:
            raise ValueError(
                f"buckets=true needs clips or shards, and data={config.data} is a cache"
            )
        return CachedWindows.opened(config, split, items, parts, model)
    windows = make_windows(config, split, items, sketched="sketches" in parts)
    return BucketWindows(windows, config.batch) if bucketed else windows


def held_out(config: Any) -> list[dict]:
    """The `sheet_clips` windows that a run shows on its sheets."""
    if not config.sheet_clips:
        return []
    windows = open_windows(config, "test", config.sheet_clips)
    return [windows[i] for i in range(config.sheet_clips)]


def make_windows(config: Any, split: str, items: int, sketched: bool = False) -> ClipWindows:
    """Windows of shards or of a folder of clips. Of few clips none that moves may be held out:
    then those of training, which are shown alone, stand in for them."""
    options = {
        "frames": config.frames,
        "height": config.height,
        "width": config.width,
        "seed": config.seed if split == "train" else TEST_SEED,
        "items": items,
        "config": config.windows,
        "sketch": config.sketch if sketched else "",
    }
    store = open_store(config.data)
    try:
        return ClipWindows(store, split, **options)
    except NoWindow as error:
        if split == "train":
            raise
        found = ClipWindows(store, "train", **options)
        log.warning("%s. Sample sheets show windows of the train split", error)
        return found
