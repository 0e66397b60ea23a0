"""Optimizers by name, with Muon (Jordan et al. 2024), and the learning rate of a step."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from train.engine.config import RunConfig

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
        for group in self.param_groups:
            move = self._orthogonal_step if group["matrix"] else self._adam_step
            for p in group["params"]:
                if p.grad is not None:
                    p.mul_(1 - group["lr"] * group["weight_decay"])
                    move(p, group)

    def _orthogonal_step(self, p: Tensor, group: dict[str, Any]) -> None:
        state = self.state[p]
        if not state:
            state["momentum"] = torch.zeros_like(p)
        average = state["momentum"].lerp_(p.grad, 1 - MOMENTUM)
        matrix = p.grad.lerp(average, MOMENTUM).flatten(1)
        size = 0.2 * max(matrix.shape) ** 0.5
        p.add_(orthogonal(matrix).view_as(p), alpha=-group["lr"] * size)

    def _adam_step(self, p: Tensor, group: dict[str, Any]) -> None:
        state, (beta1, beta2) = self.state[p], group["betas"]
        if not state:
            state |= {"steps": 0, "mean": torch.zeros_like(p), "square": torch.zeros_like(p)}
        state["steps"] += 1
        mean = state["mean"].lerp_(p.grad, 1 - beta1)
        square = state["square"].lerp_(p.grad.square(), 1 - beta2)
        n = state["steps"]
        spread = (square / (1 - beta2**n)).sqrt_().add_(1e-8)
        p.addcdiv_(mean, spread, value=-group["lr"] / (1 - beta1**n))


def is_matrix(p: Tensor) -> bool:
    """Not a vector, nor as long as a table of embeddings, whose rows move by themselves."""
    sides = (p.shape[0], p[0].numel()) if p.dim() > 1 else (1,)
    return min(sides) >= LEAST and max(sides) <= LONGEST * min(sides)


def orthogonal(matrix: Tensor) -> Tensor:
    """(n m) -> about U V^T of its singular value decomposition."""
    tall = matrix.shape[0] > matrix.shape[1]
    x = matrix.T if tall else matrix
    x = x / (x.norm() + 1e-7)
    a, b, c = COEFFICIENTS
    for _ in range(ROUNDS):
        gram = x @ x.T
        x = a * x + (b * gram + c * gram @ gram) @ x
    return x.T if tall else x
