"""The 3D UNet: v-prediction for a clip of latents (architecture.md 2)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from einops import rearrange
from torch import Tensor, nn

from ..config import UNetConfig
from ..devices import moved
from ..layers.attention import SelfAttention
from ..layers.blocks import ResBlock, Upsample
from ..layers.context import Context
from ..layers.embeddings import Shifts, embedding_mlp, sinusoidal
from ..layers.fused import laid_out, norm_silu
from ..layers.stages import LayerFactory, Stage, encoder
from ..layers.transformers import TemporalTransformer
from ..ops import Ops, computes_plainly, zero

INIT_HEADS = 8  # of init_attn, whatever the width
OUTER = 2  # blocks at either end that a shallow pass has
ADAPTER_BLOCKS = (2, 5, 8, 11)  # the last res block of each level, with the released two a level


class VideoUNet(nn.Module):
    """Denoiser of clips. Parameter names are the released checkpoint's.

    input_blocks: see `layers/stages.py`. output_blocks, mirrored: 0 1 res; 2 res, upsample;
    3 4 res, spatial, temporal; 5 the same, upsample; 6 7; 8 with upsample; 9 10 11. Each first
    joins the popped output of an input block. `fps_embedding` takes the `fs` condition.
    """

    def __init__(
        self,
        config: UNetConfig,
        *,
        ops: Any = nn,
        dtype: torch.dtype | None = None,
        device: torch.device | str | None = None,
    ) -> None:
        super().__init__()
        self.config = config
        self.dtype = dtype  # ComfyUI reads it
        make = Ops(ops, dtype, device, config.norm_groups)
        width = config.model_channels
        self.time_embed = embedding_mlp(width, make)
        self.fps_embedding = embedding_mlp(width, make)
        factory = LayerFactory(config, make, temporal=True, image=True)
        self.input_blocks, self.middle_block, widths = encoder(factory)
        self.init_attn = Stage(
            TemporalTransformer(
                width,
                INIT_HEADS * config.num_head_channels,
                INIT_HEADS,
                config.transformer_depth,
                make,
                conv=True,
            )
        )
        self.output_blocks = _decoder(factory, widths)
        final = width * config.channel_mult[0]
        self.out = nn.Sequential(
            make.group_norm(final, 1e-5),
            nn.SiLU(),
            zero(make.Conv2d(final, config.out_channels, 3, padding=1)),
        )

    def forward(
        self,
        x: Tensor,
        t: Tensor,
        context: Context | Tensor,
        fs: Tensor | None = None,
        *,
        control: Sequence[Tensor] | None = None,
        adapter: Sequence[Tensor] | None = None,
    ) -> Tensor:
        """Predict v.

        x (b in f h w): noisy latent with the concatenated key latents, h and w multiples of 8;
        t (b,) diffusion steps 0..999; context (b L d) tokens or a `Context`; fs (b,) frames per
        second (default `default_fs`); control: 13 maps ((b f) c h w) of a sketch encoder, added
        to the skips and the middle; adapter: 4 maps added to the encoder's levels.
        Returns (b out f h w). ValueError on sizes that cannot be halved three times.

        A `Context` of n b clips gives (n b out f h w), n copies of the clips one after the other:
        what comes before the first attention to the context is then done once. control is of all.

        Where the context is `shallow`, only the first and last blocks work, and between them stands
        what an earlier pass has left there (Ma et al. 2024, "DeepCache"): a fifth of the work.
        """
        b, _, frames, h, w = x.shape
        self._check_size(h, w)
        if isinstance(context, Tensor):
            context = Context.route(context.expand(b, -1, -1), frames)
        context.copies = context.text.shape[0] // b
        emb = self._embed(t, fs, x) if context.shifts is None else x.new_empty(0)
        hidden = laid_out(rearrange(x, "b c f h w -> (b f) c h w"))
        hidden, skips, emb = self._encode(hidden, emb, context, frames, adapter)
        if not context.shallow:
            hidden = self.middle_block(hidden, emb, context, frames)
        if control is not None:
            *maps, middle = control
            hidden = hidden if context.shallow else hidden + middle
            maps = maps[: len(skips)] if context.shallow else maps
            skips = [skip + c for skip, c in zip(skips, maps, strict=True)]
        for block in self.output_blocks[-len(skips) :]:
            if len(skips) == OUTER:
                hidden = self._deep(hidden, context)
            hidden = torch.cat([hidden, skips.pop()], dim=1)
            hidden = block(hidden, emb, context, frames)
        norm, _, conv = self.out
        return rearrange(conv(norm_silu(norm, hidden)), "(b f) c h w -> b c f h w", f=frames)

    def _embed(self, t: Tensor, fs: Tensor | None, x: Tensor) -> Tensor:
        if fs is None:
            fs = torch.full_like(t, self.config.default_fs)
        width = self.config.model_channels
        time = self.time_embed(sinusoidal(t, width).to(x.dtype))
        return time + self.fps_embedding(sinusoidal(fs, width).to(x.dtype))

    def shifts(self, steps: Sequence[int], fs: Tensor, like: Tensor) -> dict[int, Shifts]:
        """What the res blocks add at each of a run's steps, for clips of fs (b,), in the type of
        `like` and where it is. For as long as the weights stay as they are. Empty where parameters
        are parts of a group's, which come together only in the modules' own calls."""
        if any(type(p).__module__.startswith("torch.distributed") for p in self.parameters()):
            return {}
        t = moved(torch.tensor(list(steps)), like.device)
        clips = len(fs)
        emb = self._embed(t.repeat_interleave(clips), fs.repeat(len(t)), like)
        added, biases = {}, {}
        for block in self.modules():
            if isinstance(block, ResBlock):
                rows = block.emb_layers(emb)
                added[id(block)] = rows.unflatten(0, (-1, clips))
                conv = block.in_layers[-1]
                if clips == 1 and computes_plainly(conv, like):
                    biases[id(block)] = rows + conv.bias
        return {
            step: Shifts(*({k: v[i] for k, v in part.items()} for part in (added, biases)))
            for i, step in enumerate(steps)
        }

    def packed(self, like: Tensor) -> dict[int, Tensor]:
        """Joined copies of self-attention's projections, by layer, where these compute plainly in
        the type of `like` and where it is. For as long as the weights stay as they are."""
        layers = [m for m in self.modules() if isinstance(m, SelfAttention)]
        found = {id(layer): layer.packed(like) for layer in layers}
        return {key: weight for key, weight in found.items() if weight is not None}

    def packed_bytes(self) -> int:
        """Of the copies that a run keeps of self-attention's joined projections."""
        layers = (m for m in self.modules() if isinstance(m, SelfAttention))
        size = (self.dtype or next(self.parameters()).dtype).itemsize
        return sum(3 * m.to_q.weight.numel() for m in layers) * size

    def _encode(
        self,
        hidden: Tensor,
        emb: Tensor,
        context: Context,
        frames: int,
        adapter: Sequence[Tensor] | None,
    ) -> tuple[Tensor, list[Tensor], Tensor]:
        """The middle's input, the skips, and the embedding for as many clips as they have."""
        skips: list[Tensor] = []
        copies = context.copies
        places = [i for i in ADAPTER_BLOCKS if i < len(self.input_blocks)]
        maps = dict(zip(places, adapter, strict=True)) if adapter else {}
        for i, block in enumerate(self.input_blocks[: OUTER if context.shallow else None]):
            hidden = block(hidden, emb, context, frames)
            if i == 0:
                hidden = self.init_attn(hidden, emb, context, frames)
            if i in maps:
                hidden = hidden + maps[i]
            skips.append(hidden)
            if i == 1 and copies > 1:  # the first block that attends to the context
                (hidden,) = context.grown(hidden)
                skips = [skips[0].repeat(copies, 1, 1, 1), hidden]
                emb = emb.repeat(copies, *[1] * (emb.dim() - 1))
                context.shifts = context.shifts and context.shifts.repeated(copies)
        return hidden, skips, emb

    @staticmethod
    def _deep(hidden: Tensor, context: Context) -> Tensor:
        """What goes into the last blocks: of this pass, or what an earlier one has left."""
        if context.shallow:
            assert context.deep is not None
            return context.deep
        if context.keeps:
            context.deep = hidden
        return hidden

    def _check_size(self, h: int, w: int) -> None:
        multiple = 2 ** (len(self.config.channel_mult) - 1)
        if h % multiple or w % multiple:
            raise ValueError(
                f"latent size {h}x{w} must be a multiple of {multiple}: "
                f"use pixel sizes that are multiples of {multiple * 8}"
            )


def _decoder(factory: LayerFactory, widths: list[int]) -> nn.ModuleList:
    config, skips, blocks = factory.config, list(widths), nn.ModuleList()
    dim = skips[-1]
    for i, mult in reversed(list(enumerate(config.channel_mult))):
        for j in range(config.num_res_blocks + 1):
            out = config.model_channels * mult
            layers = factory.level(dim + skips.pop(), out, 2**i)
            dim = out
            if i > 0 and j == config.num_res_blocks:
                layers.append(Upsample(dim, factory.ops))
            blocks.append(Stage(*layers))
    return blocks
