"""Tensors that may be sharded over processes (FSDP2): whole, local, and placed."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.distributed.tensor import DTensor, distribute_tensor
from torch.utils._pytree import tree_map


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
