"""The one door of training data: `open_windows(config, split, items)`."""

from pathlib import Path
from typing import Any

from torch.utils.data import Dataset

from train.data.folder import FolderStore
from train.data.store import INDEX, Store
from train.data.windows import ClipWindows

TEST_SEED = 0  # held-out windows are the same for every run


def open_store(data: str | Path) -> Store | FolderStore:
    """Shards of `train.prepare` (a folder with index.jsonl) or a plain folder of clips."""
    return Store(data) if (Path(data) / INDEX).is_file() else FolderStore(data)


def open_windows(config: Any, split: str = "train", items: int = 100_000) -> Dataset:
    """Windows of `config.data`, a folder of shards or of clips, as `ClipWindows` items.

    Uses `data`, `height`, `width`, `frames` and `seed` of the options. ValueError where the data
    hold no window of that length.
    """
    return ClipWindows(
        open_store(config.data),
        split,
        frames=config.frames,
        height=config.height,
        width=config.width,
        seed=config.seed if split == "train" else TEST_SEED,
        items=items,
    )
