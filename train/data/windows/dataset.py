"""Windows drawn from a store by (seed, index) alone: `ClipWindows`, and in aspects `BucketWindows`.

Characters with alpha are staged: placed, moved, outlined, on a painted background. Clips that
fill their frame are only resized by their short side, cropped to the centre and mirrored.
"""

from __future__ import annotations

import copy
import hashlib
import json
import logging
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Protocol

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import Dataset

from toon_core.images import MULTIPLE
from train.data.filters.sketches import WindowSketcher
from train.data.shards import NO_LICENCE, Record, bucket_shape
from train.data.store import check_data, open_store
from train.data.windows.backgrounds import paint_background
from train.data.windows.canvas import random_colour
from train.data.windows.compose import (
    add_outline,
    as_layer,
    ink_inner_lines,
    over,
    over_white,
    pan_over,
    place,
    resize_to_cover,
)
from train.data.windows.sampler import SamplerConfig, Window, WindowSampler
from train.engine.config import RunConfig
from train.engine.options import option

if TYPE_CHECKING:
    from typing import Self

log = logging.getLogger("toon.data")

Rng = np.random.Generator
TEST_SEED = 0  # held-out windows are the same for every run
ATTEMPTS = 8  # draws of one item before unreadable clips stop the run
BUCKET = 1 << 20  # the third number of a batch's draw, which of an item's is an attempt


@dataclass(frozen=True, kw_only=True)
class WindowConfig:
    """Shares (0..1) of the random choices, and ranges in pixels of a 128 picture."""

    reverse: float = option(0.3, least=0, most=1)  # share of windows with alpha that run backwards
    flip: float = option(0.5, least=0, most=1)  # share that is mirrored
    # Share whose red, green and blue change places.
    recolour: float = option(0.25, least=0, most=1)
    outline: float = option(0.3, least=0, most=1)  # share with an inked outline
    # Of the outlined: share with ink between the character's colours, too.
    inner_lines: float = option(0.0, least=0, most=1)
    place: float = option(0.6, least=0, most=1)  # share that is scaled and moved
    scale: tuple[float, float] = option((0.7, 1.15), above=0)  # of the placed, least and most
    shift: float = option(20.0, least=0)  # of the placed: pixels of a 128 picture at most
    drift: float = option(0.25, least=0, most=1)  # share that also glides through the picture
    drift_speed: float = option(1.5, least=0)  # pixels a frame at most
    pan: float = option(0.2, least=0, most=1)  # share whose background moves, as under a camera
    pan_speed: float = option(1.5, least=0)  # pixels a frame at most
    # Share with another character, in front or behind.
    second: float = option(0.15, least=0, most=1)
    pick: SamplerConfig = field(default_factory=SamplerConfig)


@dataclass(kw_only=True)
class TrainingConfig(RunConfig):
    """What every run has that trains on windows of clips."""

    # Pixels of a window, a multiple of 8: shorter side fitted, then cut.
    height: int = option(128, least=1)
    width: int = option(128, least=1)  # pixels, a multiple of 8
    frames: int = option(16, least=1)  # of a window
    # Each batch in an aspect bucket of its clips, of about height x width pixels in multiples
    # of 64; a cache must have been made with buckets, too.
    buckets: bool = False
    # How characters with alpha are staged; a cache has its own.
    windows: WindowConfig = field(default_factory=WindowConfig)

    def resolved(self) -> Self:
        """Also ValueError without a folder of data, before a model is loaded."""
        config = super().resolved()
        check_data(config.data)
        return config


class WindowOptions(Protocol):
    """The options that windows of clips are drawn by."""

    data: str
    height: int  # pixels
    width: int
    frames: int
    seed: int
    windows: WindowConfig


