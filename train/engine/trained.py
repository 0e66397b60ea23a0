"""One objective in training: its module, optimizer and average."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from accelerate import Accelerator
from torch import Tensor, nn
from torch.distributed.tensor import DTensor

from train.engine.batches import Piece
from train.engine.config import RunConfig
from train.engine.draws import Draws
from train.engine.ema import EMA
from train.engine.optimizers import learning_rate, make_optimizer
from train.engine.sharding import fill, local, shard, shared, whole

MOST = torch.finfo(torch.float16).max
PATIENCE = 20  # updates that fp16's scaler may skip: each halves its scale, from 2**16


class Trained:
    """`module` is the objective itself; `wrapped` what its loss is taken of."""

    def __init__(self, module: nn.Module, config: RunConfig, accelerator: Accelerator) -> None:
        self.config, self.accelerator, self.module = config, accelerator, module
        module.train()
        if config.fsdp:
            self.wrapped = shard(module, accelerator.device)
        else:
            self.wrapped = accelerator.prepare_model(module)
        self.parameters = [p for p in module.parameters() if p.requires_grad]
        self.optimizer = accelerator.prepare_optimizer(make_optimizer(self.parameters, config))
        self.ema = EMA(module, config.ema)
        self.skipped = 0  # updates in a row

    def step(self, pieces: list[Piece], step: int) -> dict[str, Tensor]:
        """One update; the mean loss, gradient norm and named values. FloatingPointError where
        the gradient is not finite."""
        for group in self.optimizer.param_groups:
            group["lr"] = learning_rate(self.config, step)
        self.optimizer.zero_grad()  # another objective's loss may have left some
        values = [self._backward(pieces, i, step) for i in range(len(pieces))]
        mean = _mean(values)
        norm = self._clipped()
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

    def try_out(self, pieces: list[Piece], step: int) -> None:
        """Losses and gradients as `step` takes them; parameters and buffers stay as they are."""
        kept = [(b, b.clone()) for b in self.module.buffers()]
        for i in range(len(pieces)):
            self._backward(pieces, i, step)
        self.optimizer.zero_grad()
        with torch.no_grad():
            for buffer, value in kept:
                buffer.copy_(value)

    def _backward(self, pieces: list[Piece], i: int, step: int) -> dict[str, Tensor]:
        """Gradients of piece i."""
        batch, indices = pieces[i].batch, pieces[i].indices
        _seed_dropout(self.config.seed, step, indices.start)
        with self._meeting(i == len(pieces) - 1):
            with self.accelerator.autocast():
                loss, values = self.wrapped(batch, Draws(self.config.seed, step, indices))
            self.accelerator.backward(loss / len(pieces))
        return {"loss": loss.detach(), **{k: v.detach() for k, v in values.items()}}

    @contextmanager
    def _meeting(self, last: bool) -> Iterator[None]:
        """Gradients meet those of the other processes at the last piece only; sharded ones at
        every piece, since each process would hold all of them until then."""
        if last or self.config.fsdp:
            yield
        else:
            with self.accelerator.no_sync(self.wrapped):
                yield

    def _clipped(self) -> Tensor:
        self.accelerator.unscale_gradients(self.optimizer)
        norm = nn.utils.clip_grad_norm_(self.parameters, self.config.clip_norm).detach()
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

    def sound(self) -> bool:
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
        self.optimizer.optimizer.load_state_dict(self._placed(state["optimizer"]))
        self.ema.load_state_dict(state["ema"])

    def _placed(self, state: dict[str, Any]) -> dict[str, Any]:
        """The optimizer's state with every moment where its parameter is."""
        moments = {}
        for index, values in state["state"].items():
            p = self.parameters[index]
            moments[index] = {
                k: shared(v, p) if isinstance(v, Tensor) and v.shape == p.shape and v.dim() else v
                for k, v in values.items()
            }
        return {**state, "state": moments}


def _mean(values: list[dict[str, Tensor]]) -> dict[str, Tensor]:
    """Of every name, over the pieces that have it."""
    names = dict.fromkeys(name for v in values for name in v)
    return {name: torch.stack([v[name] for v in values if name in v]).mean() for name in names}


def _seed_dropout(seed: int, step: int, first: int) -> None:
    torch.manual_seed(((seed * 1_000_003 + step) * 1_000_003 + first) % 2**63)
