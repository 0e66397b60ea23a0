"""An objective in training: its module, optimizer and average, and how they are sharded over
processes (FSDP2).

Sharded by torch's `fully_shard` itself: Accelerate's own path leaves out processes on CPUs, where
this is tested.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from accelerate import Accelerator
from torch import Tensor, nn
from torch.distributed.device_mesh import init_device_mesh
from torch.distributed.fsdp import fully_shard, register_fsdp_forward_method
from torch.distributed.tensor import DTensor, distribute_tensor
from torch.utils._pytree import tree_map

from toon_core.layers.stages import Stage
from train.engine.batches import MicroBatch, SampleRNG
from train.engine.config import RunConfig
from train.engine.optimizers import learning_rate, make_optimizer

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


class EMA:
    """Keeps averages of a module's trainable parameters; early on it forgets faster, so that
    the start does not linger: decay = min(decay, (1 + n) / (10 + n)). With decay 0 it keeps
    nothing, and the weights themselves stand for it."""

    def __init__(self, module: nn.Module, decay: float) -> None:
        self.module, self.decay, self.updates = module, decay, 0
        self.average = {k: p.detach().clone() for k, p in self._parameters()}

    def _parameters(self) -> Iterator[tuple[str, nn.Parameter]]:
        chosen = self.module.named_parameters() if self.decay else ()
        return ((k, p) for k, p in chosen if p.requires_grad)

    @torch.no_grad()
    def update(self) -> None:
        decay = min(self.decay, (1 + self.updates) / (10 + self.updates))
        self.updates += 1
        pairs = [(local(self.average[k]), local(p)) for k, p in self._parameters()]
        if pairs:  # all at once: a GPU is asked once
            averages, parameters = map(list, zip(*pairs, strict=True))
            torch._foreach_lerp_(averages, parameters, 1 - decay)

    @contextmanager
    def applied(self) -> Iterator[None]:
        """The module with its averages, until the block ends."""
        current = {k: p.detach().clone() for k, p in self._parameters()}
        self._copy(self.average)
        try:
            yield
        finally:
            self._copy(current)

    @torch.no_grad()
    def _copy(self, values: dict[str, Tensor]) -> None:
        for name, parameter in self._parameters():
            parameter.copy_(values[name])

    def state_dict(self) -> dict[str, object]:
        return {"updates": self.updates, "average": self.average}

    def load_state_dict(self, state: dict) -> None:
        """From whole tensors."""
        self.updates = state["updates"]
        for name, value in state["average"].items():
            fill(self.average[name], value)


def mean_values(values: list[dict[str, Tensor]]) -> dict[str, Tensor]:
    """The mean of every name over the parts that have a number for it; of the loss over all."""
    names = dict.fromkeys(name for v in values for name in v)
    found = {name: torch.stack([v[name] for v in values if name in v]) for name in names}
    return {k: v.mean() if k == "loss" else v.nanmean() for k, v in found.items()}


def _seed_dropout(seed: int, step: int, first: int) -> None:
    torch.manual_seed(((seed * 1_000_003 + step) * 1_000_003 + first) % 2**63)


def blocks(module: nn.Module) -> Iterator[nn.Module]:
    """The stages of the UNet and of the sketch encoder, in order."""
    return (m for m in module.modules() if isinstance(m, Stage))


def set_checkpointing(networks: Iterable[nn.Module], on: bool) -> None:
    """Let every block, and the decoder's, keep only its input and compute the rest again in the
    backward pass."""
    for network in networks:
        for module in network.modules():
            if hasattr(module, "checkpointing"):
                module.checkpointing = on


def shard(module: nn.Module, device: torch.device) -> nn.Module:
    """In place: each block for itself, then what is left. Weights are gathered as they are
    stored, and autocast takes them to half precision as it does without sharding.

    On the devices the run is on: by itself torch takes a GPU wherever there is one, and with the
    processes of a run on CPUs its collectives then crash.
    """
    mesh = init_device_mesh(device.type, (torch.distributed.get_world_size(),))
    for block in blocks(module):
        fully_shard(block, mesh=mesh)
    fully_shard(module, mesh=mesh)
    for name in getattr(module, "other_forwards", ()):
        register_fsdp_forward_method(module, name)
    return module


def whole(state: Any, keep: bool) -> Any:
    """A nested state with whole tensors on the CPU; None in their places on a process that does
    not keep them. Where modules are sharded all must call it together."""
    return tree_map(lambda x: _whole(x, keep) if isinstance(x, Tensor) else x, state)


def _whole(x: Tensor, keep: bool) -> Tensor | None:
    x = x.detach()
    if isinstance(x, DTensor):
        x = x.full_tensor()
    return x.cpu() if keep else None


def local(x: Tensor) -> Tensor:
    """Of a tensor that is sharded, this process's part."""
    return x.to_local() if isinstance(x, DTensor) else x


def place_like(value: Tensor, like: Tensor) -> Tensor:
    """A whole tensor placed as `like`: its shard of it, on its device."""
    value = value.to(like.device)
    if not isinstance(like, DTensor):
        return value
    return distribute_tensor(value, like.device_mesh, like.placements)


@torch.no_grad()
def fill(target: Tensor, value: Tensor) -> None:
    """Copy a whole tensor into one that may be sharded."""
    target.copy_(place_like(value, target))
