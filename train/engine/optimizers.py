"""Optimizers by name, and the learning rate of a step."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import nn

from train.engine.config import RunConfig
from train.engine.muon import Muon


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
