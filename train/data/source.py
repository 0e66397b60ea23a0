"""The one door of training data: windows to train on, and those that are held out."""

import logging
from pathlib import Path

from torch import nn
from torch.utils.data import Dataset

from train.data.resident.folder import FACTS as LAYERS
from train.data.resident.windows import ResidentWindows
from train.data.windows.cache_format import is_cache, read_facts
from train.data.windows.cached import CachedWindows
from train.data.windows.dataset import (
    TEST_SEED,
    BucketWindows,
    ClipWindows,
    TrainingConfig,
    WindowOptions,
)
from train.data.windows.sampler import NoWindow
from train.engine.launch import device_of

log = logging.getLogger("toon.data")


def open_windows(
    options: TrainingConfig,
    items: int = 100_000,
    parts: tuple[str, ...] = ("video",),
    model: nn.Module | None = None,
    *,
    sketch: str = "stored",
    made_by: str = "base",
) -> Dataset:
    """Windows to train on, of `options.data`: shards, a folder of clips, what `train.cache` made of
    either, or layers of `train.layers`, which are composed on the device.

    Shards and folders give `video` whatever `parts` says, and `sketches` where it is one of them,
    by the extractor `sketch`. A cache gives the parts asked for, and refuses a `model` whose
    encoders are not those that it was made with; `made_by` is the option that names the model.
    ValueError where the data hold no window of that length, or a cache has not what is asked for.
    """
    if is_resident(options.data):
        return _resident(options, "train", items, "sketches" in parts)
    if is_cache(options.data):
        return CachedWindows.open_checked(options, items, parts, model, sketch, made_by)
    windows = ClipWindows(options, "train", items, sketch if "sketches" in parts else "")
    return BucketWindows(windows, options.batch) if options.buckets else windows


def held_out(
    options: TrainingConfig,
    shown: int,
    scored: int,
    parts: tuple[str, ...] = ("video",),
    sketch: str = "stored",
) -> tuple[list[dict], list[dict]]:
    """So many windows of the test split for sheets, and for the held-out loss, of a cache as many
    as it has. Where no clip is held out sheets show those of training, and none is scored."""
    if is_cache(options.data):
        scored = min(scored, read_facts(Path(options.data))["held_out"])
    count = max(shown, scored)
    if not count:
        return [], []
    windows, stand_in = _open_held_out(options, count, parts, sketch)
    if stand_in:
        scored = 0
    items = [windows[i] for i in range(max(shown, scored))]
    return items[:shown], items[:scored]


def _open_held_out(
    options: TrainingConfig, items: int, parts: tuple[str, ...], sketch: str
) -> tuple[Dataset, bool]:
    """The windows, and whether they are of training clips."""
    if is_resident(options.data):
        return _resident(options, "test", items, "sketches" in parts), False
    if is_cache(options.data):
        windows = CachedWindows.open_held_out(options, items, parts)
        return windows, windows.facts.get("held_out_from") == "train"
    return windows_to_show(options, items, sketch if "sketches" in parts else "")


def is_resident(data: str | Path) -> bool:
    """Whether a folder holds clips as layers."""
    return (Path(data) / LAYERS).is_file()


def _resident(options: TrainingConfig, split: str, items: int, sketches: bool) -> ResidentWindows:
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
        windows = ClipWindows(options, "test", items, sketch)
    except NoWindow as error:
        log.warning(
            "%s. Sample sheets show windows of the train split, and there is no held-out loss",
            error,
        )
        return ClipWindows(options, "train", items, sketch, TEST_SEED), True
    train, test = ({r.id for r in windows.store.split(name)} for name in ("train", "test"))
    if test <= train:
        log.info("no clip is held out of so few: there is no held-out loss")
    return windows, test <= train
