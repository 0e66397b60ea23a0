"""Spatial and temporal transformers on feature maps ((b f) c h w)."""

from __future__ import annotations

from functools import cache
from typing import Any

from einops import rearrange
from torch import Tensor, nn
from torch.nn.functional import linear

from ..ops import Ops, zero
from .attention import CrossAttention, SelfAttention, TransformerBlock
from .context import Context
from .fused import group_norm, usable


@cache
def _over_channels(conv1d: Any) -> Any:
    """A namespace's Conv1d of one place with its weights, casts and all, computed as the linear
    layer that it is, on (... c)."""

    class ConvOverChannels(conv1d):
        def _conv_forward(
            self, x: Tensor, weight: Tensor, bias: Tensor | None, *_: Any, **__: Any
        ) -> Tensor:
            return linear(x, weight.squeeze(-1), bias)

    return ConvOverChannels


class SpatialTransformer(nn.Module):
    """Attention within each frame, then to the context (architecture.md 2.5)."""

    def __init__(
        self, dim: int, heads: int, depth: int, context_dim: int, image: bool, ops: Ops
    ) -> None:
        super().__init__()
        self.norm = ops.group_norm(dim, 1e-6)
        self.proj_in = ops.Linear(dim, dim)
        self.transformer_blocks = nn.ModuleList(
            TransformerBlock(dim, heads, CrossAttention(dim, context_dim, heads, image, ops), ops)
            for _ in range(depth)
        )
        self.proj_out = zero(ops.Linear(dim, dim))

    def forward(self, x: Tensor, context: Context) -> Tensor:
        tokens = self.proj_in(rearrange(group_norm(self.norm, x), "n c h w -> n (h w) c"))
        for block in self.transformer_blocks:
            tokens = block(tokens, context)
        if len(tokens) > len(x):
            x = x.repeat(len(tokens) // len(x), 1, 1, 1)
        return x + rearrange(self.proj_out(tokens), "n (h w) c -> n c h w", h=x.shape[-2])


class TemporalTransformer(nn.Module):
    """Attention of every place over the frames; both attentions are self-attention
    (architecture.md 2.6). Norm statistics are joint over frames and places. `bypass`: it does
    nothing, as in the ablation's variant III while it trains."""

    bypass = False

    def __init__(
        self, channels: int, dim: int, heads: int, depth: int, ops: Ops, conv: bool = False
    ) -> None:
        super().__init__()
        self.norm = ops.group_norm(channels, 1e-6)
        layer = ops.made_of(_over_channels(ops.namespace.Conv1d)) if conv else ops.Linear
        kernel = (1,) if conv else ()
        self.proj_in = layer(channels, dim, *kernel)
        self.transformer_blocks = nn.ModuleList(
            TransformerBlock(dim, heads, SelfAttention(dim, heads, ops), ops) for _ in range(depth)
        )
        self.proj_out = zero(layer(dim, channels, *kernel))

    def forward(self, x: Tensor, frames: int, context: Context | None = None) -> Tensor:
        if self.bypass:
            return x
        h = x.shape[-2]
        tokens = self._places(x, frames)
        for block in self.transformer_blocks:
            tokens = block(tokens, context)
        tokens = self.proj_out(tokens)
        b = x.shape[0] // frames
        return x + rearrange(tokens, "(b h w) f c -> (b f) c h w", b=b, h=h)

    def _places(self, x: Tensor, frames: int) -> Tensor:
        """Normalised and projected, ((b h w) f c): a sequence of frames for each place."""
        if usable(x):
            normed = group_norm(self.norm, x, frames)
            tokens = self.proj_in(rearrange(normed, "(b f) c h w -> b f (h w) c", f=frames))
            return tokens.transpose(1, 2).flatten(0, 1)
        clip = self.norm(rearrange(x, "(b f) c h w -> b c f h w", f=frames))
        if len(clip) > 1:
            return self.proj_in(rearrange(clip, "b c f h w -> (b h w) f c"))
        tokens = self.proj_in(clip[0].flatten(1).t())  # one product, of channels that lie first
        return rearrange(tokens, "(f p) c -> p f c", f=frames).contiguous()
