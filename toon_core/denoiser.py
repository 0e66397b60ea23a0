"""UNet, contexts, sketch control and guidance as one function: denoise(x, t) -> v."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from .guidance import Branches, Guidance, guide, rescale
from .layers.context import Context
from .sketch.control import SketchControl
from .unet.model import VideoUNet


class Denoiser:
    """Guided v-prediction for one run, whose weights must not change while it lives.

    concat (b 4 f h w): key latents in frames 0 and f-1, zeros between; fs (b,) frames per second;
    batched: all branches in one UNet call, otherwise one after the other, with equal results;
    steps: of the run, for which the UNet's embeddings are then worked out together; packed: keep
    joined copies of the projections of self-attention, a twelfth of the UNet's weights.
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
    ) -> None:
        self.unet, self.concat, self.fs = unet, concat, fs
        self.shifts = unet.shifts(steps, fs, concat) if steps else {}
        self.guidance, self.control = guidance, control
        tokens = branches.used(guidance)
        frames = concat.shape[2]
        same_length = len({t.shape[1] for t in tokens}) == 1
        groups = [torch.cat(tokens)] if batched and same_length else tokens
        kept = unet.packed(concat) if packed else None
        self.contexts = [Context.route(group, frames, cache=True, packed=kept) for group in groups]
        self.sketch_contexts = [
            None if control is None else control.tokens(group, cache=True) for group in groups
        ]

    def __call__(self, x: Tensor, t: int) -> Tensor:
        """x (b 4 f h w) noisy latents, t 0..999 -> guided v."""
        predictions: list[Tensor] = []
        for context, sketch_context in zip(self.contexts, self.sketch_contexts, strict=True):
            copies = context.text.shape[0] // x.shape[0]
            v = self._predict(x, t, copies, context, sketch_context)
            predictions += v.chunk(copies)
        return self._combine(predictions)

    def _predict(
        self, x: Tensor, t: int, copies: int, context: Context, sketch_context: Context | None
    ) -> Tensor:
        steps = torch.full((x.shape[0],), t, device=x.device)
        control = None
        if self.control is not None and sketch_context is not None and self.control.active(t):
            noisy, times = _repeat(x, copies), _repeat(steps, copies)
            control = self.control.features(noisy, times, sketch_context)
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
