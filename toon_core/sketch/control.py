"""Sketches of a run, ready for the denoiser: on which frames, how strong, at which steps."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

import torch
from torch import Tensor

from ..layers.context import TEXT_TOKENS, Context
from .encoder import SketchEncoder

Polarity = Literal["auto", "light on dark", "dark on light"]
Reads = Literal["full", "text"]  # the tokens that the encoder reads


def bright_lines(sketches: Tensor, polarity: Polarity = "auto") -> Tensor:
    """(n c h w) in [0, 1], drawn either way -> (n 1 h w) with bright lines on black.

    `auto` looks at each drawing: lines cover less of the paper than the paper does, so a mean
    above one half means dark lines on light paper.
    """
    grey = sketches[:, :3].mean(dim=1, keepdim=True)
    if polarity == "dark on light":
        return 1 - grey
    if polarity == "light on dark":
        return grey
    if polarity != "auto":
        raise ValueError(f"polarity = {polarity!r}: expected auto, light on dark or dark on light")
    paper = grey.mean(dim=(1, 2, 3), keepdim=True) > 0.5
    return torch.where(paper, 1 - grey, grey)


def place(sketches: Mapping[int, Tensor], frames: int, height: int, width: int) -> Tensor:
    """Sketches {frame: (1 h w)}, bright on black -> (1 1 f h w), empty (zero) elsewhere.

    ValueError for a frame outside 0..frames-1 or a sketch of another size.
    """
    if not sketches:
        raise ValueError("no sketch given: connect at least one")
    out = next(iter(sketches.values())).new_zeros(1, 1, frames, height, width)
    for frame, sketch in sketches.items():
        if not 0 <= frame < frames:
            raise ValueError(f"sketch frame {frame} is outside the clip's 0..{frames - 1}")
        if sketch.shape[-2:] != (height, width):
            size = f"{sketch.shape[-1]}x{sketch.shape[-2]}"
            raise ValueError(f"sketch for frame {frame} is {size}, the clip is {width}x{height}")
        out[0, 0, frame] = sketch[0]
    return out


@dataclass
class SketchControl:
    """One encoder with the sketches of a run.

    sketches (b 1 f 8h 8w), bright lines on black; scale: 0..1, released 0.6; start and end:
    parts of the run, 0 first step to 1 last, between which it acts; context: `full` gives the
    encoder all tokens, `text` the first 77 only (architecture.md 10); zero_gate: only frames with
    a sketch are acted on, for encoders trained that way (the paper's ablation).
    """

    encoder: SketchEncoder
    sketches: Tensor
    scale: float = 0.6
    start: float = 0.0
    end: float = 1.0
    context: Reads = "full"
    zero_gate: bool = False
    total: int = 1000
    _hint: Tensor | None = None

    def tokens(self, tokens: Tensor, *, cache: bool = False) -> Context:
        """The part of the UNet's tokens (b L d) that the encoder sees, not split by frame."""
        text_only = self.context == "text"
        return Context(tokens[:, :TEXT_TOKENS] if text_only else tokens, cache=cache)

    def active(self, t: Any) -> Any:
        """Whether it acts at step t (0..999); for a tensor of steps, a tensor."""
        last = self.total - 1
        return ((1 - self.end) * last <= t) & (t <= (1 - self.start) * last)

    def features(self, x: Tensor, t: Tensor, context: Context) -> list[Tensor]:
        """The encoder's 13 maps for noisy latents x (b' 4 f h w), b' a multiple of b."""
        if self._hint is None:
            self._hint = self.encoder.hint(self.sketches)
        copies = x.shape[0] * x.shape[2] // self._hint.shape[0]
        hint = self._hint.repeat(copies, 1, 1, 1)
        maps = self.encoder(x.to(hint.dtype), hint, t, context, self.scale)
        if not self.zero_gate:
            return maps
        return gated(maps, self.sketches.repeat(x.shape[0] // self.sketches.shape[0], 1, 1, 1, 1))


def gated(maps: list[Tensor], sketches: Tensor) -> list[Tensor]:
    """An encoder's maps ((b f) c h w), zero where the frame's sketch (b 1 f h w) is empty."""
    drawn = (sketches != 0).any(-1).any(-1).flatten().view(-1, 1, 1, 1)
    return [m * drawn for m in maps]