class ClipWindows(Dataset):
    """Windows of one split of shards or of a folder of clips; item i depends on (seed, i) only,
    by default the seed of the options, and `TEST_SEED` where the split is not "train".

    Any index from 0 on is a fresh draw, so a run resumes at index step * batch;
    `range(start, stop)` serves as the sampler. An item is a dict: `video` (3 t h w) float32 in
    [-1, 1], `prompt` str, `fs` int (frames per second after striding), `name` str, `start` int
    (first frame in the clip), `stride` int; with `sketch` also `sketches` (1 t h w) in [0, 1]:
    "stored" takes the store's for clips that fill their frame and XDoG's elsewhere, "auto" the
    best drawer's elsewhere, and a drawer's name draws all of them. Where a clip cannot be read,
    another one is drawn. Raises NoWindow where the split has no window of that length.
    """

    def __init__(
        self,
        options: WindowOptions,
        split: str,
        items: int,
        sketch: str = "",
        seed: int | None = None,
    ) -> None:
        if seed is None:
            seed = options.seed if split == "train" else TEST_SEED
        self.store, self.seed, self.items = open_store(options.data), seed, items
        self.frames, self.shape = options.frames, (options.height, options.width)
        self.config = options.windows
        self.sketcher = WindowSketcher(sketch) if sketch else None
        self.sampler = WindowSampler.of(self.store, split, self.frames, self.config.pick)
        self._warned: set[str] = set()  # what was warned of

    def stamp(self) -> str:
        """A short hash of the clips that windows are drawn from, and of how they are drawn."""
        text = json.dumps([self.store.stamp(), asdict(self.config)])
        return hashlib.sha256(text.encode()).hexdigest()[:16]

    def licences(self) -> list[str]:
        """What is said of whose the clips are, each once."""
        return licences_of(self.sampler.records)

    @property
    def unit(self) -> float:
        """Pixels that stand for one of a 128 picture."""
        return min(self.shape) / 128

    def __len__(self) -> int:
        return self.items

    def __getitem__(self, index: int) -> dict:
        if not 0 <= index < self.items:
            raise IndexError(f"item {index} of {self.items}")
        for attempt in range(ATTEMPTS):
            try:
                return self._draw([self.seed, index, attempt][: 2 + (attempt > 0)])
            except ValueError as error:
                last = str(error)
                if last not in self._warned:
                    log.warning("another clip is drawn wherever this one would be: %s", error)
                self._warned.add(last)
        raise ValueError(
            f"item {index}: {ATTEMPTS} clips drawn, none can be read; the last one: {last}"
        )

    def _draw(self, seeds: list[int]) -> dict:
        rng = np.random.default_rng(seeds)
        window = self.sampler.draw(rng)
        planes = self.render(window, rng)
        if window.record.alpha and rng.random() < self.config.reverse:
            planes = planes.flip(0)
        video = planes[:, :3].movedim(1, 0).mul(2).sub_(1).clamp_(-1, 1)
        item = {
            "video": video.contiguous(),
            "prompt": window.record.caption,
            "fs": round(window.record.fps / window.stride),
            "name": window.record.id,
            "start": window.start,
            "stride": window.stride,
        }
        if self.sketcher:
            item["sketches"] = self.sketcher(planes).movedim(1, 0).contiguous()
        return item

    def render(self, window: Window, rng: Rng) -> Tensor:
        """The composed window (t 3 h w) in [0, 1]; a fourth plane where its sketch is stored."""
        layer = self._layer(window, rng)
        if not window.record.alpha:
            return resize_to_cover(layer, self.shape)
        layer = self._stage(layer, rng)
        if rng.random() < self.config.second:
            layer = self._with_second(layer, rng)
        return over(layer, self._background(rng))

    def figure(self, window: Window, rng: Rng) -> Tensor:
        """Of a clip with alpha the character alone, as `render` stages it: (t 4 h w)."""
        return self._stage(self._layer(window, rng), rng)

    def _layer(self, window: Window, rng: Rng) -> Tensor:
        """The window of a clip, mirrored and recoloured as chance has it: (t 4 h w), or where it
        fills its frame the colours, and its sketch where that is stored."""
        record = window.record
        stop = window.start + (self.frames - 1) * window.stride + 1
        numbers = range(window.start, stop, window.stride)
        layer = as_layer(self.store.frames(record, numbers))
        if not record.alpha:
            layer = over_white(layer)[:, :3]
            if self.sketcher and self.sketcher.takes(record):
                lines = as_layer(self.store.sketches(record, numbers)[..., None])
                layer = torch.cat([layer, lines], 1)
        if rng.random() < self.config.flip:
            layer = layer.flip(-1)
        if record.alpha and rng.random() < self.config.recolour:
            layer = layer[:, [*rng.permutation(3), 3]]
        return layer

    def _stage(self, layer: Tensor, rng: Rng) -> Tensor:
        """The character placed, drifting and outlined as chance has it."""
        config, unit = self.config, self.unit
        scale, shift, drift = 1.0, (0.0, 0.0), (0.0, 0.0)
        if rng.random() < config.place:
            scale = rng.uniform(*config.scale)
            shift = tuple(rng.uniform(-1, 1, 2) * config.shift * unit)
        if rng.random() < config.drift:
            drift = tuple(rng.uniform(-1, 1, 2) * (1, 0.4) * config.drift_speed * unit)
            shift = tuple(s - d * self.frames / 2 for s, d in zip(shift, drift, strict=True))
        layer = place(layer, self.shape, scale, shift, drift)
        if rng.random() < config.outline:
            ink = random_colour(rng, rng.random(), "dark")
            if config.inner_lines and rng.random() < config.inner_lines:
                layer = ink_inner_lines(layer, ink)
            layer = add_outline(layer, ink, int(rng.integers(1, 3)))
        return layer

    def _with_second(self, layer: Tensor, rng: Rng) -> Tensor:
        window = self.sampler.draw(rng)
        if not window.record.alpha:
            return layer
        other = self._layer(window, rng)
        unit = self.unit
        speed = rng.uniform(-2.5, 2.5) * unit
        shift = (rng.uniform(-45, 45) * unit - speed * self.frames / 2, rng.uniform(-30, 35) * unit)
        other = place(other, self.shape, rng.uniform(0.35, 0.75), shift, (speed, 0.0))
        return over(layer, other) if rng.random() < 0.6 else over(other, layer)

    def _background(self, rng: Rng) -> Tensor:
        config = self.config
        if rng.random() >= config.pan:
            return as_layer(paint_background(rng, *self.shape))
        limit = config.pan_speed * self.unit
        pan = tuple(rng.uniform(-1, 1, 2) * (limit, 0.3 * limit))
        room = [int(np.ceil(abs(step) * self.frames)) + 2 for step in pan]
        height, width = self.shape[0] + room[1], self.shape[1] + room[0]
        picture = as_layer(paint_background(rng, height, width))
        return pan_over(picture, self.shape, self.frames, pan)


