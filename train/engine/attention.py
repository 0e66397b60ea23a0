"""Attention as plain products, which CPUs do faster than torch's own kernel for narrow heads."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import scaled_dot_product_attention

from toon_core.layers import attention

BLOCK = 2**20  # entries of the score matrices that are worked on at a time: they stay in the cache
KERNELS = ("sdpa", "products")


def use(name: str) -> None:
    """Take one of KERNELS for every attention of `toon_core` in this process."""
    if name not in KERNELS:
        raise ValueError(f"attention={name}: expected {' or '.join(KERNELS)}")
    kernel = products if name == "products" else scaled_dot_product_attention
    attention.scaled_dot_product_attention = kernel


def products(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
    """softmax(q k^T / sqrt(d)) v for (b m n d) tensors, in their own precision. Scores are kept
    for the backward pass: b * m * n * n' numbers."""
    flat = (x.flatten(0, 1).contiguous() for x in (q, k, v))
    return _Products.apply(*flat).unflatten(0, q.shape[:2])


class _Products(torch.autograd.Function):
    """On (b n d), block by block of b."""

    @staticmethod
    def forward(ctx: Any, q: Tensor, k: Tensor, v: Tensor) -> Tensor:
        q = q * q.shape[-1] ** -0.5
        ctx.size = max(1, BLOCK // (q.shape[1] * k.shape[1]))
        out, kept = v.new_empty(*q.shape[:-1], v.shape[-1]), []
        for o, qs, ks, vs in _blocks(ctx.size, out, q, k, v):
            weights = torch.bmm(qs, ks.transpose(1, 2)).softmax(-1, dtype=q.dtype)  # not autocast's
            torch.bmm(weights, vs, out=o)
            kept.append(weights)
        ctx.save_for_backward(q, k, v, *kept)
        return out

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        q, k, v, *kept = ctx.saved_tensors
        found = torch.empty_like(q), torch.empty_like(k), torch.empty_like(v)
        blocks = _blocks(ctx.size, *found, q, k, v, gradient.contiguous())
        for weights, (dq, dk, dv, qs, ks, vs, g) in zip(kept, blocks, strict=True):
            torch.bmm(weights.transpose(1, 2), g, out=dv)
            back = torch.bmm(g, vs.transpose(1, 2))
            scores = torch._softmax_backward_data(back, weights, -1, weights.dtype)
            torch.bmm(scores, ks, out=dq)
            torch.bmm(scores.transpose(1, 2), qs, out=dk)
        dq, dk, dv = found
        return dq * q.shape[-1] ** -0.5, dk, dv


def _blocks(size: int, *tensors: Tensor):
    return zip(*(x.split(size) for x in tensors), strict=True)
