"""The decoder: plain 2D, or the dual-reference 3D one (paper eq. 3; architecture.md 6.3).

It is one alternation of per-frame work and of time mixing over the whole clip, so that the
work can run on a few frames at a time with the same result: group-norm statistics of the time
mixing are taken over all frames either way. Those few are meant at full resolution; at half of it
four times as many take no more memory, and so on.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import torch
from einops import rearrange
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from ..config import VAEConfig
from ..layers.blocks import Upsample
from ..layers.fused import laid_out, norm_silu
from ..ops import Ops
from .blocks import AttentionBlock, ResBlock
from .frames import FrameWork, Span, map_frames
from .references import reference_modules
from .time_stack import TimeStack

Progress = Callable[[float], object]


class TimeResBlock(ResBlock):
    """Res block per frame, then s = y + stack(y) mixed as a s + (1 - a) y = y + a stack(y), with
    a = sigmoid(mix_factor)."""

    def __init__(self, dim: int, out: int, ops: Ops) -> None:
        super().__init__(dim, out, ops)
        self.mix_factor = ops.parameter(1)
        self.time_stack = TimeStack(out, ops)

    def mix(self, clip: Tensor, size: int | None) -> Tensor:
        amount = torch.sigmoid(self.mix_factor.to(clip.device, torch.float32)).to(clip.dtype)
        return self.time_stack.add_to(clip, amount, size)


class Decoder(nn.Module):
    """Latents to frames; `up.i` is level i of `ch_mult`, run from the last to the first.

    `checkpointing`: in training, keep the clip between res blocks only and compute the rest again
    in the backward pass."""

    def __init__(self, config: VAEConfig, ops: Ops) -> None:
        super().__init__()
        self.config, self.checkpointing = config, False
        block = TimeResBlock if config.pseudo_3d else ResBlock
        widths = [config.ch * m for m in config.ch_mult]
        dim = widths[-1]
        self.conv_in = ops.Conv2d(config.z_channels, dim, 3, padding=1)
        self.mid: Any = nn.Module()
        self.mid.block_1 = block(dim, dim, ops)
        self.mid.attn_1 = AttentionBlock(dim, ops)
        self.mid.block_2 = block(dim, dim, ops)
        levels: list[Any] = []
        for i, out in reversed(list(enumerate(widths))):
            level: Any = nn.Module()
            level.block = nn.ModuleList()
            for _ in range(config.num_res_blocks + 1):
                level.block.append(block(dim, out, ops))
                dim = out
            if i > 0:
                level.upsample = Upsample(dim, ops)
            levels.insert(0, level)
        self.up = nn.ModuleList(levels)
        if config.references:
            self.attn_refinement = reference_modules(widths, config, ops)
        self.norm_out = ops.group_norm(dim, 1e-6)
        self.conv_out = ops.Conv2d(dim, config.out_ch, 3, padding=1)
        if config.pseudo_3d:
            self.conv_out.time_mix_conv = ops.Conv3d(
                config.out_ch, config.out_ch, (3, 1, 1), padding=(1, 0, 0)
            )

    def forward(
        self,
        z: Tensor,
        references: Sequence[Tensor] | None = None,
        *,
        size: int | None = None,
        progress: Progress | None = None,
    ) -> Tensor:
        """z (b f c h w) -> (b f 3 8h 8w). references: maps (b c 2 h_i w_i) as the encoder lists
        them, or None; size: frames of per-frame work at a time (None: all); progress: called
        with the part of the res blocks that is done, up to 1."""
        work: list[FrameWork] = [_alone(self.conv_in), lambda x, _: laid_out(x)]
        clip = z
        again = self.checkpointing and torch.is_grad_enabled()
        steps = self._steps(references)
        tell = _counted(progress, z.shape[1] * sum(isinstance(s, ResBlock) for s, _ in steps))
        for step, level in steps:
            work += [_alone(step), tell] if isinstance(step, ResBlock) else [step]
            if isinstance(step, TimeResBlock) or (again and isinstance(step, ResBlock)):
                part = partial(_stage, work, step, None if size is None else size * 4**level)
                clip = checkpoint(part, clip, use_reentrant=False) if again else part(clip)
                work = []
        frames = map_frames(_chain([*work, self._colours]), clip, size)
        return self._mix_colours(frames)

    def _steps(self, references: Sequence[Tensor] | None) -> list[tuple[FrameWork | ResBlock, int]]:
        """Each with the level whose resolution its output has."""
        top = len(self.up) - 1
        steps: list[Any] = [
            (self.mid.block_1, top),
            (_alone(self.mid.attn_1), top),
            (self.mid.block_2, top),
        ]
        for i in reversed(range(len(self.up))):
            level: Any = self.up[i]
            for block in level.block:
                steps.append((block, i))
            if references is not None and self.config.references:
                steps.append((self._refine(i, references), i))
            if i > 0:
                steps.append((_alone(level.upsample), i - 1))
        steps.append((lambda x, _: norm_silu(self.norm_out, x), 0))
        if references is not None and self.config.references:
            steps.append((self._refine(len(self.up), references), 0))
        return steps

    def _refine(self, i: int, references: Sequence[Tensor]) -> FrameWork:
        return lambda x, span: self.attn_refinement[i](x, span, references[i])

    def _colours(self, x: Tensor, _: Span) -> Tensor:
        return self.conv_out(x)

    def _mix_colours(self, frames: Tensor) -> Tensor:
        if not self.config.pseudo_3d:
            return frames
        clip = rearrange(frames, "b f c h w -> b c f h w")
        return rearrange(self.conv_out.time_mix_conv(clip), "b c f h w -> b f c h w")


def _alone(layer: nn.Module) -> FrameWork:
    """A layer that sees each frame by itself."""
    return lambda x, _: layer(x)


def _stage(work: list[FrameWork], block: ResBlock, size: int | None, clip: Tensor) -> Tensor:
    """Per-frame work that ends with a res block, and the block's mixing of frames if it has one."""
    done = map_frames(_chain(work), clip, size)
    return block.mix(done, size) if isinstance(block, TimeResBlock) else done


def _counted(progress: Progress | None, total: int) -> FrameWork:
    """Work that changes nothing and counts the frames that pass, of `total`."""
    done = 0

    def tell(x: Tensor, span: Span) -> Tensor:
        nonlocal done
        done += len(span)
        if progress is not None:
            progress(done / total)
        return x

    return tell


def _chain(work: Sequence[FrameWork]) -> FrameWork:
    def run(x: Tensor, span: Span) -> Tensor:
        for step in work:
            x = step(x, span)
        return x

    return run
