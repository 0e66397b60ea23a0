"""How the decoder takes detail from both key frames (paper eq. 3; architecture.md 6.3)."""

from __future__ import annotations

from einops import rearrange
from torch import Tensor, nn

from ..config import VAEConfig
from ..layers.attention import attend_frames
from ..ops import Ops, zero
from .frames import Span

ATTENTION_LEVELS = (2, 3)  # of the decoder, 0 being full resolution


class EndpointAdder(nn.Module):
    """Adds a projection of each key's features to the first and to the last frame only."""

    def __init__(self, dim: int, ops: Ops) -> None:
        super().__init__()
        self.conv = zero(ops.Conv2d(dim, dim, 1))

    def forward(self, x: Tensor, span: Span, reference: Tensor) -> Tensor:
        """x ((b f) c h w), the frames `span` of each clip; reference (b c 2 h w)."""
        if not (span.has_first or span.has_last):
            return x
        frames = list(rearrange(x, "(b f) c h w -> b f c h w", f=len(span)).unbind(1))
        if span.has_first:
            frames[0] = frames[0] + self.conv(reference[:, :, 0])
        if span.has_last:
            frames[-1] = frames[-1] + self.conv(reference[:, :, 1])
        return rearrange(frames, "f b c h w -> (b f) c h w")


class ReferenceAttention(nn.Module):
    """Cross-attention of every frame to the places of both keys."""

    def __init__(self, dim: int, heads: int, head_width: int, ops: Ops) -> None:
        super().__init__()
        inner = heads * head_width
        self.heads = heads
        self.norm = ops.group_norm(dim, 1e-6)
        self.to_q = ops.Linear(dim, inner, bias=False)
        self.to_k = ops.Linear(dim, inner, bias=False)
        self.to_v = ops.Linear(dim, inner, bias=False)
        self.to_out = nn.Sequential(zero(ops.Linear(inner, dim)))

    def forward(self, x: Tensor, span: Span, reference: Tensor) -> Tensor:
        q, tokens = self.queries(x), places(reference)
        out = attend_frames(q, (self.to_k(tokens), self.to_v(tokens)), self.heads)
        return x + rearrange(self.to_out(out), "n (h w) c -> n c h w", h=x.shape[-2])

    def queries(self, x: Tensor) -> Tensor:
        """(n c h w) -> (n hw inner)."""
        return self.to_q(rearrange(self.norm(x), "n c h w -> n (h w) c"))


def places(reference: Tensor) -> Tensor:
    """Maps of both keys (b c 2 h w) as tokens (b 2hw c), the first key's before the last's."""
    return rearrange(reference, "b c k h w -> b (k h w) c")


def reference_modules(widths: list[int], config: VAEConfig, ops: Ops) -> nn.ModuleList:
    """One a level, high resolution first, and one before the output convolution."""
    heads = config.reference_heads, config.reference_head_width
    modules = [
        ReferenceAttention(dim, *heads, ops) if i in ATTENTION_LEVELS else EndpointAdder(dim, ops)
        for i, dim in enumerate(widths)
    ]
    return nn.ModuleList([*modules, EndpointAdder(widths[0], ops)])
