"""Residual blocks and resampling of the UNet and the sketch encoder, on ((b f) c h w)."""

from __future__ import annotations

from functools import cache
from typing import Any, cast

import torch
from einops import rearrange
from torch import Tensor, nn
from torch.nn.functional import conv2d, interpolate

from ..ops import Ops, zero
from .embeddings import Shifts
from .fused import norm_silu, usable


class TemporalConv(nn.Module):
    """x + four (3,1,1) convolutions over the frames (architecture.md 2.4). `bypass`: it does
    nothing, as in the ablation's variant III while it trains."""

    bypass = False
    conv2: nn.Sequential
    conv3: nn.Sequential
    conv4: nn.Sequential

    def __init__(self, dim: int, dropout: float, ops: Ops) -> None:
        super().__init__()
        self.conv1 = nn.Sequential(ops.group_norm(dim, 1e-5), nn.SiLU(), conv_over_frames(dim, ops))
        for i in (2, 3, 4):
            conv = conv_over_frames(dim, ops)
            stage = nn.Sequential(
                ops.group_norm(dim, 1e-5),
                nn.SiLU(),
                nn.Dropout(dropout),
                zero(conv) if i == 4 else conv,
            )
            setattr(self, f"conv{i}", stage)

    def forward(self, x: Tensor, frames: int) -> Tensor:
        if self.bypass:
            return x
        if not usable(x):
            clip = rearrange(x, "(b f) c h w -> b c f h w", f=frames)
            out = self.conv4(self.conv3(self.conv2(self.conv1(clip))))
            return x + rearrange(out, "b c f h w -> (b f) c h w")
        h = x  # channels last, in which a clip of frames lies as the convolution wants it
        for stage in (self.conv1, self.conv2, self.conv3, self.conv4):
            clip = norm_silu(stage[0], h, frames).unflatten(0, (-1, frames)).transpose(1, 2)
            h = stage[-1](clip).transpose(1, 2).flatten(0, 1)
        return x + h


def conv_over_frames(dim: int, ops: Ops) -> nn.Module:
    """A (3, 1, 1) Conv3d with its weights, computed as the Conv2d over (f, h w) that it is:
    faster everywhere, several times so in training on a CPU."""
    layer = ops.made_of(_over_frames(ops.namespace.Conv3d))
    return layer(dim, dim, (3, 1, 1), padding=(1, 0, 0))


@cache
def _over_frames(conv3d: Any) -> Any:
    """A namespace's Conv3d, casts and all. Torch's and ComfyUI's layers end in `_conv_forward`;
    ComfyUI's newer ones give it more arguments, which say nothing about this convolution."""

    class ConvOverFrames(conv3d):
        def _conv_forward(
            self, x: Tensor, weight: Tensor, bias: Tensor | None, *_: Any, **__: Any
        ) -> Tensor:
            if x.dim() == 3:
                return _of_windows(x, weight, bias)
            out = conv2d(x.flatten(3), weight.squeeze(-1), bias, padding=(1, 0))
            return out.unflatten(3, x.shape[3:])

    return ConvOverFrames


def _of_windows(near: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
    """The convolution of frames (n 3c p) that stand with their neighbours, earlier channels first
    -> (n c p): one product of matrices, which reads overlapping windows where they lie."""
    matrix = weight.flatten(2).transpose(1, 2).flatten(1).expand(len(near), -1, -1)
    if bias is None:
        return torch.bmm(matrix, near)
    return torch.baddbmm(bias[:, None].expand(len(near), -1, near.shape[-1]), matrix, near)


class ResBlock(nn.Module):
    """Residual block with an additive embedding (b e), one row a clip; `temporal` adds the
    convolutions over frames."""

    def __init__(
        self, dim: int, out: int, emb_dim: int, dropout: float, temporal: bool, ops: Ops
    ) -> None:
        super().__init__()
        self.in_layers = nn.Sequential(
            ops.group_norm(dim, 1e-5), nn.SiLU(), ops.Conv2d(dim, out, 3, padding=1)
        )
        self.emb_layers = nn.Sequential(nn.SiLU(), ops.Linear(emb_dim, out))
        self.out_layers = nn.Sequential(
            ops.group_norm(out, 1e-5),
            nn.SiLU(),
            nn.Dropout(dropout),
            zero(ops.Conv2d(out, out, 3, padding=1)),
        )
        self.skip_connection = nn.Identity() if dim == out else ops.Conv2d(dim, out, 1)
        self.temopral_conv = TemporalConv(out, dropout, ops) if temporal else None

    def forward(self, x: Tensor, emb: Tensor, frames: int, shifts: Shifts | None = None) -> Tensor:
        """shifts: of this step, in place of what `emb` gives."""
        if shifts is not None and id(self) in shifts.biases:
            weight, bias = self.in_layers[2].weight, shifts.biases[id(self)]
            h = conv2d(norm_silu(self.in_layers[0], x), cast(Tensor, weight), bias, padding=1)
        else:
            shift = self.emb_layers(emb) if shifts is None else shifts.added[id(self)]
            h = self.in_layers[2](norm_silu(self.in_layers[0], x)).unflatten(0, (len(shift), -1))
            h = (h + shift[:, None, :, None, None]).flatten(0, 1)
        norm, _, dropout, conv = self.out_layers
        x = self.skip_connection(x) + conv(dropout(norm_silu(norm, h)))
        return x if self.temopral_conv is None else self.temopral_conv(x, frames)


class Downsample(nn.Module):
    def __init__(self, dim: int, ops: Ops) -> None:
        super().__init__()
        self.op = ops.Conv2d(dim, dim, 3, stride=2, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        return self.op(x)


class Upsample(nn.Module):
    def __init__(self, dim: int, ops: Ops) -> None:
        super().__init__()
        self.conv = ops.Conv2d(dim, dim, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        return self.conv(interpolate(x, scale_factor=2.0, mode="nearest"))
