"""How weights move: optimizers by name, with Muon (Jordan et al. 2024), the learning rate of a
step, and the average of the weights on their way."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from train.engine.config import RunConfig
from train.engine.sharding import fill, local

# Of the quintic Newton-Schulz iteration: slope at zero, speed, little overshoot (Jordan 2024).
COEFFICIENTS = (3.4445, -4.7750, 2.0315)
MOMENTUM, ROUNDS = 0.95, 5
LEAST, LONGEST = 8, 64  # shorter side of a matrix worth it; longer side, in shorter ones


def make_optimizer(parameters: Sequence[nn.Parameter], config: RunConfig) -> torch.optim.Optimizer:
    """One of `config.OPTIMIZERS`; ValueError where the package behind it is missing."""
    options = {
        "lr": config.lr,
        "betas": tuple(config.optim.betas),
        "weight_decay": config.optim.weight_decay,
    }
    if config.optim.name == "adamw":
        # One pass and no temporary copies; the fp16 scaler is better known without it.
        fused = config.dtype != "fp16" and all(p.is_cuda for p in parameters)
        return torch.optim.AdamW(parameters, fused=fused, **options)
    if config.optim.name == "muon":
        return Muon(parameters, **options)
    try:
        import bitsandbytes
    except ImportError as error:
        raise ValueError(
            "optim.name=adamw8bit needs the package bitsandbytes: "
            "pip install bitsandbytes, or give optim.name=adamw"
        ) from error
    return bitsandbytes.optim.AdamW8bit(parameters, **options)


def learning_rate(config: RunConfig, step: int) -> float:
    """Linear growth, then constant or a half cosine down to a twentieth."""
    grown = min(1.0, (step + 1) / max(config.optim.warmup, 1))
    if not config.optim.cosine:
        return config.lr * grown
    fall = 0.5 * (1 + math.cos(math.pi * step / max(config.steps, 1)))
    return config.lr * grown * max(fall, 0.05)


class Muon(torch.optim.Optimizer):
    """Momentum whose matrices are made orthogonal, beside AdamW: a weight of two axes or more is a
    matrix (first axis, the others) and moves along its orthogonalized Nesterov momentum, scaled to
    the size of an AdamW step (Liu et al. 2025, eq. 4: 0.2 sqrt(larger side)), so that AdamW's `lr`
    serves; the rest moves by AdamW."""

    def __init__(self, parameters: Sequence[nn.Parameter], **options: Any) -> None:
        matrices = [p for p in parameters if is_matrix(p)]
        others = [p for p in parameters if not is_matrix(p)]
        groups = [{"params": ps, "matrix": m} for ps, m in ((matrices, True), (others, False))]
        super().__init__([g for g in groups if g["params"]], options)

    @torch.no_grad()
    def step(self, closure: None = None) -> None:
        """All weights of a kind together, matrices of one shape as one product: a GPU is then
        asked a tenth as often as by one after the other."""
        for group in self.param_groups:
            own = [p for p in group["params"] if p.grad is not None]
            if own:
                torch._foreach_mul_(own, 1 - group["lr"] * group["weight_decay"])
                (self._orthogonal_steps if group["matrix"] else self._adam_steps)(own, group)

    def _orthogonal_steps(self, own: list[Tensor], group: dict[str, Any]) -> None:
        for p in own:
            if not self.state[p]:
                self.state[p]["momentum"] = torch.zeros_like(p)
        averages, grads = [self.state[p]["momentum"] for p in own], [p.grad for p in own]
        torch._foreach_lerp_(averages, grads, 1 - MOMENTUM)
        ways = torch._foreach_lerp(grads, averages, MOMENTUM)
        alike: dict[torch.Size, list[int]] = defaultdict(list)
        for i, way in enumerate(ways):
            alike[way.flatten(1).shape].append(i)
        for shape, chosen in alike.items():
            turned = orthogonal(torch.stack([ways[i].flatten(1) for i in chosen]))
            size = 0.2 * max(shape) ** 0.5
            moved = [m.view_as(own[i]) for m, i in zip(turned, chosen, strict=True)]
            torch._foreach_add_([own[i] for i in chosen], moved, alpha=-group["lr"] * size)

    def _adam_steps(self, own: list[Tensor], group: dict[str, Any]) -> None:
        beta1, beta2 = group["betas"]
        for p in own:
            if not self.state[p]:
                zeros = {name: torch.zeros_like(p) for name in ("mean", "square")}
                self.state[p] |= {"steps": 0, **zeros}
            self.state[p]["steps"] += 1
        grads, states = [p.grad for p in own], [self.state[p] for p in own]
        means, squares = ([s[name] for s in states] for name in ("mean", "square"))
        torch._foreach_lerp_(means, grads, 1 - beta1)
        torch._foreach_lerp_(squares, torch._foreach_mul(grads, grads), 1 - beta2)
        spreads = torch._foreach_div(squares, [1 - beta2 ** s["steps"] for s in states])
        torch._foreach_sqrt_(spreads)
        torch._foreach_add_(spreads, 1e-8)
        steps = [-group["lr"] / (1 - beta1 ** s["steps"]) for s in states]
        torch._foreach_addcdiv_(own, means, spreads, steps)


def is_matrix(p: Tensor) -> bool:
    """Not a vector, nor as long as a table of embeddings, whose rows move by themselves."""
    sides = (p.shape[0], p[0].numel()) if p.dim() > 1 else (1,)
    return min(sides) >= LEAST and max(sides) <= LONGEST * min(sides)


def orthogonal(matrix: Tensor) -> Tensor:
    """(... n m) -> about U V^T of the singular value decompositions."""
    tall = matrix.shape[-2] > matrix.shape[-1]
    x = matrix.mT if tall else matrix
    x = x / (x.flatten(-2).norm(dim=-1)[..., None, None] + 1e-7)
    a, b, c = COEFFICIENTS
    for _ in range(ROUNDS):
        gram = x @ x.mT
        x = a * x + (b * gram + c * gram @ gram) @ x
    return x.mT if tall else x


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
