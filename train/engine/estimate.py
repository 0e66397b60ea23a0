"""What a run will need in memory and time: steps of one and of two samples, tried and measured
before it starts."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.distributed.tensor import DTensor
from torch.utils._pytree import tree_leaves
from torch.utils.data import Dataset

from train.engine.batches import Piece, collate
from train.engine.config import RunConfig
from train.engine.trained import Trained
from train.engine.watch import Most, free, present, watched

log = logging.getLogger("toon.train")

MOMENT_BYTES = {"adamw": 8, "adamw8bit": 2, "muon": 4}  # a parameter


@dataclass(frozen=True, kw_only=True)
class Estimate:
    """Bytes of one process at its peak, and seconds of a step. Of what is sharded, its share."""

    trained: int  # parameters
    present: int  # the process before its first step: program, data, all weights
    optimizer: int
    average: int
    step: int  # activations and gradients
    seconds: float

    @property
    def total(self) -> int:
        return self.present + self.optimizer + self.average + self.step


Parts = Mapping[str, Trained]


def report(parts: Parts, dataset: Dataset, config: RunConfig, processes: int) -> Estimate:
    """Measure, log and return it; a warning where the memory will not do."""
    device = _device(parts)
    there = present(device) + free(device)
    found = measure(parts, dataset, config, processes)
    log.info(
        "%.1f M parameters train. Memory, about %s: present %s, optimizer %s, average %s, "
        "activations and gradients %s",
        found.trained / 1e6,
        *map(_size, (found.total, found.present, found.optimizer, found.average, found.step)),
    )
    log.info(
        "about %.3g s a step, %.2g h for %d steps, besides sheets",
        found.seconds,
        found.seconds * config.steps / 3600,
        config.steps,
    )
    if found.total > there:
        log.warning(
            "more than the %s there are: more accumulate, checkpointing=true or less batch "
            "would help",
            _size(there),
        )
    return found


def measure(parts: Parts, dataset: Dataset, config: RunConfig, processes: int = 1) -> Estimate:
    """Leaves weights, buffers and gradients as they were. All processes must call it together,
    since losses and sharded modules may hold what they do so."""
    device, trained = _device(parts), [p for t in parts.values() for p in t.parameters]
    moments = MOMENT_BYTES[config.optimizer] * sum(_local(p).numel() for p in trained)
    average = sum(_bytes(t.ema.average.values()) for t in parts.values())
    resumed = sum(_bytes(tree_leaves(t.optimizer.state_dict())) for t in parts.values())
    before = present(device)
    most, seconds = _step(parts, dataset, config, config.batch // (processes * config.accumulate))
    return Estimate(
        trained=sum(p.numel() for p in trained),
        present=before - average - resumed,
        optimizer=moments,
        average=average,
        step=most - before,
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
                trained.try_out(pieces, config.steps)
        seconds = (time.monotonic() - begin) / count
    return most.bytes, seconds


def report_peak(most: Most) -> None:
    log.info("memory at its peak: %s", _size(most.bytes))


def _device(parts: Parts) -> torch.device:
    return next(p.device for t in parts.values() for p in t.module.parameters())


def _local(x: Tensor) -> Tensor:
    return x.to_local() if isinstance(x, DTensor) else x


def _bytes(found: Iterable) -> int:
    return sum(_local(x).nbytes for x in found if isinstance(x, Tensor))


def _size(count: int) -> str:
    return f"{count / 2**30:.2f} GiB" if count >= 2**30 else f"{count / 2**20:.0f} MiB"
