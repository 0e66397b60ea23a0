"""`WindowSampler`: which window of which clip is drawn next."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np

from train.data.motion import Motion, WindowRules, is_good, window_stats
from train.data.shards import Record
from train.data.store import ClipStore
from train.engine.options import option

log = logging.getLogger("toon.data")


@dataclass(frozen=True, kw_only=True)
class SamplerConfig:
    """Which windows are good: frames per second after striding, and how they move."""

    min_fps: float = option(5.0, least=0)  # frames per second of a window at least
    max_fps: float = option(30.0, above=0)  # at most
    max_stride: int = option(6, least=1)  # every so many-th frame of a clip at most
    rules: WindowRules = field(default_factory=WindowRules)


@dataclass(frozen=True, kw_only=True)
class Window:
    """Frames `start`, `start + stride` ... of a clip."""

    record: Record
    stride: int
    start: int


Starts = dict[int, np.ndarray]  # of the good windows, by stride


class NoWindow(ValueError):
    """A split has none of the wanted length that moves."""


class WindowSampler:
    """Draws clips that have good windows, and one of their windows.

    Look-alikes share their draws: a clip weighs 1 / sqrt(size of its group).
    """

    def __init__(self, windows: Sequence[tuple[Record, Starts]], weights: np.ndarray) -> None:
        self.windows, self.weights = windows, weights

    @classmethod
    def of(cls, store: ClipStore, split: str, frames: int, config: SamplerConfig) -> WindowSampler:
        """NoWindow where the split has no window of that length."""
        found = [(r, good_windows(r, m, frames, config)) for r, m in with_motion(store, split)]
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

    def by_bucket(self) -> dict[str, WindowSampler]:
        """The same clips with the same weights, those of each aspect bucket apart."""
        names = np.array([record.bucket for record in self.records])
        return {
            str(name): WindowSampler(
                [self.windows[i] for i in np.flatnonzero(names == name)],
                self.weights[names == name],
            )
            for name in np.unique(names)
        }

    def draw(self, rng: np.random.Generator) -> Window:
        number = rng.choice(len(self.windows), p=self.weights / self.weights.sum())
        record, starts = self.windows[number]
        stride = int(rng.choice(list(starts)))
        return Window(record=record, stride=stride, start=int(rng.choice(starts[stride])))


def with_motion(store: ClipStore, split: str) -> Iterator[tuple[Record, Motion | None]]:
    """The clips of a split, each with its motion; those whose motion cannot be read are left out,
    with one warning that names them."""
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
    record: Record, motion: Motion | None, frames: int, config: SamplerConfig
) -> dict[int, np.ndarray]:
    """Starts of good windows by stride; a clip too short for its frame rate goes faster."""
    strides = range(1, config.max_stride + 1)
    every = {s: _starts(record, motion, frames, s, config.rules) for s in strides}
    good = {stride: starts for stride, starts in every.items() if len(starts)}
    found = {}
    for stride, starts in good.items():
        fs = record.fps / stride
        if fs <= config.max_fps + 0.5 and (fs >= config.min_fps or not found):
            found[stride] = starts
    return found or dict(list(good.items())[-1:])


def _starts(
    record: Record, motion: Motion | None, frames: int, stride: int, rules: WindowRules
) -> np.ndarray:
    if motion is None:
        return np.arange(record.frames - (frames - 1) * stride)
    return np.flatnonzero(is_good(window_stats(motion, frames, stride), rules))
