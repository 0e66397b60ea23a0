"""Which dataset items a step takes, and on which process: the whole of the data's position."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from train.engine.config import RunConfig
from train.engine.stop import ignore_signals

log = logging.getLogger("toon.train")

Batch = dict[str, Any]  # of stacked tensors, and lists of everything else


@dataclass(frozen=True, kw_only=True)
class RankShard:
    """One process's part of every batch: step s takes items s * batch ..., process r of n the
    r-th part of them, in `accumulate` pieces."""

    batch: int
    accumulate: int = 1
    rank: int = 0
    processes: int = 1

    @property
    def size(self) -> int:
        """Samples of a piece."""
        return self.batch // (self.processes * self.accumulate)

    def indices(self, step: int, piece: int) -> range:
        begin = step * self.batch + (self.rank * self.accumulate + piece) * self.size
        return range(begin, begin + self.size)


@dataclass(frozen=True)
class MicroBatch:
    """Part of a batch, and the global numbers of its samples."""

    batch: Batch
    indices: range


class _Order:
    """The indices of every piece from `step` on, for a DataLoader."""

    def __init__(self, shard: RankShard, step: int, steps: int) -> None:
        self.shard, self.step, self.steps = shard, step, steps

    def __len__(self) -> int:
        return (self.steps - self.step) * self.shard.accumulate

    def __iter__(self) -> Iterator[range]:
        for step in range(self.step, self.steps):
            for piece in range(self.shard.accumulate):
                yield self.shard.indices(step, piece)


def batches(
    dataset: Dataset, config: RunConfig, shard: RankShard, step: int
) -> Iterator[list[MicroBatch]]:
    """The micro-batches of step `step`, of the next, and so on to the last. What loads them ends
    with the generator: close it."""
    order = _Order(shard, step, config.steps)
    loader = DataLoader(
        _Batches(dataset),
        batch_size=None,
        sampler=order,
        num_workers=config.run.workers,
        collate_fn=_as_it_is,
        worker_init_fn=ignore_signals,
    )
    parts = map(_checked, loader)
    try:
        for current in range(step, config.steps):
            pieces = range(shard.accumulate)
            yield [MicroBatch(next(parts), shard.indices(current, piece)) for piece in pieces]
    finally:  # else an error's traceback holds them, and the program waits for them at its end
        del parts, loader


class _Batches(Dataset):
    """A data set by whole batches. Bad data are given as the error itself: a loader process would
    put its traceback into the message."""

    def __init__(self, dataset: Dataset) -> None:
        self.dataset = dataset

    def __getitem__(self, indices: range) -> Batch | Exception:
        try:
            return collate([self.dataset[i] for i in indices])
        except (ValueError, OSError) as error:
            log.debug("where it was", exc_info=True)
            return error


def _as_it_is(batch: Batch | Exception) -> Batch | Exception:
    return batch


def _checked(batch: Batch | Exception) -> Batch:
    if isinstance(batch, Exception):
        raise batch
    return batch


def collate(items: list[dict]) -> Batch:
    """Tensors are stacked, everything else is listed."""
    first = items[0]
    return {
        k: torch.stack([i[k] for i in items]) if isinstance(v, Tensor) else [i[k] for i in items]
        for k, v in first.items()
    }
