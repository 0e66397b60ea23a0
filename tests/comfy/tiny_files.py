"""Small stand-ins for the files that users download, of the same layout and names."""

from __future__ import annotations

import json
import math
import struct
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import torch
from place import ROOT, comfyui_folder

PARITY = Path(__file__).resolve().parents[1] / "parity"
sys.path.insert(0, str(PARITY))

from philox import fill  # noqa: E402

import toon_core  # noqa: E402
from toon_core.config import ToonConfig  # noqa: E402
from toon_core.model import ToonModel  # noqa: E402
from toon_core.presets import nano  # noqa: E402
from toon_core.weights.configure import CONFIG_KEY  # noqa: E402
from toon_core.weights.keys import PREFIXES  # noqa: E402
from toon_core.weights.save import released_state, save  # noqa: E402

Shapes = dict[str, list[int]]
RIFE = """import sys, torch
from safetensors.torch import save_file
from comfy.cli_args import args
args.cpu = True
from comfy_extras.frame_interpolation_models.ifnet import IFNet
torch.manual_seed(0)
small = IFNet()
for value in small.parameters():
    torch.nn.init.normal_(value, std=0.02)
save_file(small.state_dict(), sys.argv[1])"""
TEXT_WIDTH, TEXT_LAYERS, TOKENS, WORDS = 1024, 24, 77, 49408
VISION_WIDTH, VISION_LAYERS, PATCHES, PATCH = 1280, 32, 257, 14
LARGEST_FILLED = 1 << 20  # values; larger matrices stay zero, as holes in the file


def tiny_config() -> ToonConfig:
    """Even smaller than nano."""
    config = nano()
    unet = {"model_channels": 16, "channel_mult": (1, 1, 1, 1), "attention_resolutions": (4,)}
    vae = {"ch": 8, "ch_mult": (1, 1, 1, 1)}
    return replace(config, unet=replace(config.unet, **unet), vae=replace(config.vae, **vae))


def official(path: Path) -> None:
    """A `state_dict` pickle with towers."""
    model = _filled(tiny_config())
    text = json.dumps(model.config.to_dict())
    torch.save({"state_dict": released_state(model), CONFIG_KEY: text}, path)


def small_nano(path: Path, side: int = 64) -> None:
    """nano with a recipe of a quarter of its pixels."""
    model = toon_core.load(ROOT / "weights" / "nano.safetensors", dtype=torch.float32)
    recipe = replace(model.config.recipe, height=side, width=side)
    model.config = replace(model.config, recipe=recipe)
    save(model, path)


def pruned(path: Path) -> None:
    """fp16 without towers, for the released towers' widths."""
    config = tiny_config()
    resampler = replace(config.resampler, embedding_dim=VISION_WIDTH, output_dim=TEXT_WIDTH)
    unet = replace(config.unet, context_dim=TEXT_WIDTH)
    config = replace(config, unet=unet, resampler=resampler, clip=None)
    save(_filled(config), path, dtype=torch.float16)


def text_encoder(path: Path) -> None:
    """ViT-H of Stable Diffusion 2 in the transformers layout."""
    shapes = _layers("text_model.encoder.layers", TEXT_LAYERS, TEXT_WIDTH)
    embeddings = "text_model.embeddings."
    shapes[embeddings + "token_embedding.weight"] = [WORDS, TEXT_WIDTH]
    shapes[embeddings + "position_embedding.weight"] = [TOKENS, TEXT_WIDTH]
    _sparse(path, shapes | _pair("text_model.final_layer_norm", TEXT_WIDTH))


def image_encoder(path: Path) -> None:
    """CLIP ViT-H/14 in the transformers layout."""
    shapes = _layers("vision_model.encoder.layers", VISION_LAYERS, VISION_WIDTH)
    embeddings = "vision_model.embeddings."
    shapes[embeddings + "class_embedding"] = [VISION_WIDTH]
    shapes[embeddings + "patch_embedding.weight"] = [VISION_WIDTH, 3, PATCH, PATCH]
    shapes[embeddings + "position_embedding.weight"] = [PATCHES, VISION_WIDTH]
    shapes["visual_projection.weight"] = [TEXT_WIDTH, VISION_WIDTH]
    for norm in ("pre_layrnorm", "post_layernorm"):
        shapes |= _pair(f"vision_model.{norm}", VISION_WIDTH)
    _sparse(path, shapes)


def _filled(config: ToonConfig) -> ToonModel:
    """With the golden data's rule for weights."""
    model = ToonModel(config).eval().requires_grad_(False)
    for name, child in model.named_children():
        fill(child, PREFIXES[name], "")
    return model


def _pair(name: str, out: int, *into: int) -> Shapes:
    return {f"{name}.weight": [out, *into], f"{name}.bias": [out]}


def _layers(prefix: str, count: int, width: int) -> Shapes:
    shapes: Shapes = {}
    for i in range(count):
        layer = f"{prefix}.{i}."
        for norm in ("layer_norm1", "layer_norm2"):
            shapes |= _pair(layer + norm, width)
        for projection in ("q_proj", "k_proj", "v_proj", "out_proj"):
            shapes |= _pair(f"{layer}self_attn.{projection}", width, width)
        shapes |= _pair(layer + "mlp.fc1", 4 * width, width)
        shapes |= _pair(layer + "mlp.fc2", width, 4 * width)
    return shapes


def _sparse(path: Path, shapes: Shapes) -> None:
    """fp16 safetensors. ComfyUI knows towers of the full width only; their large matrices are
    zero here, so that the file takes no room on the disk and every layer passes its input on."""
    header, end = {}, 0
    for name, shape in shapes.items():
        start, end = end, end + 2 * math.prod(shape)
        header[name] = {"dtype": "F16", "shape": shape, "data_offsets": [start, end]}
    text = json.dumps(header).encode()
    with open(path, "wb") as file:
        file.write(struct.pack("<Q", len(text)) + text)
        for name, shape in shapes.items():
            if math.prod(shape) < LARGEST_FILLED:
                file.seek(8 + len(text) + header[name]["data_offsets"][0])
                file.write(_values(name, shape).numpy().tobytes())
        file.truncate(8 + len(text) + end)


def _values(name: str, shape: list[int]) -> torch.Tensor:
    if "norm" in name and name.endswith(".weight"):
        return torch.ones(shape, dtype=torch.float16)
    generator = torch.Generator().manual_seed(len(name))
    return (0.05 * torch.randn(shape, generator=generator)).half()


def rife(path: Path) -> None:
    """Of the network that newer ComfyUI has for frame interpolation, with random weights; nothing
    where it has none."""
    if (comfyui_folder() / "comfy_extras" / "frame_interpolation_models").is_dir():
        subprocess.run([sys.executable, "-c", RIFE, str(path)], cwd=comfyui_folder(), check=True)
