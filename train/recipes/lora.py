"""Low-rank adapters on the denoiser's spatial layers (Hu et al. 2021, by peft).

Only attention and feed-forward projections of the spatial transformers, and the projector's.
A file of them is in the naming that ComfyUI's own LoRA loader reads, so both it and Toon Load
Model take it: `diffusion_model.<layer>.lora_A.weight`, `.lora_B.weight` and `.alpha`; the
projector's begin with `image_proj_model.`
"""

from __future__ import annotations

import json
from pathlib import Path

import torch
from torch import nn

from toon_core.layers.transformers import SpatialTransformer
from toon_core.unet.model import VideoUNet
from toon_core.weights.save import write
from train.engine.export import RUN_KEY


def spatial_linears(unet: VideoUNet) -> list[str]:
    """Names of the linear layers inside spatial transformers."""
    return [
        f"{name}.{inner}"
        for name, module in unet.named_modules()
        if isinstance(module, SpatialTransformer)
        for inner in linears(module)
    ]


def linears(module: nn.Module) -> list[str]:
    return [name for name, layer in module.named_modules() if isinstance(layer, nn.Linear)]


def add_adapters(unet: VideoUNet, projector: nn.Module, rank: int, alpha: float) -> None:
    """Freeze both and put trainable adapters on them, in place."""
    from peft import LoraConfig, inject_adapter_in_model  # here: its import takes seconds

    for module, names in ((unet, spatial_linears(unet)), (projector, linears(projector))):
        module.requires_grad_(False)
        config = LoraConfig(r=rank, lora_alpha=alpha, target_modules=names, lora_dropout=0.0)
        inject_adapter_in_model(config, module)


def save_adapters(
    unet: nn.Module, projector: nn.Module, path: Path, manifest: dict, dtype: torch.dtype
) -> None:
    """Write the adapters' tensors; the manifest is kept in the file's metadata."""
    found = {}
    for prefix, module in (("diffusion_model.", unet), ("image_proj_model.", projector)):
        for name, layer in module.named_modules():
            if hasattr(layer, "lora_A"):
                found[f"{prefix}{name}.lora_A.weight"] = layer.lora_A["default"].weight
                found[f"{prefix}{name}.lora_B.weight"] = layer.lora_B["default"].weight
                alpha = torch.tensor(float(layer.lora_alpha["default"]))
                found[f"{prefix}{name}.alpha"] = alpha
    tensors = {k: v.detach().to("cpu", dtype).contiguous() for k, v in found.items()}
    write(tensors, path, {RUN_KEY: json.dumps(manifest)})
