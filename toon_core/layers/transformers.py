"""Spatial and temporal transformers on feature maps ((b f) c h w)."""

from __future__ import annotations

from einops import rearrange
from torch import Tensor, nn

from ..ops import Ops, zero
from .attention import CrossAttention, SelfAttention, TransformerBlock
from .context import Context


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
        tokens = self.proj_in(rearrange(self.norm(x), "n c h w -> n (h w) c"))
        for block in self.transformer_blocks:
            tokens = block(tokens, context)
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
        self.conv = conv
        self.norm = ops.group_norm(channels, 1e-6)
        self.proj_in = self._projection(channels, dim, ops)
        self.transformer_blocks = nn.ModuleList(
            TransformerBlock(dim, heads, SelfAttention(dim, heads, ops), ops) for _ in range(depth)
        )
        self.proj_out = zero(self._projection(dim, channels, ops))

    def _projection(self, dim: int, out: int, ops: Ops) -> nn.Module:
        return ops.Conv1d(dim, out, 1) if self.conv else ops.Linear(dim, out)

    def _project(self, layer: nn.Module, tokens: Tensor) -> Tensor:
        if not self.conv:
            return layer(tokens)
        return layer(tokens.transpose(1, 2)).transpose(1, 2)

    def forward(self, x: Tensor, frames: int) -> Tensor:
        if self.bypass:
            return x
        h = x.shape[-2]
        clip = self.norm(rearrange(x, "(b f) c h w -> b c f h w", f=frames))
        tokens = rearrange(clip, "b c f h w -> (b h w) f c")
        tokens = self._project(self.proj_in, tokens)
        for block in self.transformer_blocks:
            tokens = block(tokens)
        tokens = self._project(self.proj_out, tokens)
        b = x.shape[0] // frames
        return x + rearrange(tokens, "(b h w) f c -> (b f) c h w", b=b, h=h)
