"""Move a base model to the cartoon domain (paper section 4, "toon rectification"; eq. 2).

    python -m train.rectify data=CLIPS out=RUN [base=BASE.safetensors] [variant=IV] [lora=RANK]

The defaults are the paper's: image projector and spatial layers trained, temporal layers frozen,
lr 1e-5, batch 32, 512x320 pixels, 16 frames; models narrower than the released one, as nano, the
base where none is given, have a smaller batch and size (`scale.py`). The other variants of its
ablation are in `trainable.py`. With lora, adapters of that rank are trained on the spatial
attention and feed-forward layers and on the projector instead, and are the result: a small file
for Toon Load Model.
"""

from __future__ import annotations

import logging
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import nn

import toon_core
from toon_core.model import ToonModel
from train.denoising import DenoiserObjective, DenoiserRecipe, DenoisingConfig
from train.engine import config as options
from train.engine import loop
from train.engine.claim import claimed
from train.engine.command import errors_told
from train.engine.config import parse
from train.engine.launch import start
from train.engine.result import provenance, refuse_own_source, save_model, write_manifest
from train.lora import add_adapters, save_adapters
from train.scale import FromBase
from train.trainable import Bypass, check_variant, select

log = logging.getLogger("toon.train")


@dataclass(kw_only=True)
class RectifyConfig(FromBase, DenoisingConfig):
    variant: str = "IV"  # I to V of the ablation
    outer: bool = True  # spatial includes the embeddings and the first and last convolution
    lora: int = 0  # rank of adapters instead; 0: none
    lora_alpha: float = 0.0  # 0: as the rank
    steps: int = 50_000
    lr: float = 1e-5
    weight_decay: float = 0.01
    clip_norm: float = 0.5
    ema: float = 0.0


class RectifyObjective(DenoiserObjective):
    """In variant III the temporal layers do nothing while it is in training mode."""

    def __init__(self, model: ToonModel, config: RectifyConfig) -> None:
        super().__init__(model, config, train_towers=False)
        self._bypass = Bypass(model.unet) if config.variant == "III" else None

    def train(self, mode: bool = True) -> nn.Module:
        if self._bypass is not None:
            self._bypass.set(mode)
        return super().train(mode)


class RectifyRecipe(DenoiserRecipe):
    def __init__(self, config: RectifyConfig, device: torch.device) -> None:
        if config.lora < 0 or config.lora_alpha < 0:
            raise ValueError(
                f"lora={config.lora} lora_alpha={config.lora_alpha}: expected 0 or more"
            )
        check_variant(config.variant)  # also where lora= leaves it unused
        model = toon_core.load(config.base, dtype=torch.float32, expect="toon").to(device)
        model.requires_grad_(False)
        if config.lora:
            alpha = config.lora_alpha or float(config.lora)
            add_adapters(model.unet, model.resampler, config.lora, alpha)
        else:
            select(model.unet, model.resampler, config.variant, config.outer)
        self.result = "lora.safetensors" if config.lora else self.result
        super().__init__(config, model, device, RectifyObjective(model, config))

    def export(self, out: Path, facts: dict[str, Any]) -> None:
        if not self.config.lora:
            return super().export(out, facts)
        path = out / self.result
        manifest = provenance("lora", self.config, facts)
        save_adapters(self.model.unet, self.model.resampler, path, manifest, torch.float16)
        write_manifest(path, manifest)
        log.info("%s: put it into ComfyUI's models/loras folder", path)
        return None


def export_base(config: RectifyConfig) -> None:
    """Variant I trains nothing: its result is the base, with a manifest that says so."""
    config, out = config.resolved(), Path(config.out)
    if not start(config).is_main_process or config.dry_run:
        return
    path = out / RectifyRecipe.result
    with claimed(out, config.data):
        refuse_own_source(config, path)
        model = toon_core.load(config.base, dtype=torch.float32, expect="toon")
        options.write(config, out / "config.yaml")
        facts = {"step": 0, "seconds": 0, "batch": config.batch}
        save_model(model, path, "denoiser", config, facts)
    log.info("variant I: %s is the base as it is", path)


def main(arguments: list[str]) -> None:
    config = parse(RectifyConfig, arguments, __doc__)
    if config.variant == "I" and not config.lora:
        export_base(config)
    else:
        loop.run(RectifyRecipe, config)


if __name__ == "__main__":
    with errors_told():
        main(sys.argv[1:])
