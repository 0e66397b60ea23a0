"""Toon rectification: move a base model to the cartoon domain (paper section 4, eq. 2).

What each variant of the paper's ablation trains:

    I    nothing: the base as it is
    II   image projector and the whole UNet
    III  image projector and spatial layers, with the temporal layers bypassed in training
    IV   image projector and spatial layers, with the temporal layers frozen (the paper's choice)
    V    image projector only

Temporal are the temporal transformers (`init_attn` among them) and the convolutions over frames;
all else of the UNet is spatial, also the embeddings and the first and last convolution, of which
the paper says nothing.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import nn

import toon_core
from toon_core.layers.blocks import TemporalConv
from toon_core.layers.transformers import TemporalTransformer
from toon_core.model import ToonModel
from toon_core.unet.model import VideoUNet
from train.engine import config as options
from train.engine.checkpoint import refuse_own_source
from train.engine.config import OptimConfig
from train.engine.export import provenance, save_model, write_manifest
from train.engine.launch import launched
from train.engine.options import option
from train.recipes.defaults import BaseConfig, fine_tuning
from train.recipes.denoiser import DenoiserConfig, DenoiserObjective, DenoiserRecipe, frozen_parts
from train.recipes.lora import add_adapters, save_adapters

log = logging.getLogger("toon.train")

VARIANTS = ("I", "II", "III", "IV", "V")


@dataclass(kw_only=True)
class RectifyConfig(BaseConfig, DenoiserConfig):
    # What trains: I nothing (the result is the base), II projector and UNet, III projector and
    # spatial layers with the temporal ones bypassed, IV with them frozen, V the projector alone.
    variant: str = option("IV", choices=VARIANTS)
    # Rank of adapters on the spatial attention and feed-forward layers and on the projector, which
    # train instead and are the result: a small file for Toon Load Model. 0: none.
    lora: int = option(0, least=0)
    lora_alpha: float = option(0.0, least=0)  # of the adapters; 0: as the rank
    steps: int = option(50_000, least=1, free=True)  # updates (the paper's count)
    lr: float = option(1e-5, least=0, free=True)  # the paper's
    optim: OptimConfig = field(default_factory=fine_tuning)


class RectifyObjective(DenoiserObjective):
    """In variant III the temporal layers do nothing while it is in training mode."""

    def __init__(self, model: ToonModel, config: RectifyConfig) -> None:
        super().__init__(model, config, train_towers=False)

    def train(self, mode: bool = True) -> nn.Module:
        for _, layer in temporal_layers(self.unet):
            layer.bypass = mode and self.config.variant == "III"
        return super().train(mode)


def objectives(config: RectifyConfig, model: ToonModel) -> dict[str, nn.Module]:
    """Of a model whose parameters are frozen; those that train are set free, or get adapters."""
    if config.lora:
        alpha = config.lora_alpha or float(config.lora)
        add_adapters(model.unet, model.resampler, config.lora, alpha)
    else:
        set_trainable(model.unet, model.resampler, config.variant)
    return {"denoiser": RectifyObjective(model, config)}


class RectifyRecipe(DenoiserRecipe):
    def __init__(self, config: RectifyConfig, device: torch.device) -> None:
        model = toon_core.load(config.base, dtype=torch.float32, expect="toon").to(device)
        own = objectives(config, model.requires_grad_(False))
        self.result = "lora.safetensors" if config.lora else self.result
        super().__init__(config, model, own, frozen_parts(model, "vae", "text", "image"))

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
    path = out / RectifyRecipe.result
    with launched(config) as accelerator:
        if not accelerator.is_main_process or config.dry_run:
            return
        refuse_own_source(config, path)
        model = toon_core.load(config.base, dtype=torch.float32, expect="toon")
        options.write(config, out / "config.yaml")
        facts = {"step": 0, "seconds": 0, "batch": config.batch}
        save_model(model, path, "denoiser", config, facts)
    log.info("variant I: %s is the base as it is", path)


def temporal_layers(unet: VideoUNet) -> Iterator[tuple[str, nn.Module]]:
    """Every layer that mixes frames, by name."""
    kinds = (TemporalTransformer, TemporalConv)
    return ((name, m) for name, m in unet.named_modules() if isinstance(m, kinds))


def set_trainable(unet: VideoUNet, projector: nn.Module, variant: str) -> None:
    """Set requires_grad of all parameters for a variant."""
    projector.requires_grad_(variant != "I")
    temporal = tuple(f"{name}." for name, _ in temporal_layers(unet))
    for name, parameter in unet.named_parameters():
        spatial = variant in ("III", "IV") and not name.startswith(temporal)
        parameter.requires_grad_(variant == "II" or spatial)
