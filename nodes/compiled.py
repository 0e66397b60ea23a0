"""`torch.compile` of the denoiser, as core's TorchCompileModel asks for it on a MODEL."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch

KEY = "torch.compile"  # of the wrapper by which ComfyUI's own samplers do it
OPTIONS = "torch_compile_kwargs"  # what it was made with


class CompiledUNet:
    """A UNet whose `predict` is compiled; everything else is its own."""

    def __init__(self, unet: Any, options: Mapping[str, Any]) -> None:
        self._unet = unet
        self.predict = torch.compile(unet.predict, **options)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._unet, name)


def asked_for(patcher: Any) -> Mapping[str, Any] | None:
    return patcher.model_options.get(OPTIONS)


def unet_of(patcher: Any, kept: dict[str, CompiledUNet]) -> Any:
    """The denoiser of a MODEL, compiled where that was asked for. kept: of earlier runs of the same
    network, by what was asked."""
    unet, options = patcher.model.diffusion_model, asked_for(patcher)
    if not options:
        return unet
    wanted = repr(sorted(options.items()))
    if wanted not in kept:
        kept.clear()
        kept[wanted] = CompiledUNet(unet, options)
    return kept[wanted]
