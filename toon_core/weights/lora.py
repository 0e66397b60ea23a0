"""A file of low-rank adapters (Hu et al. 2021), checked before it touches a model."""

from __future__ import annotations

import os
import re
from pathlib import Path

from torch import Tensor

from .errors import MissingKeys, SurplusKeys, WrongModel, WrongShapes, WrongTypes, WrongValues
from .files import read_tensors
from .numbers import FLOATS, WANTED, not_finite

_NAME = re.compile(r"(?P<layer>\w+\..+?)\.(lora_[AB]\.weight|alpha)")
HINT = "Models go into the checkpoints folder and are chosen under `file`."


def read_adapters(path: str | os.PathLike[str]) -> dict[str, Tensor]:
    """The tensors by name: for each layer `.lora_A.weight` (r in) and `.lora_B.weight` (out r) of
    one rank, and perhaps `.alpha`, one number. All are finite floats.

    WeightsError names the file and the tensors that are not so.
    """
    path = Path(path)
    tensors, _ = read_tensors(path, "lora")
    if not any(name.endswith(".lora_A.weight") for name in tensors):
        what = "it holds no LoRA of a ToonCrafter model (no name ends in .lora_A.weight)"
        raise WrongModel(path, what, expect="lora", hint=HINT)
    matches = {name: _NAME.fullmatch(name) for name in tensors}
    if unknown := [name for name, match in matches.items() if match is None]:
        raise SurplusKeys(path, unknown, "lora", "a LoRA of another kind")
    layers = dict.fromkeys(match["layer"] for match in matches.values() if match)
    wanted = [f"{layer}.lora_{side}.weight" for layer in layers for side in "AB"]
    if missing := [name for name in wanted if name not in tensors]:
        raise MissingKeys(path, missing, "lora")
    if wrong := [told for layer in layers if (told := _misshapen(layer, tensors))]:
        raise WrongShapes(path, wrong, "lora")
    if whole := [f"{k} is {v.dtype}" for k, v in tensors.items() if v.dtype not in FLOATS]:
        raise WrongTypes(path, whole, "lora", WANTED)
    if broken := not_finite(tensors.items()):
        raise WrongValues(path, broken, "lora", "its training broke down")
    return tensors


def _misshapen(layer: str, tensors: dict[str, Tensor]) -> str:
    """What is wrong with the shapes of one layer; empty where nothing is."""
    down, up = (tensors[f"{layer}.lora_{side}.weight"].shape for side in "AB")
    alpha = tensors.get(f"{layer}.alpha")
    if len(down) != 2 or len(up) != 2 or down[0] != up[1] or not down[0]:
        return f"{layer}: A {tuple(down)} and B {tuple(up)} must be (r, in) and (out, r)"
    if alpha is not None and alpha.numel() != 1:
        return f"{layer}.alpha {tuple(alpha.shape)} must be one number"
    return ""
