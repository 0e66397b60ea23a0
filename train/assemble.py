"""Put trained parts together into one file to ship: fp16, in the released layout.

    python -m train.assemble base=RUN/model.safetensors out=model.safetensors \\
        [decoder=RUN2/model.safetensors] [credit="..."] [recipe.steps=6 ...]

decoder= is a model whose decoder was trained (`train.decoder`) while the denoiser of base= was:
the autoencoder is taken from there. recipe.NAME= changes what base= says of how it is sampled
(fields of `toon_core.recipe`), which evaluations follow. The colours of ComfyUI's live preview are
fitted to the autoencoder. The result loads in `toon_core.load` and in the loader node, and the runs
it came from are in its metadata and beside it.
"""

from __future__ import annotations

import json
import sys
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import torch
from omegaconf import MISSING, OmegaConf

import toon_core
from toon_core.model import ToonModel
from toon_core.recipe import Recipe
from toon_core.weights.save import save
from train.engine.command import errors_told
from train.engine.config import merge, parse
from train.engine.result import RUN_KEY, manifest_of, write_manifest
from train.preview import cast_keys, fitted

HALF = {"fp16": torch.float16, "bf16": torch.bfloat16, "fp32": torch.float32}


@dataclass(kw_only=True)
class AssembleConfig:
    base: str = MISSING  # denoiser, projector and towers, and the autoencoder unless decoder=
    decoder: str = ""
    out: str = MISSING
    dtype: str = "fp16"  # of the weights: fp16, bf16 or fp32
    credit: str = ""  # whose clips it learned from, and their licence
    recipe: dict[str, Any] = field(default_factory=dict)  # fields of Recipe to change


def assemble(config: AssembleConfig) -> Path:
    if config.dtype not in HALF:
        raise ValueError(f"dtype={config.dtype}: expected one of {', '.join(HALF)}")
    model = toon_core.load(config.base, dtype=torch.float32, expect="toon")
    runs = {"base": manifest_of(config.base)}
    if config.decoder:
        model = with_autoencoder(model, config.decoder, HALF[config.dtype])
        runs["decoder"] = manifest_of(config.decoder)
    recipe = _changed(model.config.recipe, config.recipe)
    preview = fitted(model.vae, model.config.scale_factor, cast_keys())
    model.config = replace(model.config, recipe=recipe, preview=preview)
    manifest = {"credit": config.credit, "runs": told_once(runs)}
    metadata = {"toontween.credit": config.credit, RUN_KEY: json.dumps(manifest)}
    path = save(model, config.out, metadata, dtype=HALF[config.dtype])
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


def _changed(recipe: Recipe, changes: dict[str, Any]) -> Recipe:
    """ValueError for an unknown field or a value of another type."""
    return OmegaConf.to_object(merge(recipe, OmegaConf.create(changes)))


def told_once(runs: dict[str, Any], told: set[str] | None = None) -> dict[str, Any]:
    """Manifests by name, where a run that was told of before, in full, keeps part and time."""
    told = set() if told is None else told
    return {name: _once(manifest, told) for name, manifest in runs.items()}


def _once(manifest: dict[str, Any], told: set[str]) -> dict[str, Any]:
    if manifest.get("time") in told:
        return {"part": manifest["part"], "time": manifest["time"], "told": "above"}
    told |= {manifest["time"]} if "time" in manifest else set()
    inner = {k: told_once(manifest[k], told) for k in ("runs", "from") if k in manifest}
    return {**manifest, **inner}


def main(arguments: list[str]) -> None:
    path = assemble(parse(AssembleConfig, arguments, __doc__))
    print(f"{path}: {path.stat().st_size / 1e6:.1f} MB")


if __name__ == "__main__":
    with errors_told():
        main(sys.argv[1:])
