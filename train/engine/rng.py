"""Random numbers of a training step that do not depend on how its batch is spread."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

import torch
from torch import Tensor


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
