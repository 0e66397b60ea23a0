"""The frame-independent sketch encoder (paper eq. 6; architecture.md 10)."""

from __future__ import annotations

from typing import Any

import torch
from einops import rearrange
from torch import Tensor, nn

from ..config import SketchConfig, UNetConfig
from ..layers.context import Context
from ..layers.embeddings import embedding_mlp, sinusoidal
from ..layers.fused import laid_out
from ..layers.stages import LayerFactory, encoder
from ..ops import Ops, zero

HINT_WIDTHS = (16, 16, 32, 32, 96, 96, 256)
HINT_STRIDES = (1, 1, 2, 1, 2, 1, 2)


def misfit(config: SketchConfig, unet: UNetConfig) -> str | None:
    """What keeps an encoder's maps from fitting a denoiser, in words; None where they fit."""
    for name in ("model_channels", "channel_mult", "num_res_blocks", "context_dim"):
        own, wanted = getattr(config, name), getattr(unet, name)
        if own != wanted:
            return f"{name} is {own}, the model's {wanted}"
    return None


class SketchEncoder(nn.Module):
    """Sketches and the noisy latent of each frame to 13 additions for the UNet.

    Purely 2D: no frame sees another, so a few sketches on a few frames are enough.
    """

    def __init__(
        self,
        config: SketchConfig,
        *,
        ops: Any = nn,
        dtype: torch.dtype | None = None,
        device: torch.device | str | None = None,
    ) -> None:
        super().__init__()
        self.config = config
        self.dtype = dtype
        make = Ops(ops, dtype, device, config.norm_groups)
        self.time_embed = embedding_mlp(config.model_channels, make)
        self.input_hint_block = _hint_network(config, make)
        factory = LayerFactory(config, make, temporal=False, image=False)
        self.input_blocks, self.middle_block, widths = encoder(factory)
        self.zero_convs = nn.ModuleList(_zero_conv(w, make) for w in widths)
        self.middle_block_out = _zero_conv(widths[-1], make)

    def hint(self, sketches: Tensor) -> Tensor:
        """Sketches (b 1 f 8h 8w) in [0, 1], bright lines on black, zeros where a frame has none
        -> features ((b f) c h w), the same for every step of a run."""
        return self.input_hint_block(rearrange(sketches, "b c f h w -> (b f) c h w"))

    def forward(
        self, x: Tensor, hint: Tensor, t: Tensor, context: Context | Tensor, scale: float = 0.6
    ) -> list[Tensor]:
        """x (b 4 f h w) noisy latents without the key latents; hint from `hint`; t (b,); context
        (b L d), all tokens shared by the frames. Returns 13 maps times `scale`, the last for the
        middle block."""
        frames = x.shape[2]
        context = Context(context) if isinstance(context, Tensor) else context
        emb = self.time_embed(sinusoidal(t, self.config.model_channels).to(x.dtype))
        h = laid_out(rearrange(x, "b c f h w -> (b f) c h w"))
        out = []
        for i, (block, project) in enumerate(zip(self.input_blocks, self.zero_convs, strict=True)):
            h = block(h, emb, context, frames)
            if i == 0:
                h = h + hint
            out.append(project(h) * scale)
        h = self.middle_block(h, emb, context, frames)
        return [*out, self.middle_block_out(h) * scale]


def _zero_conv(dim: int, ops: Ops) -> nn.Sequential:
    return nn.Sequential(zero(ops.Conv2d(dim, dim, 1)))


def _hint_network(config: SketchConfig, ops: Ops) -> nn.Sequential:
    layers: list[nn.Module] = []
    dim = config.hint_channels
    for width, stride in zip(HINT_WIDTHS, HINT_STRIDES, strict=True):
        layers += [ops.Conv2d(dim, width, 3, stride=stride, padding=1), nn.SiLU()]
        dim = width
    return nn.Sequential(*layers, zero(ops.Conv2d(dim, config.model_channels, 3, padding=1)))
