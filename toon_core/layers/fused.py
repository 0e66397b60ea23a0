"""Steps of the networks that torch takes one by one, each as one operator, off by default.

    with fused.kernels():
        ...

Where it is on, tensors are on a CUDA device or in Triton's interpreter, no gradient is wanted and
the layer computes with its own weights as they lie, these operators run the kernels of
`kernels.py`; elsewhere torch's own layers do, with equal results. Maps then stay in channels-last
order, which convolutions in half precision want. Not yet shown on a GPU: hence off.
"""

from __future__ import annotations

import importlib.util
import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import gelu, silu

from ..ops import computes_plainly

_INTERPRETED = os.environ.get("TRITON_INTERPRET") == "1"  # as Triton reads it, once
_on = False

# Elements of a group up to which one program takes all of it.
SMALL = 2**15

# Kernels behind a call of each operator, and how often they read its first input.
KERNELS = {
    "toon.group_norm": (2, 2),
    "toon.group_norm_small": (1, 2),
    "toon.geglu": (1, 1),
    "toon.add_norm": (1, 1),
}


@contextmanager
def kernels() -> Iterator[None]:
    """Turns the kernels on for what runs inside; ImportError where there is no Triton."""
    if importlib.util.find_spec("triton") is None:
        raise ImportError("The fused kernels need the package triton, which is not installed.")
    global _on
    before, _on = _on, True
    try:
        yield
    finally:
        _on = before


def usable(x: Tensor) -> bool:
    """Whether the kernels are on and can take this tensor."""
    return _on and (x.is_cuda or _INTERPRETED) and not torch.is_grad_enabled()


def laid_out(x: Tensor) -> Tensor:
    """(n c h w) as the kernels want it: channels last, where they are used."""
    return x.contiguous(memory_format=torch.channels_last) if usable(x) else x


@torch.library.custom_op("toon::group_norm", mutates_args=())
def _group_norm(
    x: Tensor, weight: Tensor, bias: Tensor, groups: int, eps: float, activate: bool
) -> Tensor:
    from . import kernels as made

    return made.group_norm(x, weight, bias, groups, eps, activate)


@torch.library.custom_op("toon::group_norm_small", mutates_args=())
def _group_norm_small(
    x: Tensor, weight: Tensor, bias: Tensor, groups: int, eps: float, activate: bool
) -> Tensor:
    from . import kernels as made

    return made.group_norm_small(x, weight, bias, groups, eps, activate)


@torch.library.custom_op("toon::geglu", mutates_args=())
def _geglu(x: Tensor) -> Tensor:
    from . import kernels as made

    return made.geglu(x)


@torch.library.custom_op("toon::add_norm", mutates_args=())
def _add_norm(
    x: Tensor, y: Tensor, weight: Tensor, bias: Tensor, eps: float
) -> tuple[Tensor, Tensor]:
    from . import kernels as made

    return made.add_norm(x, y, weight, bias, eps)


@_group_norm_small.register_fake
@_group_norm.register_fake
def _(x, weight, bias, groups, eps, activate):
    return torch.empty_like(x)


@_geglu.register_fake
def _(x):
    return x.new_empty(*x.shape[:-1], x.shape[-1] // 2)


@_add_norm.register_fake
def _(x, y, weight, bias, eps):
    return torch.empty_like(x), torch.empty_like(x)


def norm_silu(norm: nn.Module, x: Tensor, frames: int = 1) -> Tensor:
    """SiLU of a group norm of ((b f) c h w), statistics joint over a clip's `frames`."""
    if usable(x) and _plain_norm(norm, x):
        return _rows(norm, x, frames, activate=True)
    made = group_norm(norm, x, frames)
    return silu(made, inplace=not torch.is_grad_enabled())


def group_norm(norm: nn.Module, x: Tensor, frames: int = 1) -> Tensor:
    """Group norm of ((b f) c h w), statistics joint over a clip's `frames`."""
    if usable(x) and _plain_norm(norm, x):
        return _rows(norm, x, frames, activate=False)
    if frames == 1:
        return norm(x)
    clip = norm(x.unflatten(0, (-1, frames)).transpose(1, 2))
    return clip.transpose(1, 2).flatten(0, 1)


def _plain_norm(norm: Any, x: Tensor) -> bool:
    return norm.weight.device == x.device and computes_plainly(norm, norm.weight)


def _rows(norm: Any, x: Tensor, frames: int, activate: bool) -> Tensor:
    x = x.contiguous(memory_format=torch.channels_last)
    n, c, h, w = x.shape
    rows = x.permute(0, 2, 3, 1).reshape(n // frames, frames * h * w, c)
    small = rows[0].numel() // norm.num_groups <= SMALL
    run = torch.ops.toon.group_norm_small if small else torch.ops.toon.group_norm
    made = run(rows, norm.weight, norm.bias, norm.num_groups, norm.eps, activate)
    return made.view(n, h, w, c).permute(0, 3, 1, 2)


def geglu(x: Tensor) -> Tensor:
    """value * gelu(gate) of (... 2d), the value's channels first (Shazeer 2020)."""
    if usable(x):
        return torch.ops.toon.geglu(x.contiguous())
    value, gate = x.chunk(2, dim=-1)
    return value * gelu(gate)


def add_norm(x: Tensor, y: Tensor, norm: nn.Module) -> tuple[Tensor, Tensor]:
    """x + y, and the layer norm of it."""
    if usable(x) and _plain_norm(norm, x) and x.dtype == y.dtype:
        weight, bias, eps = (getattr(norm, name) for name in ("weight", "bias", "eps"))
        return torch.ops.toon.add_norm(x.contiguous(), y.contiguous(), weight, bias, eps)
    total = x + y
    return total, norm(total)
