"""Sketches that travel in a MODEL: every sampler that runs it applies them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import torch
from torch import Tensor

from ..toon_core.devices import moved
from ..toon_core.sketch.control import Reads, SketchControl
from . import memory

OPTION = "toon_sketches"  # of transformer_options, and of the additional models


class Kept:
    """Sketches on their device with the hint network's result, by device and type: from the start
    of a run to its end, since weights may change between runs."""

    def __init__(self) -> None:
        self.controls: dict[Any, SketchControl] | None = None

    def begin(self) -> None:
        self.controls = {}

    def end(self) -> None:
        self.controls = None


@dataclass(frozen=True, kw_only=True)
class Sketches:
    """Sketches and how they act; see `toon_core.sketch.control.SketchControl`.

    encoder: the module, which ComfyUI loads together with the model; hints (1 1 f h w), bright
    lines on black.
    """

    encoder: Any
    hints: Tensor
    frames: frozenset[int]
    scale: float
    start: float
    end: float
    context: Reads
    kept: Kept = field(default_factory=Kept, init=False, repr=False, compare=False)

    def __deepcopy__(self, memo: Any) -> Sketches:
        """ComfyUI deep-copies a model's options with every patch; this never changes."""
        return self

    def control(self, device: torch.device, dtype: torch.dtype) -> SketchControl:
        hints = moved(self.hints, device, dtype)
        return SketchControl(self.encoder, hints, self.scale, self.start, self.end, self.context)

    def check(self, shape: Sequence[int]) -> None:
        """ValueError unless the sketches were placed for latents (b c f h w)."""
        f, h, w = self.hints.shape[2:]
        if (f, h, w) != (shape[2], shape[3] * 8, shape[4] * 8):
            raise ValueError(
                f"The sketches were placed in {f} frames of {w}x{h}, and the clip has {shape[2]} "
                f"of {shape[4] * 8}x{shape[3] * 8}: give Toon Apply Sketch the LATENT that is "
                "sampled."
            )

    def features(self, x: Tensor, t: Tensor, tokens: Tensor) -> list[Tensor]:
        """For one UNet call: x (b c f h w) with the noisy latents first, t (b,), tokens (b L d)."""
        self.check(x.shape)
        control = self._of_run(x.device, x.dtype)
        noisy = x[:, : control.encoder.config.in_channels]
        maps = control.features(noisy, t, control.tokens(tokens))
        if self.start <= 0 and self.end >= 1:
            return maps
        # A native sampler's step is known to the device alone, and asking would wait for it.
        acts = control.active(t).repeat_interleave(x.shape[2]).view(-1, 1, 1, 1)
        return [m * acts for m in maps]

    def _of_run(self, device: torch.device, dtype: torch.dtype) -> SketchControl:
        controls = {} if self.kept.controls is None else self.kept.controls
        if (device, dtype) not in controls:
            controls[device, dtype] = self.control(device, dtype)
        return controls[device, dtype]

    def memory(self, shape: Sequence[float], bytes_each: int) -> float:
        """Bytes of the encoder's work beside the UNet's on latents (b c f h w)."""
        clips, _, f, h, w = shape
        return memory.sketch(self.encoder.config, clips, f, h, w, bytes_each)

    def joined(self, other: Sketches) -> Sketches:
        """Both on one clip. ValueError where they overlap or act differently."""
        same = ("encoder", "scale", "start", "end", "context")
        if any(getattr(self, k) != getattr(other, k) for k in same):
            raise ValueError(
                "This MODEL already has sketches with another encoder, strength, range or "
                "context: use the same for all Toon Apply Sketch nodes of one model."
            )
        if self.hints.shape != other.hints.shape:
            raise ValueError("This MODEL already has sketches for a clip of another size.")
        if both := sorted(self.frames & other.frames):
            raise ValueError(f"This MODEL already has a sketch on frame {both[0]}.")
        return replace(self, hints=self.hints + other.hints, frames=self.frames | other.frames)


def sketches_of(transformer_options: dict[str, Any]) -> Sketches | None:
    return transformer_options.get(OPTION)
