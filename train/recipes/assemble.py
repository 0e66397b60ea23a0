"""Trained parts put together into one file to ship: fp16, in the released layout.

The colours of ComfyUI's live preview are fitted to the autoencoder.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from omegaconf import MISSING, OmegaConf
from PIL import Image
from torch import Tensor
from torch.nn.functional import interpolate

import toon_core
from toon_core.images import resize_and_crop
from toon_core.model import ToonModel
from toon_core.preview import Preview
from toon_core.vae.autoencoder import Autoencoder
from toon_core.weights.save import save
from train.engine.config import merge
from train.engine.export import RUN_KEY, manifest_of, write_manifest
from train.engine.options import option

KEYS = Path(__file__).resolve().parents[2] / "cast" / "keys"
SIDE = 128  # pixels: enough places for fifteen numbers, at a size that every model takes
DTYPES = {"fp16": torch.float16, "bf16": torch.bfloat16, "fp32": torch.float32}


@dataclass(kw_only=True)
class AssembleConfig:
    """What is put together, and how it is written."""

    base: str = MISSING  # denoiser, projector and towers, and the autoencoder unless decoder=
    # A model whose decoder was trained while the denoiser of base= was: its autoencoder is taken.
    decoder: str = ""
    out: str = MISSING  # the file to write, .safetensors
    dtype: str = option("fp16", choices=("fp16", "bf16", "fp32"))  # of the weights
    credit: str = ""  # whose clips it learned from, and their licence
    # Changes of how it is sampled: fields of Recipe (toon_core/recipe.py), as recipe.steps=6.
    recipe: dict[str, Any] = field(default_factory=dict)


def assemble(config: AssembleConfig) -> Path:
    """Write the file and the manifest beside it."""
    model = toon_core.load(config.base, dtype=torch.float32, expect="toon")
    runs = {"base": manifest_of(config.base)}
    if config.decoder:
        model = with_autoencoder(model, config.decoder, DTYPES[config.dtype])
        runs["decoder"] = manifest_of(config.decoder)
    recipe = OmegaConf.to_object(merge(model.config.recipe, OmegaConf.create(config.recipe)))
    preview = fit_preview(model.vae, model.config.scale_factor, cast_keys())
    model.config = replace(model.config, recipe=recipe, preview=preview)
    manifest = {"credit": config.credit, "runs": deduplicated(runs)}
    metadata = {"toontween.credit": config.credit, RUN_KEY: json.dumps(manifest)}
    path = save(model, config.out, metadata, dtype=DTYPES[config.dtype])
    write_manifest(path, manifest)
    return path


def with_autoencoder(model: ToonModel, path: str, dtype: torch.dtype) -> ToonModel:
    """The model with another's autoencoder; ValueError unless both encode alike in `dtype`."""
    other = toon_core.load(path, dtype=torch.float32, expect="toon")
    before, after = model.vae.state_dict(), other.vae.state_dict()

    def same(a: torch.Tensor, b: torch.Tensor) -> bool:
        return torch.equal(a.to(dtype), b.to(dtype))  # one of the files may be in 16 bits already

    encoders = [k for k in after if k.startswith(("encoder.", "quant_conv."))]
    if any(k not in before or not same(before[k], after[k]) for k in encoders):
        raise ValueError(f"decoder={path}: trained on another encoder than base= has")
    model.vae = other.vae
    model.config = replace(model.config, vae=other.config.vae)
    return model


def deduplicated(runs: dict[str, Any], seen: set[str] | None = None) -> dict[str, Any]:
    """Manifests by name, where a run that stands above in full keeps its part and time only."""
    seen = set() if seen is None else seen
    found = {}
    for name, manifest in runs.items():
        if manifest.get("time") in seen:
            found[name] = {"part": manifest["part"], "time": manifest["time"], "told": "above"}
            continue
        seen |= {manifest["time"]} if "time" in manifest else set()
        inner = {k: deduplicated(manifest[k], seen) for k in ("runs", "from") if k in manifest}
        found[name] = {**manifest, **inner}
    return found


def cast_keys() -> Tensor:
    """The key frames of the project's own cast, (n 3 SIDE SIDE) in [-1, 1]."""
    pictures = [Image.open(path).convert("RGB") for path in sorted(KEYS.glob("*.png"))]
    stacked = torch.from_numpy(np.stack([np.asarray(picture) for picture in pictures]))
    return resize_and_crop(stacked.movedim(-1, 1) / 127.5 - 1, (SIDE, SIDE))


@torch.inference_mode()
def fit_preview(vae: Autoencoder, scale_factor: float, pictures: Tensor) -> Preview:
    """By least squares from scaled posterior means to pictures (n 3 h w) in [-1, 1]."""
    latents = torch.cat([scale_factor * vae.encode(picture).mean for picture in pictures[:, None]])
    small = interpolate(pictures, latents.shape[-2:], mode="area")
    rows, colours = (x.movedim(1, -1).flatten(0, 2) for x in (latents, small))
    rows = torch.cat([rows, torch.ones_like(rows[:, :1])], dim=1)
    *factors, bias = torch.linalg.lstsq(rows, colours).solution.tolist()
    return Preview(factors=tuple(map(tuple, factors)), bias=tuple(bias))
