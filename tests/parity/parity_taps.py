"""Intermediate values, taken by hooks from the very modules that run."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from einops import rearrange
from torch import Tensor, nn

from toon_core.model import ToonModel


@contextmanager
def observe_decoder(decoder: nn.Module) -> Iterator[dict[str, Tensor]]:
    """tap_mid, and tap_up{i} and tap_ref{i}: before and after the reference module of level i;
    the last reference module comes before the output convolution. Maps are ((b f) c h w)."""
    taps: dict[str, Tensor] = {}
    hooks = []

    def before(module: nn.Module, name: str) -> None:
        hooks.append(module.register_forward_pre_hook(lambda _, args: _keep(taps, name, args[0])))

    before(decoder.up[-1].block[0], "tap_mid")
    for i, level in enumerate(decoder.up):
        before(level.upsample if i else decoder.norm_out, f"tap_up{i}")
    for i, module in enumerate(getattr(decoder, "attn_refinement", ())):
        if i < len(decoder.up):
            before(module, f"tap_up{i}")  # the first to come stays
        hooks.append(
            module.register_forward_hook(lambda _, args, out, i=i: _keep(taps, f"tap_ref{i}", out))
        )
    try:
        yield taps
    finally:
        for hook in hooks:
            hook.remove()


def _keep(taps: dict[str, Tensor], name: str, value: Tensor) -> None:
    if name not in taps:
        taps[name] = value.clone()  # later layers may work in place


class PipelineTaps:
    """What a run of the pipeline passed on: the first context the UNet saw, the latents of the
    last step, the first of the two decodes."""

    def __init__(self, model: ToonModel) -> None:
        self.model = model
        self.seen: dict[str, Tensor] = {}

    def step(self, step: int, total: int, x0: Tensor, x: Tensor) -> None:
        self.seen["samples"] = x

    def before_unet(self, _: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        x, _, context, *_ = args
        count = self.model.config.unet.out_channels
        image = context.image
        if image.shape[0] != context.text.shape[0]:
            image = rearrange(image, "(b f) n d -> b (f n) d", b=context.text.shape[0])
        tokens = torch.cat([context.text, image], dim=1)
        _keep(self.seen, "context_all", tokens)
        _keep(self.seen, "concat_all", x[:, count:])

    def after_decoder(self, _: nn.Module, args: tuple[Any, ...], out: Tensor) -> None:
        _keep(self.seen, "frames_plain", rearrange(out, "b f c h w -> b c f h w"))

    def outputs(self) -> dict[str, Tensor]:
        """Of the conditional branch, which comes first in the UNet's batch."""
        seen = dict(self.seen)
        batch = seen["samples"].shape[0]
        context, concat = seen.pop("context_all"), seen.pop("concat_all")
        halves = {"context_cond": context[:batch], "context_uncond": context[batch : 2 * batch]}
        return {**seen, **halves, "concat": concat[:batch]}


@contextmanager
def observe_pipeline(model: ToonModel) -> Iterator[PipelineTaps]:
    taps = PipelineTaps(model)
    hooks = [
        model.unet.register_forward_pre_hook(taps.before_unet, with_kwargs=True),
        model.vae.decoder.register_forward_hook(taps.after_decoder),
    ]
    try:
        yield taps
    finally:
        for hook in hooks:
            hook.remove()
