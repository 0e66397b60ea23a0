"""Adapters that `train.rectify` wrote, as ComfyUI's weight patches on a loaded model."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import comfy.lora
import comfy.utils
from torch import Tensor

from .types import LoadedConditioner

PROJECTOR = "image_proj_model."


def apply(
    model: Any, conditioner: LoadedConditioner, path: Path, strength: float
) -> tuple[Any, LoadedConditioner]:
    """Both with the file's patches added. ValueError where a layer of the file is not in the model
    or has another size."""
    tensors = _read(path)
    model, patcher = model.clone(), conditioner.patcher.clone()
    unet = {k: v for k, v in tensors.items() if not k.startswith(PROJECTOR)}
    projector = {k: v for k, v in tensors.items() if k.startswith(PROJECTOR)}
    _add(model, unet, "diffusion_model.", strength, path)
    _add(patcher, projector, "resampler.", strength, path)
    return model, replace(conditioner, patcher=patcher)


def _read(path: Path) -> dict[str, Tensor]:
    try:
        tensors = comfy.utils.load_torch_file(str(path), safe_load=True)
    except Exception as error:
        raise ValueError(
            f"{path}: cannot be read as a LoRA ({error}). Take a file that `train.rectify` wrote "
            "with lora=..., or download it again, into ComfyUI's loras folder."
        ) from error
    if not any(k.endswith(".lora_A.weight") for k in tensors):
        raise ValueError(
            f"{path}: holds no LoRA of a ToonCrafter model (no name ends in .lora_A.weight). "
            "Models go into the checkpoints folder and are chosen under `file`."
        )
    return tensors


def _add(
    patcher: Any, tensors: Mapping[str, Tensor], prefix: str, strength: float, path: Path
) -> None:
    state = patcher.model.state_dict()
    keys = {}
    for name in {k.rsplit(".lora_", 1)[0].removesuffix(".alpha") for k in tensors}:
        layer = f"{prefix}{name.split('.', 1)[1]}.weight"
        down, up = (tensors.get(f"{name}.lora_{side}.weight") for side in "AB")
        if layer not in state or down is None or up is None:
            raise ValueError(f"{path}: {name} is not a layer of this model: another LoRA is meant.")
        if (up.shape[0], down.shape[1]) != tuple(state[layer].shape):
            raise ValueError(
                f"{path}: made for a model of another size ({name} is {up.shape[0]}x"
                f"{down.shape[1]}, here {'x'.join(map(str, state[layer].shape))})."
            )
        keys[name] = layer
    patcher.add_patches(comfy.lora.load_lora(dict(tensors), keys), strength)
