"""Exponential moving average of parameters, and a recipe with its averages in place."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn

from train.engine.sharding import fill


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
        for name, parameter in self._parameters():
            self.average[name].lerp_(parameter, 1 - decay)

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
