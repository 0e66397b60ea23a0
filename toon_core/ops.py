"""The layer seam: every layer comes from an `ops` namespace, torch.nn by default.

ComfyUI's `comfy.ops` classes have the same names and add casting on use, fp8 and partial
loading; the nodes pass those in, and this package never imports them.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn


@dataclass(frozen=True)
class Ops:
    """Makes layers of one namespace with one dtype, device and group-norm group count."""

    namespace: Any = nn
    dtype: torch.dtype | None = None
    device: torch.device | str | None = None
    norm_groups: int = 32

    def __getattr__(self, name: str) -> Any:
        return self.made_of(getattr(self.namespace, name))

    def made_of(self, layer: Callable[..., nn.Module]) -> Callable[..., nn.Module]:
        """Makes layers of a class beside the namespace's."""
        return lambda *args, **kwargs: layer(*args, dtype=self.dtype, device=self.device, **kwargs)

    def parameter(self, *shape: int) -> nn.Parameter:
        return nn.Parameter(torch.zeros(*shape, dtype=self.dtype, device=self.device))

    def group_norm(self, channels: int, eps: float) -> nn.Module:
        return self.GroupNorm(self.norm_groups, channels, eps=eps)


def computes_plainly(layer: nn.Module, like: Tensor) -> bool:
    """Whether a linear layer, convolution or norm does no more than its kind with its own weight,
    which lies where `like` does in its type: not moved, cast, patched, wrapped or watched at its
    use."""
    known = (nn.Linear, nn.Conv2d, nn.GroupNorm, nn.LayerNorm)
    if not isinstance(layer, known) or "forward" in vars(layer):
        return False
    weight = layer.weight
    own = type(weight).__module__.startswith(("torch.nn", "torch._subclasses")) or (
        type(weight) is Tensor
    )
    changed = any(value for name, value in vars(layer).items() if name.endswith("_function"))
    watched = layer._forward_hooks or layer._forward_pre_hooks
    placed = weight.device == like.device and weight.dtype == like.dtype
    return own and placed and not changed and not watched


def zero(module: nn.Module) -> nn.Module:
    """Start a layer at zero, so that a new branch begins as no change (training only)."""
    for parameter in module.parameters():
        nn.init.zeros_(parameter)
    return module
