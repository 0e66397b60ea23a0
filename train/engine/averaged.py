"""The recipe with its averaged weights: what sheets show and what is exported."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager, nullcontext

import numpy as np
import torch
from accelerate import Accelerator

from train.engine.config import RunConfig
from train.engine.objective import Build, Recipe
from train.engine.sharding import fill
from train.engine.trained import Trained


class Averaged:
    """Of the first process. Where training shards its modules, it builds a whole recipe beside
    them each time, since recipes call parts of their modules that no hook would gather: for a
    sheet on its GPU, where it is one more copy of the model for as long, since all would wait
    minutes for a CPU; for the export, which samples nothing, on the CPU."""

    def __init__(
        self,
        recipe: Recipe,
        trained: Mapping[str, Trained],
        config: RunConfig,
        accelerator: Accelerator,
        build: Build,
    ) -> None:
        self._recipe, self._trained, self._config = recipe, trained, config
        self._accelerator, self._build = accelerator, build

    def sheet(self) -> np.ndarray | None:
        """A picture of what is trained now, in the run's precision on a GPU; None on other
        processes, which must call it too, and with sheet_clips=0."""
        if not self._config.sheet_clips:
            return None
        on_gpu = self._accelerator.device.type != "cpu"  # where half precision saves time
        precision = self._accelerator.autocast() if on_gpu else nullcontext()
        with self.recipe() as recipe, torch.inference_mode(), precision:
            return recipe.sheet() if recipe else None

    @contextmanager
    def recipe(self, export: bool = False) -> Iterator[Recipe | None]:
        """The recipe with averages until the block ends; None on other processes, which must
        enter too."""
        if self._config.fsdp:
            yield self._whole(torch.device("cpu") if export else self._accelerator.device)
            return
        with ExitStack() as stack:
            for trained in self._trained.values():
                stack.enter_context(trained.ema.applied())
            yield self._recipe if self._accelerator.is_main_process else None

    def _whole(self, device: torch.device) -> Recipe | None:
        states = {name: t.averaged_state() for name, t in self._trained.items()}
        if not self._accelerator.is_main_process:
            return None
        torch.manual_seed(self._config.seed)
        beside = self._build(self._config, device)
        for name, objective in beside.objectives.items():
            own = dict(objective.named_parameters()) | dict(objective.named_buffers())
            for key, value in states[name].items():
                fill(own[key], value)
        return beside