def licences_of(records: Iterable[Record]) -> list[str]:
    """What is said of whose clips these are, each once."""
    return sorted({record.licence or NO_LICENCE for record in records})


class BucketWindows(Dataset):
    """Items n * batch ... of batch n share the shape of one aspect bucket, of about as many pixels
    as the given windows have.

    The bucket of batch n depends on (seed, n) alone. It is drawn by the weight of its clips, so
    that each clip is seen as often as without buckets.
    """

    def __init__(self, windows: ClipWindows, batch: int) -> None:
        self.windows, self.batch = windows, batch
        area = windows.shape[0] * windows.shape[1]
        self.parts: list[ClipWindows] = []
        for bucket, sampler in windows.sampler.by_bucket().items():
            part = copy.copy(windows)
            part.sampler = sampler
            part.shape = bucket_shape(bucket, area, MULTIPLE)
            self.parts.append(part)
        weights = np.array([part.sampler.weights.sum() for part in self.parts])
        self.weights = weights / weights.sum()

    def stamp(self) -> str:
        return self.windows.stamp()

    def licences(self) -> list[str]:
        return self.windows.licences()

    def __len__(self) -> int:
        return len(self.windows)

    def __getitem__(self, index: int) -> dict:
        return self._part(index)[index]

    def shape_of(self, index: int) -> tuple[int, int]:
        """Height and width of an item."""
        return self._part(index).shape

    def _part(self, index: int) -> ClipWindows:
        rng = np.random.default_rng([self.windows.seed, index // self.batch, BUCKET])
        return self.parts[rng.choice(len(self.parts), p=self.weights)]
