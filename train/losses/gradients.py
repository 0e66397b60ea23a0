"""A loss taken apart at a network's output: its gradient there first, the network's own after.

So the graphs of large loss networks are freed piece by piece before the trained network's
backward runs, and one backward through each of them serves every use of its gradient.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

Loss = Callable[..., Tensor]


def value_and_gradient(
    loss: Loss, images: Tensor, *truth: Tensor, at_once: int = 0
) -> tuple[Tensor, Tensor]:
    """A loss that is a mean over the first axis, and its gradient at `images`, both float32 and
    detached. `at_once` items at a time (0: all), which changes memory and not the result.

    The gradient of a mean over all pixels is tiny. It is taken of a multiple, by a power of two,
    which is exact, so that layers in half precision do not lose it."""
    size, total = at_once or len(images), len(images)
    scale = 2.0 ** round(math.log2(images.numel()))
    value, gradients = torch.zeros((), device=images.device), []
    for piece, *others in zip(*(x.split(size) for x in (images, *truth)), strict=True):
        leaf = piece.detach().float().requires_grad_()
        with torch.enable_grad():
            part = loss(leaf, *others).float() * (len(piece) / total)
        gradients.append(torch.autograd.grad(scale * part, leaf)[0] / scale)
        value = value + part.detach()
    return value, torch.cat(gradients)


def with_gradient(out: Tensor, value: Tensor, gradient: Tensor) -> Tensor:
    """The number `value`, whose gradient at `out` is `gradient` (both detached)."""
    return _Known.apply(out.float(), value, gradient)


class _Known(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, out: Tensor, value: Tensor, gradient: Tensor) -> Tensor:
        ctx.save_for_backward(gradient)
        return value.clone()

    @staticmethod
    def backward(ctx: Any, outer: Tensor) -> tuple[Tensor, None, None]:
        (gradient,) = ctx.saved_tensors
        return outer * gradient, None, None
