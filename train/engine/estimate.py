"""What a run will need in memory and time: steps of one and of two samples, and a sheet, tried and
measured before it starts."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.utils._pytree import tree_leaves
from torch.utils.data import Dataset

from train.engine.batches import Piece, collate
from train.engine.config import RunConfig
from train.engine.sharding import local
from train.engine.trained import Trained
from train.engine.watch import Most, free, present, watched

log = logging.getLogger("toon.train")

LESS = "more accumulate, checkpointing=true, dtype=bf16, less batch, or smaller frames"
MOMENT_BYTES = {"adamw": 8, "adamw8bit": 2, "muon": 4}  # a parameter


@dataclass(frozen=True, kw_only=True)
class Estimate:
    """Bytes of one process at its peak, and seconds of a step. Of what is sharded, its share."""

    trained: int  # parameters
    present: int  # the process before its first step: program, data, all weights
    optimizer: int
    average: int
    step: int  # activations and gradients
    sheet: int  # what drawing one takes, which is not at the time of a step
    seconds: float

    @property
    def total(self) -> int:
        return self.present + self.optimizer + self.average + max(self.step, self.sheet)


Parts = Mapping[str, Trained]
Draw = Callable[[], object]


def report(
    parts: Parts, dataset: Dataset, config: RunConfig, processes: int, draw: Draw
) -> Estimate:
    """Measure, log and return it; a warning where the memory will not do. `draw` makes a sheet.
    ValueError with what is known where one sample is too much already."""
    device = _device(parts)
    there = present(device) + free(device)
    try:
        found = measure(parts, dataset, config, processes, draw)
    except torch.OutOfMemoryError as error:
        raise ValueError(_too_much(parts, config, there)) from error
    log.info(
        "%.1f M parameters train. Memory, about %s: present %s, optimizer %s, average %s, "
        "activations and gradients %s, or a sheet %s",
        found.trained / 1e6,
        *map(_size, (found.total, found.present, found.optimizer)),
        *map(_size, (found.average, found.step, found.sheet)),
    )
    log.info(
        "about %.3g s a step, %.2g h for %d steps, besides sheets",
        found.seconds,
        found.seconds * config.steps / 3600,
        config.steps,
    )
    if found.total > there:
        log.warning(
            "more than the %s there are: %s would help",
            _size(there),
            LESS,
        )
    return found


def _too_much(parts: Parts, config: RunConfig, there: int) -> str:
    weights = sum(_bytes(t.module.parameters()) for t in parts.values())
    return (
        f"the {_size(there)} there are do not do for a sample and a sheet: weights of what trains "
        f"{_size(weights)}, optimizer {_size(_moments(parts, config))}, average "
        f"{_size(_average(parts))}, and activations besides: {LESS} would help"
    )


def _moments(parts: Parts, config: RunConfig) -> int:
    trained = [p for t in parts.values() for p in t.parameters]
    return MOMENT_BYTES[config.optimizer] * sum(local(p).numel() for p in trained)


def _average(parts: Parts) -> int:
    return sum(_bytes(t.ema.average.values()) for t in parts.values())


def measure(
    parts: Parts, dataset: Dataset, config: RunConfig, processes: int = 1, draw: Draw = tuple
) -> Estimate:
    """Leaves weights, buffers and gradients as they were. All processes must call it together,
    since losses and sharded modules may hold what they do so."""
    device, average = _device(parts), _average(parts)
    resumed = sum(_bytes(tree_leaves(t.optimizer.state_dict())) for t in parts.values())
    before = present(device)
    most, seconds = _step(parts, dataset, config, config.batch // (processes * config.accumulate))
    sheet = _drawn(device, draw)
    return Estimate(
        trained=sum(p.numel() for t in parts.values() for p in t.parameters),
        present=before - average - resumed,
        optimizer=_moments(parts, config),
        average=average,
        step=most - before,
        sheet=sheet - before,
        seconds=seconds * config.accumulate,
    )


def _step(parts: Parts, data: Dataset, config: RunConfig, samples: int) -> tuple[int, float]:
    """Peak bytes of a piece of so many samples, by a line through one and two, and its seconds."""
    few = min(samples, 2)
    tried = [_tried(parts, config, [data[i] for i in range(n)]) for n in range(1, few + 1)]
    peaks, seconds = zip(*tried, strict=True)
    growth = max(peaks[-1] - peaks[0], 0)
    return peaks[-1] + growth * (samples - few), seconds[-1] * samples / few


def _tried(parts: Parts, config: RunConfig, items: list[dict]) -> tuple[int, float]:
    """Peak bytes and seconds of a piece, of the second of two: the first one still loads, and an
    allocator does not give back all that it leaves."""
    count = min(config.accumulate, 2)  # the second piece finds the gradients of the first
    for _ in range(2):
        pieces = [Piece(collate(items), range(len(items))) for _ in range(count)]
        begin = time.monotonic()
        with watched(_device(parts)) as most:
            for trained in parts.values():
                # As in the last step: all of a loss is switched on.
                trained.try_out(pieces, config.steps - 1)
        seconds = (time.monotonic() - begin) / count
    return most.bytes, seconds


def _drawn(device: torch.device, draw: Draw) -> int:
    """Peak bytes while a sheet is drawn."""
    with watched(device) as most:
        draw()
    return most.bytes


def report_peak(most: Most) -> None:
    log.info("memory at its peak: %s", _size(most.bytes))


def _device(parts: Parts) -> torch.device:
    return next(p.device for t in parts.values() for p in t.module.parameters())


def _bytes(found: Iterable) -> int:
    return sum(local(x).nbytes for x in found if isinstance(x, Tensor))


def _size(count: int) -> str:
    return f"{count / 2**30:.2f} GiB" if count >= 2**30 else f"{count / 2**20:.0f} MiB"
