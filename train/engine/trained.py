"""One objective in training: its module, optimizer and average."""

from __future__ import annotations

from contextlib import nullcontext
from typing import Any

import torch
from accelerate import Accelerator
from torch import Tensor, nn

from train.engine.batches import Piece
from train.engine.config import RunConfig
from train.engine.draws import Draws
from train.engine.ema import EMA
from train.engine.optimizers import learning_rate, make_optimizer


class Trained:
    """`module` is the objective itself; `wrapped` is what Accelerate makes of it."""

    def __init__(self, module: nn.Module, config: RunConfig, accelerator: Accelerator) -> None:
        self.config, self.accelerator, self.module = config, accelerator, module
        chosen = [p for p in module.parameters() if p.requires_grad]
        self.wrapped, self.optimizer = accelerator.prepare(module, make_optimizer(chosen, config))
        self.parameters = [p for p in module.parameters() if p.requires_grad]
        self.ema = EMA(module, config.ema)

    def step(self, pieces: list[Piece], step: int) -> dict[str, Tensor]:
        """One update; the mean loss, gradient norm and named values. FloatingPointError where
        the gradient is not finite."""
        for group in self.optimizer.param_groups:
            group["lr"] = learning_rate(self.config, step)
        self.optimizer.zero_grad()
        values = [self._backward(pieces, i, step) for i in range(len(pieces))]
        self.accelerator.unscale_gradients(self.optimizer)
        norm = nn.utils.clip_grad_norm_(self.parameters, self.config.clip_norm)
        mean = _mean(values)
        # In fp16 an overflow of scaled gradients is ordinary: the scaler skips that update.
        watched = mean["loss"] if self.accelerator.scaler else norm
        if not torch.isfinite(watched):
            raise FloatingPointError("the loss or its gradient is not finite")
        self.optimizer.step()
        self.ema.update()
        return {**mean, "grad_norm": norm.detach()}

    def _backward(self, pieces: list[Piece], i: int, step: int) -> dict[str, Tensor]:
        """Gradients of piece i; they meet those of other processes at the last one."""
        batch, indices = pieces[i].batch, pieces[i].indices
        _seed_dropout(self.config.seed, step, indices.start)
        last = i == len(pieces) - 1
        with nullcontext() if last else self.accelerator.no_sync(self.wrapped):
            loss, values = self.wrapped(batch, Draws(self.config.seed, step, indices))
            self.accelerator.backward(loss / len(pieces))
        return {"loss": loss.detach(), **{k: v.detach() for k, v in values.items()}}

    def state_dict(self) -> dict[str, Any]:
        return {
            "module": self.module.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "ema": self.ema.state_dict(),
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.module.load_state_dict(state["module"])
        self.optimizer.load_state_dict(state["optimizer"])
        self.ema.load_state_dict(state["ema"])


def _mean(values: list[dict[str, Tensor]]) -> dict[str, Tensor]:
    """Of every name, over the pieces that have it."""
    names = dict.fromkeys(name for v in values for name in v)
    return {name: torch.stack([v[name] for v in values if name in v]).mean() for name in names}


def _seed_dropout(seed: int, step: int, first: int) -> None:
    torch.manual_seed(((seed * 1_000_003 + step) * 1_000_003 + first) % 2**63)
