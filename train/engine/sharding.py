"""Modules and tensors shared over processes (FSDP2).

Sharded by torch's `fully_shard` itself: Accelerate's own path leaves out processes on CPUs, where
this is tested.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor, nn
from torch.distributed.device_mesh import init_device_mesh
from torch.distributed.fsdp import fully_shard, register_fsdp_forward_method
from torch.distributed.tensor import DTensor, distribute_tensor
from torch.utils._pytree import tree_map

from toon_core.layers.stages import Stage


def blocks(module: nn.Module) -> Iterator[nn.Module]:
    """The stages of the UNet and of the sketch encoder, in order."""
    return (m for m in module.modules() if isinstance(m, Stage))


def shard(module: nn.Module, device: torch.device) -> nn.Module:
    """In place: each block for itself, then what is left. Weights are gathered as they are
    stored, and autocast takes them to half precision as it does without sharding.

    On the devices the run is on: by itself torch takes a GPU wherever there is one, and with the
    processes of a run on CPUs its collectives then crash.
    """
    mesh = init_device_mesh(device.type, (torch.distributed.get_world_size(),))
    for block in blocks(module):
        fully_shard(block, mesh=mesh)
    fully_shard(module, mesh=mesh)
    for name in getattr(module, "other_forwards", ()):
        register_fsdp_forward_method(module, name)
    return module


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
