"""What a step draws: its dataset items, by process, and the random numbers of each sample. All of
it hangs on seed, step and sample, so that no state of it is kept."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Iterator, Sequence
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


class _BatchSampler:
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
    if whole := getattr(dataset, "batch_of", None):  # made on the device, by this process
        for current in range(step, config.steps):
            chosen = [shard.indices(current, piece) for piece in range(shard.accumulate)]
            yield [MicroBatch(whole(indices), indices) for indices in chosen]
        return
    order = _BatchSampler(shard, step, config.steps)
    loader = DataLoader(
        _WholeBatches(dataset),
        batch_size=None,
        sampler=order,
        num_workers=config.run.workers,
        collate_fn=_identity,
        worker_init_fn=ignore_signals,
    )
    parts = map(_raised, loader)
    try:
        for current in range(step, config.steps):
            pieces = range(shard.accumulate)
            yield [MicroBatch(next(parts), shard.indices(current, piece)) for piece in pieces]
    finally:  # else an error's traceback holds them, and the program waits for them at its end
        del parts, loader


class _WholeBatches(Dataset):
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


def _identity(batch: Batch | Exception) -> Batch | Exception:
    return batch


def _raised(batch: Batch | Exception) -> Batch:
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


class SampleRNG:
    """Sample i of a batch draws from a generator of its own, seeded by (seed, step, its index
    among all samples of the run). One process or eight, resumed or not: the same numbers.

    Every method gives a CPU tensor whose first axis is the batch. `step` counts from 0.
    """

    def __init__(self, seed: int, step: int, indices: Sequence[int]) -> None:
        self.step = step
        self._generators = [_generator(seed, step, index) for index in indices]

    def __len__(self) -> int:
        return len(self._generators)

    def normal(self, *shape: int) -> Tensor:
        """Standard normal (b *shape)."""
        return torch.stack([torch.randn(shape, generator=g) for g in self._generators])

    def uniform(self, *shape: int) -> Tensor:
        """In [0, 1), (b *shape)."""
        return torch.stack([torch.rand(shape, generator=g) for g in self._generators])

    def integers(self, high: int, *shape: int) -> Tensor:
        """In 0..high-1, (b *shape) int64."""
        return torch.stack([torch.randint(high, shape, generator=g) for g in self._generators])

    def order(self, n: int) -> Tensor:
        """A random order of 0..n-1 for every sample, (b n)."""
        return torch.stack([torch.randperm(n, generator=g) for g in self._generators])


def _generator(*parts: int) -> torch.Generator:
    """Mixed by a hash: neighbouring seeds of torch's generator are not independent."""
    text = ",".join(map(str, parts)).encode()
    seed = int.from_bytes(hashlib.sha256(text).digest()[:8], "big") % 2**63
    return torch.Generator().manual_seed(seed)
