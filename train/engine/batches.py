"""What a step draws: its dataset items, by process, and the random numbers of each sample. All of
it hangs on seed, step and sample, so that no state of it is kept."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset
from torch.utils.data import default_collate as collate

from train.engine.config import RunConfig
from train.engine.stop import USER_ERRORS, ignore_signals

log = logging.getLogger("toon.train")

Batch = dict[str, Any]  # of stacked tensors, numbers as one, and lists of words


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

    def pieces(self, step: int) -> list[range]:
        """The items of each piece of a step."""
        begin = step * self.batch + self.rank * self.accumulate * self.size
        starts = (begin + piece * self.size for piece in range(self.accumulate))
        return [range(start, start + self.size) for start in starts]


@dataclass(frozen=True)
class MicroBatch:
    """Part of a batch, and the global numbers of its samples."""

    batch: Batch
    indices: range


def batches(
    dataset: Dataset, config: RunConfig, shard: RankShard, step: int
) -> Iterator[list[MicroBatch]]:
    """The micro-batches of step `step`, of the next, and so on to the last. What loads them ends
    with the generator: close it."""
    steps = range(step, config.steps)
    order = (piece for current in steps for piece in shard.pieces(current))
    if whole := getattr(dataset, "batch_of", None):  # made on the device, by this process
        made = (whole(piece) for piece in order)
    else:
        made = loaded(partial(_batch, dataset), order, config.run.workers)
    with closing(made):
        for current in steps:
            yield [MicroBatch(next(made), piece) for piece in shard.pieces(current)]


def _batch(dataset: Dataset, indices: range) -> Batch:
    return collate([dataset[i] for i in indices])


def loaded(read: Callable[[Any], Any], keys: Iterable, workers: int) -> Iterator[Any]:
    """read(key) of each key in turn, by so many processes. Bad data are raised here as there."""
    loader = DataLoader(
        _Reader(read),
        batch_size=None,
        sampler=keys,
        num_workers=workers,
        worker_init_fn=ignore_signals,
    )
    items = iter(loader)
    try:
        for item in items:
            if isinstance(item, Exception):
                raise item
            yield item
    finally:  # else an error's traceback holds them, and the program waits for them at its end
        del items, loader


class _Reader(Dataset):
    """Bad data are given as the error itself: a loader process would put its traceback into the
    message."""

    def __init__(self, read: Callable[[Any], Any]) -> None:
        self.read = read

    def __getitem__(self, key: Any) -> Any:
        try:
            return self.read(key)
        except USER_ERRORS as error:
            log.debug("where it was", exc_info=True)
            return error


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
