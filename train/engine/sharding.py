"""Modules sharded over processes (FSDP2), and their tensors as whole ones.

Sharded by torch's `fully_shard` itself: Accelerate's own path leaves out processes on CPUs, where
this is tested.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.distributed.device_mesh import init_device_mesh
from torch.distributed.fsdp import fully_shard
from torch.distributed.tensor import DTensor, distribute_tensor
from torch.utils._pytree import tree_map

from train.engine.blocks import blocks


def shard(module: nn.Module, device: torch.device) -> nn.Module:
    """In place: each block for itself, then what is left. Weights are gathered as they are
    stored, and autocast takes them to half precision as it does without sharding.

    On the devices the run is on: by itself torch takes a GPU wherever there is one, and with the
    processes of a run on CPUs its collectives then crash.
    """
    mesh = init_device_mesh(device.type, (torch.distributed.get_world_size(),))
    for block in blocks(module):
        fully_shard(block, mesh=mesh)
    return fully_shard(module, mesh=mesh)


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


def shared(value: Tensor, like: Tensor) -> Tensor:
    """A whole tensor placed as `like`: its shard of it, on its device."""
    value = value.to(like.device)
    if not isinstance(like, DTensor):
        return value
    return distribute_tensor(value, like.device_mesh, like.placements)


@torch.no_grad()
def fill(target: Tensor, value: Tensor) -> None:
    target.copy_(shared(value, target))
