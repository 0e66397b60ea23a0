"""The models of a case, with golden weights: built on the meta device, filled in place."""

from __future__ import annotations

import gzip
import json
import re
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import torch
from parity_index import Case
from philox import fill
from torch import nn

from toon_core import official
from toon_core.conditioning.resampler import Resampler
from toon_core.conditioning.towers import ImageEncoder, TextEncoder
from toon_core.config import (
    PARTS,
    CLIPConfig,
    ResamplerConfig,
    SketchConfig,
    UNetConfig,
    VAEConfig,
)
from toon_core.model import ToonModel
from toon_core.sketch.encoder import SketchEncoder
from toon_core.unet.model import VideoUNet
from toon_core.vae.autoencoder import Autoencoder
from toon_core.weights.keys import harmless

PREFIXES = {
    "unet": "model.diffusion_model.",
    "vae": "first_stage_model.",
    "text": "cond_stage_model.",
    "image": "embedder.",
    "resampler": "image_proj_model.",
    "control": "control_model.",  # of the filler's key only; sketch files have none
}


UNUSED = re.compile(r"(^|\.)visual\.(proj|ln_post)\b")  # of the image tower


class Models:
    """Keeps the last model of each part, for as long as cases ask for the same one."""

    def __init__(self) -> None:
        self._kept: dict[str, tuple[str, nn.Module]] = {}

    def clear(self) -> None:
        self._kept.clear()

    def get(self, part: str, case: Case) -> nn.Module:
        """part: a key of BUILDERS. Its configuration and weights are looked up in the case."""
        config, weights = case.config, case.weights(part)
        if part != "e2e":
            config = config.get(part, config)
        names = _manifest(case, weights)
        key = json.dumps([config, weights, str(case.folder), str(case.dtype), case.device])
        if part in self._kept and self._kept[part][0] == key:
            return self._kept[part][1]
        self._kept.pop(part, None)  # before the next one takes memory
        model = _materialise(BUILDERS[part](config, names), case.dtype)
        _fill(model, part, weights)
        if names is not None:
            _check_names(model, part, weights, names)
        model = model.to(case.device)
        self._kept[part] = (key, model)
        return model


def _manifest(case: Case, weights: Mapping[str, Any]) -> dict[str, list[int]] | None:
    path = case.folder / str(weights.get("manifest"))
    if not path.is_file():
        return None
    data = path.read_bytes()
    return json.loads(gzip.decompress(data) if path.suffix == ".gz" else data)


def _toon(config: Mapping[str, Any], names: Mapping[str, Any] | None) -> ToonModel:
    whole = official.read_model({k: config[k] for k in PARTS if config.get(k)})
    return ToonModel(replace(whole, vae=_told_by(names, whole.vae)), device="meta")


def _told_by(names: Mapping[str, Any] | None, config: VAEConfig) -> VAEConfig:
    """As a loader does, the names tell a plain decoder from the dual-reference one."""
    if names is None:
        return config
    return replace(
        config,
        references=any("attn_refinement" in name for name in names),
        pseudo_3d=any("time_stack" in name for name in names),
    )


def _tower(kind: type[nn.Module], config: Mapping[str, Any]) -> nn.Module:
    with torch.device("meta"):
        return kind(official.read(CLIPConfig, config))


Builder = Callable[[Mapping[str, Any], Mapping[str, Any] | None], nn.Module]
BUILDERS: dict[str, Builder] = {
    "unet": lambda c, _: VideoUNet(official.read(UNetConfig, c), device="meta"),
    "vae": lambda c, names: Autoencoder(
        _told_by(names, official.read(VAEConfig, c)), device="meta"
    ),
    "resampler": lambda c, _: Resampler(official.read(ResamplerConfig, c), device="meta"),
    "control": lambda c, _: SketchEncoder(official.read(SketchConfig, c), device="meta"),
    "text": lambda c, _: _tower(TextEncoder, c),
    "image": lambda c, _: _tower(ImageEncoder, c),
    "e2e": _toon,
}


def _materialise(model: nn.Module, dtype: torch.dtype) -> nn.Module:
    model = model.to(dtype).to_empty(device="cpu").eval().requires_grad_(False)
    buffers = {name for name, _ in model.named_buffers()}
    for module in model.modules():
        if isinstance(module, TextEncoder):
            module.make_buffers("cpu")
            module.model.attn_mask = module.model.attn_mask.to(dtype)
    unknown = [name for name in buffers if not name.endswith("attn_mask")]
    if unknown:
        raise ValueError(f"buffers without a value: {unknown}")
    return model


def _fill(model: nn.Module, part: str, weights: Mapping[str, Any]) -> None:
    salt = weights.get("salt") or ""
    if part != "e2e":
        fill(model, weights.get("prefix", PREFIXES[part]), salt)
        return
    for name, child in model.named_children():
        fill(child, (weights.get("prefix") or "") + PREFIXES[name], salt)


def _check_names(
    model: nn.Module, part: str, weights: Mapping[str, Any], names: Mapping[str, list[int]]
) -> None:
    """Our names and shapes are the manifest's, but for what no output depends on. A manifest may
    list other parts, too, and that of a sketch file has no prefix."""
    prefix = weights.get("prefix", PREFIXES.get(part, ""))
    if not any(name.startswith(prefix) for name in names):
        names = {prefix + name: shape for name, shape in names.items()}
    ours = {}
    for name, parameter in model.named_parameters():
        head, _, rest = name.partition(".")
        full = PREFIXES[head] + rest if part == "e2e" else name
        ours[prefix + full] = list(parameter.shape)
    wrong = {k: v for k, v in ours.items() if names.get(k) != v}
    wanted = {k for k in names if k.startswith(prefix) and not harmless(k)}
    missing = [k for k in wanted - ours.keys() if not UNUSED.search(k)]
    if wrong or missing:
        raise ValueError(f"not as the manifest: {sorted(wrong)[:4]} {sorted(missing)[:4]}")
