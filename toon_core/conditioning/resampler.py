"""The image projector: image tokens to context tokens for each frame (architecture.md 3)."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor, nn

from ..config import ResamplerConfig
from ..layers.attention import attend
from ..ops import Ops


class QueryAttention(nn.Module):
    """Learned latents attend to the image tokens and to themselves."""

    def __init__(self, config: ResamplerConfig, ops: Ops) -> None:
        super().__init__()
        inner = config.heads * config.dim_head
        self.heads = config.heads
        self.norm1 = ops.LayerNorm(config.dim)
        self.norm2 = ops.LayerNorm(config.dim)
        self.to_q = ops.Linear(config.dim, inner, bias=False)
        self.to_kv = ops.Linear(config.dim, inner * 2, bias=False)
        self.to_out = ops.Linear(inner, config.dim, bias=False)

    def forward(self, x: Tensor, latents: Tensor) -> Tensor:
        latents = self.norm2(latents)
        k, v = self.to_kv(torch.cat([self.norm1(x), latents], dim=1)).chunk(2, dim=-1)
        return self.to_out(attend(self.to_q(latents), k, v, self.heads))


def _feed_forward(config: ResamplerConfig, ops: Ops) -> nn.Sequential:
    inner = config.dim * config.ff_mult
    return nn.Sequential(
        ops.LayerNorm(config.dim),
        ops.Linear(config.dim, inner, bias=False),
        nn.GELU(),
        ops.Linear(inner, config.dim, bias=False),
    )


class Resampler(nn.Module):
    """(b n embedding_dim) -> (b num_queries x video_length output_dim), frame-major."""

    def __init__(
        self,
        config: ResamplerConfig,
        *,
        ops: Any = nn,
        dtype: torch.dtype | None = None,
        device: torch.device | str | None = None,
    ) -> None:
        super().__init__()
        self.config = config
        make = Ops(ops, dtype, device)
        queries = config.num_queries * (config.video_length or 1)
        self.latents = make.parameter(1, queries, config.dim)
        nn.init.normal_(self.latents, std=config.dim**-0.5)
        self.proj_in = make.Linear(config.embedding_dim, config.dim)
        self.proj_out = make.Linear(config.dim, config.output_dim)
        self.norm_out = make.LayerNorm(config.output_dim)
        self.layers = nn.ModuleList(
            nn.ModuleList([QueryAttention(config, make), _feed_forward(config, make)])
            for _ in range(config.depth)
        )

    def forward(self, x: Tensor) -> Tensor:
        latents = self.latents.to(x).expand(x.shape[0], -1, -1)
        x = self.proj_in(x)
        layers: Iterable[Any] = self.layers
        for attention, feed_forward in layers:
            latents = latents + attention(x, latents)
            latents = latents + feed_forward(latents)
        return self.norm_out(self.proj_out(latents))
