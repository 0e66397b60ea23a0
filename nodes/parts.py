"""The parts of a read file, each as a module in ComfyUI's care."""

from __future__ import annotations

from typing import Any

import comfy.model_management as mm
import comfy.ops
import torch
from torch import nn

from ..toon_core.model import build_part
from ..toon_core.sketch.encoder import SketchEncoder
from ..toon_core.weights.checkpoint import Checkpoint
from ..toon_core.weights.load import make_tower_buffers
from . import host, run_check
from .model import ToonModelConfig, ToonVideoModel
from .types import LoadedAutoencoder, LoadedConditioner, LoadedSketchEncoder

# Where weights are kept in 8 bits, norms and biases keep theirs: they are small and matter most.
WEIGHT_DTYPES: dict[str, torch.dtype | None] = {
    "default": None,
    "fp16": torch.float16,
    "bf16": torch.bfloat16,
    "fp32": torch.float32,
    "fp8_e4m3fn": torch.float8_e4m3fn,
    "fp8_e5m2": torch.float8_e5m2,
}


class Conditioner(nn.Module):
    """Image projector and towers; `text` and `image` are None for files without them."""

    dtype: torch.dtype

    def __init__(self, checkpoint: Checkpoint) -> None:
        super().__init__()
        config = checkpoint.config
        options: dict[str, Any] = {"ops": comfy.ops.manual_cast, "device": "meta"}
        self.resampler = build_part(config, "resampler", **options)
        self.text = build_part(config, "text", **options)
        self.image = build_part(config, "image", **options)


def video_model(checkpoint: Checkpoint, weight_dtype: str):
    """-> MODEL."""
    config = ToonModelConfig(checkpoint.config)
    load_device, offload_device = mm.get_torch_device(), mm.unet_offload_device()
    weights = checkpoint.part("unet")
    in_file = _commonest(weights)
    count = sum(t.numel() for t in weights.values())
    supported = config.supported_inference_dtypes
    chosen = WEIGHT_DTYPES[weight_dtype] or mm.unet_dtype(
        device=load_device, model_params=count, supported_dtypes=supported, weight_dtype=in_file
    )
    config.set_inference_dtype(chosen, mm.unet_manual_cast(chosen, load_device, supported))
    model = ToonVideoModel(config, device=torch.device("meta"))
    model.model_sampling.to("cpu")
    _fill(model.diffusion_model, checkpoint, "unet", chosen, model.compute_dtype)
    model.device = offload_device
    model.path = checkpoint.path
    patcher = host.patcher(model, load_device, offload_device)
    run_check.install(patcher)
    return patcher


def autoencoder(checkpoint: Checkpoint) -> LoadedAutoencoder:
    load_device, offload_device = mm.vae_device(), mm.vae_offload_device()
    module = build_part(checkpoint.config, "vae", ops=comfy.ops.manual_cast, device="meta")
    dtype = host.autoencoder_dtype(load_device)
    _fill(module, checkpoint, "vae", dtype)
    module.dtype = dtype
    return LoadedAutoencoder(
        patcher=host.patcher(module, load_device, offload_device),
        path=checkpoint.path,
        config=checkpoint.config,
    )


def conditioner(checkpoint: Checkpoint) -> LoadedConditioner:
    if checkpoint.config.resampler is None:
        raise ValueError(f"{checkpoint.path}: a file without an image projector cannot be used.")
    load_device, offload_device = mm.text_encoder_device(), mm.text_encoder_offload_device()
    module, dtype = Conditioner(checkpoint), host.tower_dtype(load_device)
    _fill(module.resampler, checkpoint, "resampler", dtype)
    if module.text is not None:
        _fill(module.text, checkpoint, "text", dtype)
        _fill(module.image, checkpoint, "image", dtype)
        _make_buffers(module)
    module.dtype = dtype
    return LoadedConditioner(
        patcher=host.patcher(module, load_device, offload_device, whole=True),
        path=checkpoint.path,
        config=checkpoint.config,
    )


def sketch_encoder(checkpoint: Checkpoint) -> LoadedSketchEncoder:
    load_device, offload_device = mm.get_torch_device(), mm.unet_offload_device()
    module = SketchEncoder(checkpoint.config, ops=comfy.ops.manual_cast, device="meta")
    dtype = mm.unet_dtype(device=load_device, weight_dtype=_commonest(checkpoint.part(None)))
    _fill(module, checkpoint, None, dtype)
    module.dtype = dtype
    return LoadedSketchEncoder(
        patcher=host.patcher(module, load_device, offload_device),
        path=checkpoint.path,
        config=checkpoint.config,
    )


def _fill(
    module: Any,
    checkpoint: Checkpoint,
    part: Any,
    dtype: torch.dtype,
    small: torch.dtype | None = None,
) -> None:
    """Strictly, from the memory-mapped file; weights that have the wanted type are not copied."""
    is_fp8 = dtype.itemsize == 1
    checkpoint.fill(module, part, dtype=None if is_fp8 else dtype)
    if is_fp8:
        for parameter in module.parameters():
            wanted = dtype if parameter.dim() > 1 else small
            parameter.data = parameter.data.to(wanted)
    module.dtype = dtype


def _make_buffers(module: Conditioner) -> None:
    """What no file holds, as `toon_core.weights.load` makes it."""
    make_tower_buffers(module, torch.device("cpu"))


def _commonest(weights: dict[str, torch.Tensor]) -> torch.dtype | None:
    sizes: dict[torch.dtype, int] = {}
    for tensor in weights.values():
        if tensor.is_floating_point():
            sizes[tensor.dtype] = sizes.get(tensor.dtype, 0) + tensor.numel()
    return max(sizes, key=lambda k: sizes[k], default=None)
