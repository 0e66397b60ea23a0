"""What a training entry gives the loop: a `Recipe` of one or more objectives; and the recipe with
the averages in place, for sheets and the result."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager, nullcontext
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import torch
from accelerate import Accelerator
from torch import Tensor, nn
from torch.utils.data import Dataset

from train.engine.batches import Batch, SampleRNG
from train.engine.config import RunConfig
from train.engine.state import TrainState, fill


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
    """Item i is a dict that depends on (seed, i) only; tensors are stacked, the rest is listed. Or
    it makes whole batches itself, on the device: `batch_of(indices)`.
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


class AveragedRecipe:
    """What the first process draws and exports. Where training shards its modules, it builds a
    whole recipe beside them each time, since recipes call parts of their modules that no hook
    would gather: for a sheet on its GPU, where it is one more copy of the model for as long, since
    all would wait minutes for a CPU; for the export, which samples nothing, on the CPU."""

    def __init__(
        self,
        recipe: Recipe,
        states: Mapping[str, TrainState],
        config: RunConfig,
        accelerator: Accelerator,
        build: Build,
    ) -> None:
        self._recipe, self._states, self._config = recipe, states, config
        self._accelerator, self._build = accelerator, build

    @contextmanager
    def shown(self) -> Iterator[Recipe | None]:
        """The recipe to draw sheets and held-out losses with, in the run's precision on a GPU;
        None on other processes, which must enter too."""
        on_gpu = self._accelerator.device.type != "cpu"  # where half precision saves time
        precision = self._accelerator.autocast() if on_gpu else nullcontext()
        with self.recipe() as recipe, torch.inference_mode(), precision:
            yield recipe

    @contextmanager
    def recipe(self, export: bool = False) -> Iterator[Recipe | None]:
        """The recipe with averages until the block ends; None on other processes, which must
        enter too."""
        if self._config.run.fsdp:
            yield self._whole(torch.device("cpu") if export else self._accelerator.device)
            return
        with ExitStack() as stack:
            for state in self._states.values():
                stack.enter_context(state.ema.applied())
            yield self._recipe if self._accelerator.is_main_process else None

    def _whole(self, device: torch.device) -> Recipe | None:
        states = {name: t.averaged_state() for name, t in self._states.items()}
        if not self._accelerator.is_main_process:
            return None
        torch.manual_seed(self._config.seed)
        beside = self._build(self._config, device)
        for name, objective in beside.objectives.items():
            own = dict(objective.named_parameters()) | dict(objective.named_buffers())
            for key, value in states[name].items():
                fill(own[key], value)
        return beside
