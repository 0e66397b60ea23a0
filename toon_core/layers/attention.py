"""Attention over tokens: self-attention, and cross-attention to text and image tokens."""

from __future__ import annotations

import torch
from einops import rearrange
from torch import Tensor, nn
from torch.nn.functional import linear, pad, scaled_dot_product_attention

from ..ops import Ops, computes_plainly
from .context import Context, KeyValue
from .fused import add_norm, geglu

# The kernels count the batch in 16 bits, and the elements of what their backward passes keep, 128
# for each channel of an item, in 31.
MOST_ITEMS, MOST_CHANNELS = 2**15, 2**24 - 1


def attend(q: Tensor, k: Tensor, v: Tensor, heads: int) -> Tensor:
    """softmax(q k^T / sqrt(d)) v for (b n (heads d)) tensors; v may be narrower than q and k.

    It is then filled up with zeros: torch's kernels that keep no map of scores take q, k and v of
    one width only, the others' memory grows with the square of the places. A batch too large for
    them goes in pieces.
    """
    most = min(MOST_ITEMS, MOST_CHANNELS // q.shape[-1])
    if q.shape[0] > most:
        pieces = zip(q.split(most), k.split(most), v.split(most), strict=True)
        return torch.cat([attend(a, b, c, heads) for a, b, c in pieces])
    q, k, v = (rearrange(x, "b n (m d) -> b m n d", m=heads) for x in (q, k, v))
    width = v.shape[-1]
    if width < q.shape[-1]:
        v = pad(v, (0, q.shape[-1] - width))
    out = scaled_dot_product_attention(q, k, v)[..., :width]
    return rearrange(out, "b m n d -> b n (m d)")


def attend_frames(q: Tensor, kv: KeyValue, heads: int) -> Tensor:
    """Queries ((b f) n d) to keys shared by a clip's frames (b m d) or of each frame ((b f) m d).

    Shared keys are never copied for every frame: the frames join the query axis instead.
    """
    k, v = kv
    frames = q.shape[0] // k.shape[0]
    folded = rearrange(q, "(b f) n d -> b (f n) d", f=frames)
    return rearrange(attend(folded, k, v, heads), "b (f n) d -> (b f) n d", f=frames)


class SelfAttention(nn.Module):
    """Multi-head self-attention, (b n d) -> (b n d)."""

    def __init__(self, dim: int, heads: int, ops: Ops) -> None:
        super().__init__()
        self.heads = heads
        self.to_q = ops.Linear(dim, dim, bias=False)
        self.to_k = ops.Linear(dim, dim, bias=False)
        self.to_v = ops.Linear(dim, dim, bias=False)
        self.to_out = nn.Sequential(ops.Linear(dim, dim))

    def forward(self, x: Tensor, context: Context | None = None) -> Tensor:
        """Of the context only `packed` is used: blocks need not ask which kind they hold."""
        weight = None if context is None else context.packed.get(id(self))
        if weight is None or torch.is_grad_enabled():
            return self.to_out(attend(self.to_q(x), self.to_k(x), self.to_v(x), self.heads))
        q, k, v = linear(x, weight).chunk(3, dim=-1)
        return self.to_out(attend(q, k, v, self.heads))

    def packed(self, like: Tensor) -> Tensor | None:
        """The three projections as one, where the layers compute plainly."""
        layers = (self.to_q, self.to_k, self.to_v)
        if not all(computes_plainly(layer, like) for layer in layers):
            return None
        return torch.cat([layer.weight.detach() for layer in layers])


class CrossAttention(nn.Module):
    """Cross-attention of frames ((b f) n d) to a `Context`.

    With `image` the image tokens get keys and values of their own; both softmaxes are summed
    before the output projection (architecture.md 2.5).
    """

    def __init__(self, dim: int, context_dim: int, heads: int, image: bool, ops: Ops) -> None:
        super().__init__()
        self.heads = heads
        self.to_q = ops.Linear(dim, dim, bias=False)
        self.to_k = ops.Linear(context_dim, dim, bias=False)
        self.to_v = ops.Linear(context_dim, dim, bias=False)
        self.to_out = nn.Sequential(ops.Linear(dim, dim))
        self.image = image
        if image:
            self.to_k_ip = ops.Linear(context_dim, dim, bias=False)
            self.to_v_ip = ops.Linear(context_dim, dim, bias=False)

    def project(self, context: Context) -> list[KeyValue]:
        """Keys and values of every token group: text, then image."""
        pairs = [(self.to_k(context.text), self.to_v(context.text))]
        if self.image and context.image is not None:
            pairs.append((self.to_k_ip(context.image), self.to_v_ip(context.image)))
        return pairs

    def forward(self, x: Tensor, context: Context) -> Tensor:
        q = self.to_q(x)
        text, *image = context.keys_values(self)
        out = attend_frames(q, text, self.heads)
        for kv in image:
            out = out + attend_frames(q, kv, self.heads)
        return self.to_out(out)


class GEGLU(nn.Module):
    """Gated linear unit with GELU (Shazeer 2020): value * gelu(gate)."""

    def __init__(self, dim: int, inner: int, ops: Ops) -> None:
        super().__init__()
        self.proj = ops.Linear(dim, inner * 2)

    def forward(self, x: Tensor) -> Tensor:
        return geglu(self.proj(x))


class FeedForward(nn.Module):
    def __init__(self, dim: int, dropout: float, ops: Ops) -> None:
        super().__init__()
        inner = dim * 4
        self.net = nn.Sequential(
            GEGLU(dim, inner, ops), nn.Dropout(dropout), ops.Linear(inner, dim)
        )

    def forward(self, x: Tensor) -> Tensor:
        return self.net(x)


class TransformerBlock(nn.Module):
    """Pre-norm self-attention, second attention, feed-forward."""

    def __init__(self, dim: int, heads: int, attn2: nn.Module, ops: Ops) -> None:
        super().__init__()
        self.attn1 = SelfAttention(dim, heads, ops)
        self.attn2 = attn2
        self.ff = FeedForward(dim, 0.0, ops)
        self.norm1 = ops.LayerNorm(dim)
        self.norm2 = ops.LayerNorm(dim)
        self.norm3 = ops.LayerNorm(dim)

    def forward(self, x: Tensor, context: Context | None = None) -> Tensor:
        x, normed = add_norm(x, self.attn1(self.norm1(x), context), self.norm2)
        if context is not None and isinstance(self.attn2, CrossAttention):
            x, normed = context.grown(x, normed)
        x, normed = add_norm(x, self.attn2(normed, context), self.norm3)
        return x + self.ff(normed)
