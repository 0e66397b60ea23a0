"""KL-f8 encoder that also returns the reference features (architecture.md 6.1 and 6.2)."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from torch import Tensor, nn

from ..config import VAEConfig
from ..layers.fused import laid_out, norm_silu
from ..ops import Ops
from .blocks import AttentionBlock, Downsample, ResBlock


class Encoder(nn.Module):
    def __init__(self, config: VAEConfig, ops: Ops) -> None:
        super().__init__()
        self.conv_in = ops.Conv2d(config.in_channels, config.ch, 3, padding=1)
        self.down = nn.ModuleList()
        dim = config.ch
        for i, mult in enumerate(config.ch_mult):
            level: Any = nn.Module()
            level.block = nn.ModuleList()
            for _ in range(config.num_res_blocks):
                level.block.append(ResBlock(dim, config.ch * mult, ops))
                dim = config.ch * mult
            if i < len(config.ch_mult) - 1:
                level.downsample = Downsample(dim, ops)
            self.down.append(level)
        self.mid: Any = nn.Module()
        self.mid.block_1 = ResBlock(dim, dim, ops)
        self.mid.attn_1 = AttentionBlock(dim, ops)
        self.mid.block_2 = ResBlock(dim, dim, ops)
        self.norm_out = ops.group_norm(dim, 1e-6)
        self.conv_out = ops.Conv2d(dim, 2 * config.z_channels, 3, padding=1)

    def forward(self, images: Tensor) -> tuple[Tensor, list[Tensor]]:
        """(n 3 h w) in [-1, 1] -> moments before `quant_conv`, and the reference features: the
        last res block of each level before its downsample, then the first convolution."""
        first = h = laid_out(self.conv_in(images))
        features = []
        levels: Iterable[Any] = self.down
        for level in levels:
            for block in level.block:
                h = block(h)
            features.append(h)
            if hasattr(level, "downsample"):
                h = level.downsample(h)
        h = self.mid.block_2(self.mid.attn_1(self.mid.block_1(h)))
        return self.conv_out(norm_silu(self.norm_out, h)), [*features, first]
