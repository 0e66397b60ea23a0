"""How the decoder takes detail from both key frames (paper eq. 3; architecture.md 6.3)."""

from __future__ import annotations

import math

import torch
from einops import rearrange
from torch import Tensor, nn

from ..config import VAEConfig
from ..layers.attention import attend_frames
from ..layers.fused import group_norm
from ..ops import Ops, zero
from .frames import Span

ATTENTION_LEVELS = (2, 3)  # of the decoder, 0 being full resolution


class EndpointAdder(nn.Module):
    """Adds a projection of each key's features to the first and to the last frame only."""

    def __init__(self, dim: int, ops: Ops) -> None:
        super().__init__()
        self.conv = zero(ops.Conv2d(dim, dim, 1))

    def forward(self, x: Tensor, span: Span, reference: Tensor) -> Tensor:
        """x ((b f) c h w), the frames `span` of each clip, which are written to where no gradient
        is wanted; reference (b c 2 h w)."""
        if not (span.has_first or span.has_last):
            return x
        frames = (x.clone() if torch.is_grad_enabled() else x).unflatten(0, (-1, len(span)))
        if span.has_first:
            frames[:, 0] += self.conv(reference[:, :, 0])
        if span.has_last:
            frames[:, -1] += self.conv(reference[:, :, 1])
        return frames.flatten(0, 1)


class ReferenceAttention(nn.Module):
    """Cross-attention of every frame to the places of both keys.

    With `nearness` the scores have a second part, that grows where a key's place is near the
    frame's own: what stands still is found even where its picture repeats.
    """

    def __init__(
        self, dim: int, heads: int, head_width: int, ops: Ops, nearness: bool = False
    ) -> None:
        super().__init__()
        inner = heads * head_width
        self.heads = heads
        self.norm = ops.group_norm(dim, 1e-6)
        self.to_q = ops.Linear(dim, inner, bias=False)
        self.to_k = ops.Linear(dim, inner, bias=False)
        self.to_v = ops.Linear(dim, inner, bias=False)
        self.to_out = nn.Sequential(zero(ops.Linear(inner, dim)))
        self.nearness = Nearness(heads, ops) if nearness else None

    def forward(self, x: Tensor, span: Span, reference: Tensor) -> Tensor:
        q, k = self.queries(x), self.keys(reference)
        out = attend_frames(q, (k, self.to_v(places(reference))), self.heads)
        return x + rearrange(self.to_out(out), "n (h w) c -> n c h w", h=x.shape[-2])

    def queries(self, x: Tensor) -> Tensor:
        """(n c h w) -> (n hw c')."""
        q = self.to_q(rearrange(group_norm(self.norm, x), "n c h w -> n (h w) c"))
        return q if self.nearness is None else self.nearness.with_queries(q, x.shape[-2:])

    def keys(self, reference: Tensor) -> Tensor:
        """(b c 2 h w) -> (b 2hw c')."""
        k = self.to_k(places(reference))
        return k if self.nearness is None else self.nearness.with_keys(k, reference.shape[-2:])


class Nearness(nn.Module):
    """Adds sum_f a_f (cos(w_f dy) + cos(w_f dx)) to attention scores, a_f learned for every head,
    w_f = pi / 2^f, as further channels of queries and keys: cos(w (p - p')) =
    cos(wp) cos(wp') + sin(wp) sin(wp'). So fused attention takes it as it takes any queries and
    keys, without a map of scores, and it means the same at every size.
    """

    COUNT = 6  # frequencies; half the longest wave is 64 places
    START = 2.0  # a_f of every second head, the others start without

    def __init__(self, heads: int, ops: Ops) -> None:
        super().__init__()
        self.amount = ops.parameter(heads, self.COUNT)
        with torch.no_grad():
            self.amount[::2] = self.START

    def with_queries(self, q: Tensor, size: torch.Size) -> Tensor:
        """q (n hw (m d)): each head's d channels, then its waves. What attention divides scores
        by is made up for."""
        heads = rearrange(q, "n p (m d) -> n p m d", m=len(self.amount))
        wide = heads.shape[-1] + 4 * self.COUNT
        amount = self.amount.to(q.device, torch.float32) * wide**0.5
        waves = _waves(size, self.COUNT, q.device)[:, None] * amount.repeat(1, 4)
        return _joined(heads * (wide / heads.shape[-1]) ** 0.5, waves)

    def with_keys(self, k: Tensor, size: torch.Size) -> Tensor:
        """k (b 2hw (m d)), the first key's places before the last's."""
        heads = rearrange(k, "b p (m d) -> b p m d", m=len(self.amount))
        waves = _waves(size, self.COUNT, k.device).repeat(2, 1)[:, None]
        return _joined(heads, waves.expand(-1, len(self.amount), -1))


def _joined(heads: Tensor, waves: Tensor) -> Tensor:
    waves = waves.to(heads.dtype).expand(len(heads), -1, -1, -1)
    return rearrange(torch.cat([heads, waves], dim=-1), "n p m d -> n p (m d)")


def _waves(size: torch.Size, count: int, device: torch.device) -> Tensor:
    """Cosine and sine of every place's y, then of its x, at `count` frequencies: (hw 4count)."""
    frequencies = math.pi / 2.0 ** torch.arange(1, count + 1, device=device)
    y, x = (torch.arange(n, device=device)[:, None] * frequencies for n in size)
    y, x = (torch.cat([angle.cos(), angle.sin()], dim=-1) for angle in (y, x))
    h, w = size
    return torch.cat([y[:, None].expand(h, w, -1), x.expand(h, w, -1)], dim=-1).flatten(0, 1)


def places(reference: Tensor) -> Tensor:
    """Maps of both keys (b c 2 h w) as tokens (b 2hw c), the first key's before the last's."""
    return rearrange(reference, "b c k h w -> b (k h w) c")


def reference_modules(widths: list[int], config: VAEConfig, ops: Ops) -> nn.ModuleList:
    """One a level, high resolution first, and one before the output convolution."""

    def attention(dim: int) -> ReferenceAttention:
        heads, width = config.reference_heads, config.reference_head_width
        return ReferenceAttention(dim, heads, width, ops, config.reference_nearness)

    modules = [
        attention(dim) if i in ATTENTION_LEVELS else EndpointAdder(dim, ops)
        for i, dim in enumerate(widths)
    ]
    return nn.ModuleList([*modules, EndpointAdder(widths[0], ops)])
