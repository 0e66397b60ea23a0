"""The encoder half (input blocks and middle) that the UNet and the sketch encoder share.

Block index -> content, for four levels of two res blocks (architecture.md 2.3):

    0          input convolution (the UNet adds `init_attn` after it)
    1 2        level 0: res, spatial, temporal        3   strided convolution
    4 5        level 1: the same at 1/2               6   strided convolution
    7 8        level 2: the same at 1/4               9   strided convolution
    10 11      level 3: res only at 1/8
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from ..config import SketchConfig, UNetConfig
from ..ops import Ops
from .blocks import Downsample, ResBlock
from .context import Context
from .transformers import SpatialTransformer, TemporalTransformer


class Stage(nn.Sequential):
    """Layers of one block, each called with what it needs. `checkpointing`: in training, keep the
    input only and compute the rest again in the backward pass."""

    checkpointing = False

    def forward(  # type: ignore[override]  # more than Sequential's one
        self, x: Tensor, emb: Tensor, context: Context, frames: int
    ) -> Tensor:
        if self.checkpointing and torch.is_grad_enabled():
            return checkpoint(self._layers, x, emb, context, frames, use_reentrant=False)
        return self._layers(x, emb, context, frames)

    def _layers(self, x: Tensor, emb: Tensor, context: Context, frames: int) -> Tensor:
        for layer in self:
            if isinstance(layer, ResBlock):
                x = layer(x, emb, frames, context.shifts)
            elif isinstance(layer, SpatialTransformer):
                x = layer(x, context)
            elif isinstance(layer, TemporalTransformer):
                x = layer(x, frames, context)
            else:
                x = layer(x)
        return x


@dataclass(frozen=True)
class LayerFactory:
    """Makes the layers of one network; `temporal` and `image` are on in the UNet only."""

    config: UNetConfig | SketchConfig
    ops: Ops
    temporal: bool
    image: bool

    def res(self, dim: int, out: int) -> ResBlock:
        c = self.config
        return ResBlock(dim, out, c.model_channels * 4, c.dropout, self.temporal, self.ops)

    def transformers(self, dim: int) -> list[nn.Module]:
        c = self.config
        heads, depth = dim // c.num_head_channels, c.transformer_depth
        spatial = SpatialTransformer(dim, heads, depth, c.context_dim, self.image, self.ops)
        if not self.temporal:
            return [spatial]
        return [spatial, TemporalTransformer(dim, dim, heads, depth, self.ops)]

    def level(self, dim: int, out: int, scale: int) -> list[nn.Module]:
        """A res block, and transformers where this downsample factor has them."""
        attention = scale in self.config.attention_resolutions
        return [self.res(dim, out), *(self.transformers(out) if attention else [])]


def encoder(factory: LayerFactory) -> tuple[nn.ModuleList, Stage, list[int]]:
    """Input blocks, middle block and the channels of every input block's output."""
    c, ops = factory.config, factory.ops
    blocks = nn.ModuleList([Stage(ops.Conv2d(c.in_channels, c.model_channels, 3, padding=1))])
    widths = [c.model_channels]
    for i, mult in enumerate(c.channel_mult):
        for _ in range(c.num_res_blocks):
            out = c.model_channels * mult
            blocks.append(Stage(*factory.level(widths[-1], out, 2**i)))
            widths.append(out)
        if i < len(c.channel_mult) - 1:
            blocks.append(Stage(Downsample(widths[-1], ops)))
            widths.append(widths[-1])
    dim = widths[-1]
    middle = Stage(factory.res(dim, dim), *factory.transformers(dim), factory.res(dim, dim))
    return blocks, middle, widths
