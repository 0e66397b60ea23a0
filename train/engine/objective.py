"""What a training entry gives the loop: a `Recipe` of one or more objectives."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import torch
from torch import Tensor, nn
from torch.utils.data import Dataset

from train.engine.batches import Batch, SampleRNG


class Objective(Protocol):
    """An nn.Module that holds what is trained, and whose forward is the loss, so that it can be
    wrapped (DDP, FSDP) as a whole. Frozen networks stand in a dict, so that they are no submodules.
    Methods besides it that compute with its weights are named in `other_forwards`."""

    def __call__(self, batch: Batch, rng: SampleRNG) -> tuple[Tensor, dict[str, Tensor]]:
        """The scalar to minimise (a mean over the batch), and named values to log. The other
        objectives of the recipe get the same `batch`, with an rng that begins anew."""


class Recipe(Protocol):
    """What a run trains, on what, by which losses."""

    objectives: Mapping[str, nn.Module]
    """Stepped in this order on the same batch, with an optimizer each. One for most recipes;
    a decoder and its discriminator for the adversarial one."""

    frozen: Mapping[str, nn.Module]
    """Networks that the objectives use and do not train, by name."""

    result: str
    """Name of the file that `export` writes."""

    dataset: Dataset
    """Item i is a dict that depends on (seed, i) only; tensors and numbers are stacked, words
    listed. Or it makes whole batches itself, on the device: `batch_of(indices)`.
    `stamp()` is a short hash of what items are drawn from, and `licences()` what is said of whose
    that is, each once, for the result's manifest."""

    def held_out_loss(self) -> dict[str, float]:
        """Of what is trained now, on held-out clips, always the same with the same noise: `loss`,
        the number that early stopping goes by, and others to log; empty where none are held out."""

    def sheet(self) -> np.ndarray:
        """A picture (h w 3) uint8 of what is trained now, always of the same clips."""

    def export(self, out: Path, facts: dict[str, Any]) -> None:
        """Write the result and its manifest, from the objectives' current weights."""


Build = Callable[[Any, torch.device], Recipe]
"""Makes a recipe of its options, on a device."""
