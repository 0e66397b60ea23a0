"""Per-frame blocks of the autoencoder, on (n c h w) (architecture.md 6.1)."""

from __future__ import annotations

import torch
from einops import rearrange
from torch import Tensor, nn
from torch.nn.functional import pad

from ..layers.attention import attend
from ..layers.fused import group_norm, norm_silu
from ..ops import Ops


class ResBlock(nn.Module):
    def __init__(self, dim: int, out: int, ops: Ops) -> None:
        super().__init__()
        self.norm1 = ops.group_norm(dim, 1e-6)
        self.conv1 = ops.Conv2d(dim, out, 3, padding=1)
        self.norm2 = ops.group_norm(out, 1e-6)
        self.conv2 = ops.Conv2d(out, out, 3, padding=1)
        self.nin_shortcut = nn.Identity() if dim == out else ops.Conv2d(dim, out, 1)

    def forward(self, x: Tensor) -> Tensor:
        h = self.conv1(norm_silu(self.norm1, x))
        h = self.conv2(norm_silu(self.norm2, h))
        skip = self.nin_shortcut(x)
        free = not torch.is_grad_enabled() and h.dtype == skip.dtype
        return h.add_(skip) if free else skip + h


class AttentionBlock(nn.Module):
    """Single-head attention over all places of a frame."""

    def __init__(self, dim: int, ops: Ops) -> None:
        super().__init__()
        self.norm = ops.group_norm(dim, 1e-6)
        self.q = ops.Conv2d(dim, dim, 1)
        self.k = ops.Conv2d(dim, dim, 1)
        self.v = ops.Conv2d(dim, dim, 1)
        self.proj_out = ops.Conv2d(dim, dim, 1)

    def forward(self, x: Tensor) -> Tensor:
        n = group_norm(self.norm, x)
        q, k, v = (rearrange(f(n), "n c h w -> n (h w) c") for f in (self.q, self.k, self.v))
        out = rearrange(attend(q, k, v, heads=1), "n (h w) c -> n c h w", h=x.shape[-2])
        return x + self.proj_out(out)


class Downsample(nn.Module):
    """Halve; the padding is on the right and the bottom only."""

    def __init__(self, dim: int, ops: Ops) -> None:
        super().__init__()
        self.conv = ops.Conv2d(dim, dim, 3, stride=2)

    def forward(self, x: Tensor) -> Tensor:
        return self.conv(pad(x, (0, 1, 0, 1)))
