"""The repeated blocks of the networks: units of sharding and of recomputation."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import torch
from torch import nn
from torch.utils.checkpoint import checkpoint

from toon_core.layers.stages import Stage


def blocks(module: nn.Module) -> Iterator[nn.Module]:
    """The stages of the UNet and of the sketch encoder, in order."""
    return (m for m in module.modules() if isinstance(m, Stage))


def recompute(objective: nn.Module) -> None:
    """Gradient checkpointing: a block keeps only its input, and computes the rest again in the
    backward pass. It reaches the frozen networks that an objective holds besides, since gradients
    may pass through them."""
    for network in (objective, *_held(objective)):
        for block in blocks(network):
            if "forward" not in vars(block):
                block.forward = _recomputed(block.forward)


def _held(objective: nn.Module) -> Iterator[nn.Module]:
    """Networks in plain attributes, alone or in a tuple."""
    for value in vars(objective).values():
        held = value if isinstance(value, tuple) else (value,)
        yield from (v for v in held if isinstance(v, nn.Module))


def _recomputed(forward: Callable) -> Callable:
    def run(*args: Any) -> Any:
        if not torch.is_grad_enabled():
            return forward(*args)
        return checkpoint(forward, *args, use_reentrant=False)

    return run
