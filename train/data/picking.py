"""`Picker`: which window of which clip is drawn next."""

import logging
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

import numpy as np

from train.data.motion import Motion, WindowRules, is_good, window_stats
from train.data.store import Record

log = logging.getLogger("toon.data")


class ClipStore(Protocol):
    """What windows are drawn from: `train.data.store.Store` or `train.data.folder.FolderStore`."""

    root: Path

    def split(self, name: str) -> list[Record]: ...

    def stamp(self) -> list[str]: ...

    def frames(self, record: Record, indices: Sequence[int] | None = None) -> np.ndarray: ...

    def sketches(
        self, record: Record, indices: Sequence[int] | None = None
    ) -> np.ndarray | None: ...

    def motion(self, record: Record) -> Motion | None: ...


@dataclass(frozen=True, kw_only=True)
class PickConfig:
    """Which windows are good: frames per second after striding, and how they move."""

    min_fps: float = 5.0  # frames per second of a window at least
    max_fps: float = 30.0  # at most
    max_stride: int = 6  # every so many-th frame of a clip at most
    rules: WindowRules = field(default_factory=WindowRules)


@dataclass(frozen=True, kw_only=True)
class Choice:
    record: Record
    stride: int
    start: int


Starts = dict[int, np.ndarray]  # of the good windows, by stride


class NoWindow(ValueError):
    """A split has none of the wanted length that moves."""


class Picker:
    """Draws clips that have good windows, and one of their windows.

    Look-alikes share their draws: a clip weighs 1 / sqrt(size of its group).
    """

    def __init__(self, windows: Sequence[tuple[Record, Starts]], weights: np.ndarray) -> None:
        self.windows, self.weights = windows, weights

    @classmethod
    def of(cls, store: ClipStore, split: str, frames: int, config: PickConfig) -> "Picker":
        """NoWindow where the split has no window of that length."""
        found = [(r, good_windows(r, m, frames, config)) for r, m in measured(store, split)]
        windows = [(record, starts) for record, starts in found if starts]
        if not windows:
            longest = max((record.frames for record in store.split(split)), default=0)
            raise NoWindow(
                f"data={store.root}: no moving window of {frames} frames in split {split!r}, whose "
                f"longest clip has {longest}: give more clips, longer ones or fewer frames; of "
                "shards, split.seed or split.test_share of train.prepare holds others out; videos "
                "become clips by train.prepare alone"
            )
        sizes = Counter(record.group for record, _ in windows)
        return cls(windows, np.array([sizes[record.group] ** -0.5 for record, _ in windows]))

    @property
    def records(self) -> list[Record]:
        return [record for record, _ in self.windows]

    def by_bucket(self) -> "dict[str, Picker]":
        """The same clips with the same weights, those of each aspect bucket apart."""
        names = np.array([record.bucket for record in self.records])
        return {
            str(name): Picker(
                [self.windows[i] for i in np.flatnonzero(names == name)],
                self.weights[names == name],
            )
            for name in np.unique(names)
        }

    def __call__(self, rng: np.random.Generator) -> Choice:
        number = rng.choice(len(self.windows), p=self.weights / self.weights.sum())
        record, starts = self.windows[number]
        stride = int(rng.choice(list(starts)))
        return Choice(record=record, stride=stride, start=int(rng.choice(starts[stride])))


def measured(store: ClipStore, split: str) -> Iterator[tuple[Record, Motion | None]]:
    """The clips of a split with their motion; those whose motion cannot be read are left out, with
    one warning that names them."""
    lost = []
    for record in store.split(split):
        try:
            motion = store.motion(record)
        except ValueError as error:
            lost.append((record.id, error))
            continue
        yield record, motion
    if lost:
        names = ", ".join(name for name, _ in lost)
        log.warning("left out, since they cannot be read: %s (%s)", names, lost[0][1])


def good_windows(
    record: Record, motion: Motion | None, frames: int, config: PickConfig
) -> dict[int, np.ndarray]:
    """Starts of good windows by stride; a clip too short for its frame rate goes faster."""
    strides = range(1, config.max_stride + 1)
    found = {}
    for stride in strides:
        fs = record.fps / stride
        if fs > config.max_fps + 0.5 or (fs < config.min_fps and found):
            continue
        starts = _starts(record, motion, frames, stride, config.rules)
        if len(starts):
            found[stride] = starts
    if not found:
        short = {s: _starts(record, motion, frames, s, config.rules) for s in strides}
        found = dict([(k, v) for k, v in short.items() if len(v)][-1:])
    return found


def _starts(
    record: Record, motion: Motion | None, frames: int, stride: int, rules: WindowRules
) -> np.ndarray:
    if motion is None:
        return np.arange(record.frames - (frames - 1) * stride)
    return np.flatnonzero(is_good(window_stats(motion, frames, stride), rules))
