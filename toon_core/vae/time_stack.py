"""Mixing a clip's frames: normalised convolutions over the frames (architecture.md 6.3).

The statistics of both norms are joint over frames and places. Over a whole clip at once torch's own
layers take them. A few frames at a time the clip is read once for the mean and variance of every
frame's channels, which are joined to those of the groups (Chan et al. 1979), and once more to
normalise it into a second tensor, which the first convolution then fills with what it makes of it
and the second reads: beside the clip and that tensor only a few frames exist.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch
from einops import rearrange
from torch import Tensor, nn
from torch.nn.functional import batch_norm, silu

from ..layers.blocks import conv_over_frames
from ..layers.fused import norm_silu, usable
from ..ops import Ops, zero
from .frames import spans


class TimeStack(nn.Module):
    """Two normalised (3,1,1) convolutions over the frames."""

    def __init__(self, dim: int, ops: Ops) -> None:
        super().__init__()
        self.in_layers = nn.Sequential(
            ops.group_norm(dim, 1e-5), nn.SiLU(), conv_over_frames(dim, ops)
        )
        self.out_layers = nn.Sequential(
            ops.group_norm(dim, 1e-5),
            nn.SiLU(),
            nn.Dropout(0.0),
            zero(conv_over_frames(dim, ops)),
        )

    def add_to(self, clip: Tensor, amount: Tensor, size: int | None) -> Tensor:
        """clip + amount * stack(clip), (b f c h w); in place, `size` frames at a time, where no
        gradient is wanted."""
        if torch.is_grad_enabled():
            return torch.addcmul(clip, self._whole(clip), amount)
        if size is None or size >= clip.shape[1]:
            return clip.addcmul_(self._whole(clip), amount)
        for one in clip:
            self._add_streamed(one, amount, size)
        return clip

    def _whole(self, clip: Tensor) -> Tensor:
        if usable(clip):
            return self._channels_last(clip)
        x = rearrange(clip, "b f c h w -> b c f h w")
        for layers in (self.in_layers, self.out_layers):
            x = layers[-1](silu(layers[0](x), inplace=not torch.is_grad_enabled()))
        return rearrange(x, "b c f h w -> b f c h w")

    def _channels_last(self, clip: Tensor) -> Tensor:
        frames = clip.shape[1]
        for layers in (self.in_layers, self.out_layers):
            x = norm_silu(layers[0], clip.flatten(0, 1), frames).unflatten(0, (-1, frames))
            clip = layers[-1](x.transpose(1, 2)).transpose(1, 2)
        return clip

    def _add_streamed(self, clip: Tensor, amount: Tensor, size: int) -> None:
        """One clip (f c h w), in place."""
        total = len(clip)
        # Frame i is at i + 2, and what the first convolution makes of it at i + 1: a place that
        # only earlier frames' outputs read. The places around either are zero, as the padding is.
        held = clip.new_empty(total + 3, *clip.shape[1:])
        held[0], held[1], held[-1] = 0, 0, 0
        _normalise(self.in_layers[0], clip, held[2:-1], size)
        for start, made in _windows(self.in_layers[-1], held[1:], size):
            held[start + 1 : start + 1 + len(made)] = made
        held[-2] = 0
        inner = held[1:-2]
        _normalise(self.out_layers[0], inner, inner, size)
        for start, made in _windows(self.out_layers[-1], held[:-1], size):
            clip[start : start + len(made)].addcmul_(made, amount)


def _normalise(norm: Any, clip: Tensor, out: Tensor, size: int) -> None:
    """SiLU of the group norm of (f c h w) with joint statistics, `size` frames at a time; `out`
    may be the clip."""
    variance, mean = (x.float() for x in torch.var_mean(clip, dim=(-2, -1), correction=0))
    split = (len(clip), norm.num_groups, -1)
    joint = mean.view(split).mean((0, 2)).repeat_interleave(clip.shape[1] // norm.num_groups)
    spread = (variance + (mean - joint).square()).view(split).mean((0, 2))
    spread = spread.repeat_interleave(clip.shape[1] // norm.num_groups)
    weight, bias = (p.to(clip.device, torch.float32) for p in (norm.weight, norm.bias))
    for span in spans(len(clip), size):
        piece = slice(span.start, span.stop)
        done = batch_norm(clip[piece], joint, spread, weight, bias, eps=norm.eps)
        torch.ops.aten.silu.out(done, out=out[piece])


def _windows(conv: nn.Module, held: Tensor, size: int) -> Iterator[tuple[int, Tensor]]:
    """(first frame, convolution over the frames (n c h w)), of frames with one more at either end
    (f+2 c h w): three neighbours lie one behind the other as one frame of three times the
    channels, without a copy."""
    c, h, w = held.shape[1:]
    for span in spans(len(held) - 2, size):
        frame = held.stride(0)
        offset = held.storage_offset() + span.start * frame
        near = held.as_strided((len(span), 3 * c, h * w), (frame, h * w, 1), offset)
        yield span.start, conv(near).unflatten(2, (h, w))
