"""Adapters that `train.rectify` wrote, as ComfyUI's weight patches on a loaded model."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import comfy.lora
from torch import Tensor

from ..toon_core.weights.errors import shown
from ..toon_core.weights.lora import read_adapters
from .types import LoadedConditioner

PROJECTOR = "image_proj_model."


def apply(
    model: Any, conditioner: LoadedConditioner, path: Path, strength: float
) -> tuple[Any, LoadedConditioner]:
    """Both with the file's patches added. WeightsError for a file that holds no adapters;
    ValueError where a layer of the file is not in the model or has another size."""
    tensors = read_adapters(path)
    model, patcher = model.clone(), conditioner.patcher.clone()
    unet = {k: v for k, v in tensors.items() if not k.startswith(PROJECTOR)}
    projector = {k: v for k, v in tensors.items() if k.startswith(PROJECTOR)}
    _add(model, unet, "diffusion_model.", strength, path)
    _add(patcher, projector, "resampler.", strength, path)
    return model, replace(conditioner, patcher=patcher)


def _add(
    patcher: Any, tensors: Mapping[str, Tensor], prefix: str, strength: float, path: Path
) -> None:
    state = patcher.model.state_dict()
    keys = {}
    for name in {k.rsplit(".lora_", 1)[0].removesuffix(".alpha") for k in tensors}:
        layer = f"{prefix}{name.split('.', 1)[1]}.weight"
        down, up = (tensors[f"{name}.lora_{side}.weight"] for side in "AB")
        if layer not in state:
            raise ValueError(
                f"{path}: {shown(name)} is not a layer of this model: the LoRA belongs to another. "
                "Choose one that train.rectify made from this model, or none."
            )
        if (up.shape[0], down.shape[1]) != tuple(state[layer].shape):
            raise ValueError(
                f"{path}: made for a model of another size ({shown(name)} is {up.shape[0]}x"
                f"{down.shape[1]}, here {'x'.join(map(str, state[layer].shape))})."
            )
        keys[name] = layer
    patcher.add_patches(comfy.lora.load_lora(dict(tensors), keys), strength)
