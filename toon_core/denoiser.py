"""UNet, contexts, sketch control and guidance as one function: denoise(x, t) -> v."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from .guidance import Branches, Guidance, guide, rescale
from .layers.context import Context
from .sketch.control import SketchControl
from .unet.model import VideoUNet


@dataclass
class Pass:
    """One call of the UNet at each step: what its branches read, how many steps ago their deep
    features were worked out, and whether with sketches."""

    context: Context
    sketch: Context | None
    since: int = 0
    drawn: bool = False


class Denoiser:
    """Guided v-prediction for one run, whose weights must not change while it lives.

    concat (b 4 f h w): key latents in frames 0 and f-1, zeros between; fs (b,) frames per second;
    batched: all branches in one UNet call, otherwise one after the other, with equal results;
    steps: of the run, for which the UNet's embeddings are then worked out together; packed: keep
    joined copies of the projections of self-attention, a twelfth of the UNet's weights; reuse: how
    many steps in a row share the UNet's deep features (1: every one has its own), counted in the
    order of calls.
    """

    def __init__(
        self,
        unet: VideoUNet,
        concat: Tensor,
        branches: Branches,
        fs: Tensor,
        guidance: Guidance,
        *,
        control: SketchControl | None = None,
        batched: bool = True,
        steps: Sequence[int] = (),
        packed: bool = True,
        reuse: int = 1,
    ) -> None:
        self.unet, self.concat, self.fs = unet, concat, fs
        self.shifts = unet.shifts(steps, fs, concat) if steps else {}
        self.guidance, self.control, self.reuse = guidance, control, reuse
        tokens = branches.used(guidance)
        frames = concat.shape[2]
        same_length = len({t.shape[1] for t in tokens}) == 1
        groups = [torch.cat(tokens)] if batched and same_length else tokens
        kept = unet.packed(concat) if packed else None
        self.guided = [self._pass(group, frames, kept) for group in groups]
        # Where guidance does not act; apart, since what is kept of all branches is not the one's.
        ends = len(tokens) > 1 and not guidance.always
        self.alone = [self._pass(tokens[0], frames, kept)] if ends else []

    def _pass(self, tokens: Tensor, frames: int, packed: Any) -> Pass:
        context = Context.route(tokens, frames, cache=True, packed=packed)
        context.keeps = self.reuse > 1
        sketch = None if self.control is None else self.control.tokens(tokens, cache=True)
        return Pass(context, sketch)

    def __call__(self, x: Tensor, t: int) -> Tensor:
        """x (b 4 f h w) noisy latents, t 0..999 -> guided v."""
        predictions: list[Tensor] = []
        guided = not self.alone or self.guidance.active(t)
        passes, others = (self.guided, self.alone) if guided else (self.alone, self.guided)
        for one in others:
            one.context.deep = None  # of a step too long ago by the time it would be used
        for one in passes:
            copies = one.context.text.shape[0] // x.shape[0]
            predictions += self._predict(x, t, copies, one).chunk(copies)
        return self._combine(predictions)

    def _predict(self, x: Tensor, t: int, copies: int, one: Pass) -> Tensor:
        steps = torch.full((x.shape[0],), t, device=x.device)
        context, control = one.context, None
        if self.control is not None and one.sketch is not None and self.control.active(t):
            noisy, times = _repeat(x, copies), _repeat(steps, copies)
            control = self.control.features(noisy, times, one.sketch)
        drawn = control is not None
        if context.deep is None or one.since + 1 >= self.reuse or one.drawn is not drawn:
            context.shallow, one.since, one.drawn = False, 0, drawn
        else:
            context.shallow, one.since = True, one.since + 1
        joined = torch.cat([x, self.concat], dim=1).to(self.concat.dtype)
        context.shifts = self.shifts.get(t)
        predict = getattr(self.unet, "predict", self.unet)  # of ComfyUI's calling convention
        return predict(joined, steps, context, self.fs, control=control).to(x.dtype)

    def _combine(self, predictions: Sequence[Tensor]) -> Tensor:
        cond, *others = predictions
        if not others:
            return cond
        g = self.guidance
        image = others[1] if len(others) == 2 else None
        guided = guide(cond, others[0], g.cfg_scale, image, g.cfg_image)
        return rescale(guided, cond, g.rescale)


def _repeat(x: Tensor, copies: int) -> Tensor:
    return x if copies == 1 else x.repeat(copies, *[1] * (x.dim() - 1))
