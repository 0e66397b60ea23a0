"""An objective in training: its module, optimizer and average; and the recipe with the averages in
place, for sheets and the result."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager, nullcontext
from typing import Any

import torch
from accelerate import Accelerator
from torch import Tensor, nn
from torch.distributed.tensor import DTensor

from train.engine.batches import MicroBatch, SampleRNG
from train.engine.config import RunConfig
from train.engine.objective import Build, Recipe
from train.engine.optimizers import EMA, learning_rate, make_optimizer
from train.engine.sharding import fill, local, place_like, shard, whole

MOST = torch.finfo(torch.float16).max
PATIENCE = 20  # updates that fp16's scaler may skip: each halves its scale, from 2**16


class TrainState:
    """`module` is the objective itself; `wrapped` what its loss is taken of."""

    def __init__(self, module: nn.Module, config: RunConfig, accelerator: Accelerator) -> None:
        self.config, self.accelerator, self.module = config, accelerator, module
        module.train()
        if config.run.fsdp:
            self.wrapped = shard(module, accelerator.device)
        else:
            self.wrapped = accelerator.prepare_model(module)
        self.parameters = [p for p in module.parameters() if p.requires_grad]
        self.optimizer = accelerator.prepare_optimizer(make_optimizer(self.parameters, config))
        self.ema = EMA(module, config.optim.ema)
        self.skipped = 0  # updates in a row

    def step(self, parts: list[MicroBatch], step: int) -> dict[str, Tensor]:
        """One update; the mean loss, gradient norm and named values. FloatingPointError where
        the gradient is not finite."""
        for group in self.optimizer.param_groups:
            group["lr"] = learning_rate(self.config, step)
        self.optimizer.zero_grad()  # another objective's loss may have left some
        values = [self._backward(parts, i, step) for i in range(len(parts))]
        mean = mean_values(values)
        norm = self._clipped_norm()
        # In fp16 an overflow of scaled gradients is ordinary: the scaler skips that update.
        if not torch.isfinite(mean["loss"] if self.accelerator.scaler else norm):
            raise FloatingPointError("the loss or its gradient is not finite")
        self.optimizer.step()
        self.skipped = self.skipped + 1 if self.optimizer.step_was_skipped else 0
        if self.skipped == PATIENCE:
            raise FloatingPointError("the loss or its gradient is not finite")
        self.optimizer.zero_grad()
        self.ema.update()
        return {**mean, "grad_norm": norm}

    def dry_step(self, parts: list[MicroBatch], step: int) -> None:
        """Losses and gradients as `step` takes them; parameters and buffers stay as they are."""
        kept = [(b, b.clone()) for b in self.module.buffers()]
        for i in range(len(parts)):
            self._backward(parts, i, step)
        self.optimizer.zero_grad()
        with torch.no_grad():
            for buffer, value in kept:
                buffer.copy_(value)

    def _backward(self, parts: list[MicroBatch], i: int, step: int) -> dict[str, Tensor]:
        """Gradients of part i."""
        batch, indices = parts[i].batch, parts[i].indices
        _seed_dropout(self.config.seed, step, indices.start)
        with self._gradient_sync(i == len(parts) - 1):
            with self.accelerator.autocast():
                loss, values = self.wrapped(batch, SampleRNG(self.config.seed, step, indices))
            self.accelerator.backward(loss / len(parts))
        return {"loss": loss.detach(), **{k: v.detach() for k, v in values.items()}}

    @contextmanager
    def _gradient_sync(self, last: bool) -> Iterator[None]:
        """Gradients meet those of the other processes at the last part only; sharded ones at
        every part, since each process would hold all of them until then."""
        if last or self.config.run.fsdp:
            yield
        else:
            with self.accelerator.no_sync(self.wrapped):
                yield

    def _clipped_norm(self) -> Tensor:
        self.accelerator.unscale_gradients(self.optimizer)
        norm = nn.utils.clip_grad_norm_(self.parameters, self.config.optim.clip_norm).detach()
        return norm.full_tensor() if isinstance(norm, DTensor) else norm

    def state_dict(self) -> dict[str, Any]:
        """What training changes, as whole CPU tensors: it fits any number of processes. All of
        them must call it together, and the first one alone has the tensors then."""
        state = {
            "weights": {k: p for k, p in self.module.named_parameters() if p.requires_grad},
            "buffers": dict(self.module.named_buffers()),
            "optimizer": self.optimizer.optimizer.state_dict(),
            "ema": self.ema.state_dict(),
        }
        return whole(state, self.accelerator.is_main_process)

    def is_sound(self) -> bool:
        """Whether this process's parameters and averages are numbers that a result can hold, which
        is in half precision."""
        values = (*self.parameters, *self.ema.average.values())
        return all(bool((local(v.detach()).abs() <= MOST).all()) for v in values)

    def averaged_state(self) -> dict[str, Tensor]:
        """Averaged parameters and buffers by name, as `state_dict` gives them."""
        state = {k: p for k, p in self.module.named_parameters() if p.requires_grad}
        state |= {**self.ema.average, **dict(self.module.named_buffers())}
        return whole(state, self.accelerator.is_main_process)

    def load_state_dict(self, state: dict[str, Any]) -> None:
        own = {**dict(self.module.named_parameters()), **dict(self.module.named_buffers())}
        for name, value in {**state["weights"], **state["buffers"]}.items():
            fill(own[name], value)
        self.optimizer.optimizer.load_state_dict(self._place_moments(state["optimizer"]))
        self.ema.load_state_dict(state["ema"])

    def _place_moments(self, state: dict[str, Any]) -> dict[str, Any]:
        """The optimizer's state with every moment where its parameter is."""
        moments = {}
        for index, values in state["state"].items():
            p = self.parameters[index]
            moments[index] = {
                k: place_like(v, p)
                if isinstance(v, Tensor) and v.shape == p.shape and v.dim()
                else v
                for k, v in values.items()
            }
        return {**state, "state": moments}


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


def mean_values(values: list[dict[str, Tensor]]) -> dict[str, Tensor]:
    """The mean of every name over the parts that have a number for it; of the loss over all."""
    names = dict.fromkeys(name for v in values for name in v)
    found = {name: torch.stack([v[name] for v in values if name in v]) for name in names}
    return {k: v.mean() if k == "loss" else v.nanmean() for k, v in found.items()}


def _seed_dropout(seed: int, step: int, first: int) -> None:
    torch.manual_seed(((seed * 1_000_003 + step) * 1_000_003 + first) % 2**63)


def set_checkpointing(networks: Iterable[nn.Module], on: bool) -> None:
    """Let every block, and the decoder's, keep only its input and compute the rest again in the
    backward pass."""
    for network in networks:
        for module in network.modules():
            if hasattr(module, "checkpointing"):
                module.checkpointing = on
