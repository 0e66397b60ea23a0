"""Put trained parts together into one file of the released layout.

    python -m train.assemble autoencoder=RUN2/autoencoder.safetensors \\
        denoiser=RUN3/denoiser.safetensors out=nano.safetensors [credit="..."]

The result loads in `toon_core.load` and in the loader node; a manifest lies beside it.
"""

from __future__ import annotations

import json
import sys
from dataclasses import dataclass
from pathlib import Path

import torch
from omegaconf import MISSING

from toon_core import presets
from toon_core.model import ToonModel
from toon_core.weights.save import save
from train.engine.config import parse
from train.engine.result import load_part, write_manifest


@dataclass(kw_only=True)
class AssembleConfig:
    autoencoder: str = MISSING
    denoiser: str = MISSING
    out: str = MISSING
    credit: str = ""  # whose clips it learned from, and their licence


def assemble(config: AssembleConfig) -> Path:
    state = load_part(config.autoencoder, "vae")
    dual = "decoder.attn_refinement.0.conv.weight" in state
    shape = presets.nano() if dual else presets.plain(presets.nano())
    model = ToonModel(shape)
    model.vae.load_state_dict(state)
    parts = load_part(config.denoiser, "denoiser")
    for name in ("unet", "resampler", "text", "image"):
        prefix = name + "."
        own = {k.removeprefix(prefix): v for k, v in parts.items() if k.startswith(prefix)}
        getattr(model, name).load_state_dict(own)
    runs = {
        part: json.loads(Path(file).with_suffix(".json").read_text())
        for part, file in (("autoencoder", config.autoencoder), ("denoiser", config.denoiser))
    }
    path = save(model, config.out, {"toontween.credit": config.credit}, dtype=torch.float16)
    write_manifest(path, {"credit": config.credit, "runs": runs})
    return path


def main(arguments: list[str]) -> None:
    path = assemble(parse(AssembleConfig, arguments, __doc__))
    print(f"{path}: {path.stat().st_size / 1e6:.1f} MB")


if __name__ == "__main__":
    main(sys.argv[1:])
