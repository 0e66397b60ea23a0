"""A configuration read off the shapes of a file's tensors.

Shapes do not tell how a width is cut into heads. That is known for the released widths only;
other files must carry the configuration (ours do) or be loaded with `config=`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from torch import Tensor

from ..config import (
    CLIPConfig,
    Part,
    ResamplerConfig,
    ScheduleConfig,
    SketchConfig,
    ToonConfig,
    UNetConfig,
    VAEConfig,
)
from .detect import DUAL_REFERENCE
from .errors import WrongModel
from .keys import PREFIXES, TOWERS, has, split

HEAD_WIDTH = 64  # of the released UNet, projector and sketch encoder
MIN_WIDTH = 256  # narrower models do not follow the released head widths
TEXT_HEADS = {768: 12, 1024: 16, 1280: 20}
VISION_HEAD_WIDTH = {768: 64, 1024: 64, 1280: 80}
QUERIES = 16  # image tokens a frame: fixed by the context's layout (architecture.md 2.2)

Tensors = Mapping[str, Tensor]


class HeadsUnknown(Exception):
    """Widths that the released models do not have."""


class _Named(dict[str, Tensor]):
    """One part's tensors; a KeyError gives the name as it would be in the file."""

    def __init__(self, tensors: Tensors, part: Part) -> None:
        super().__init__(split(tensors, part))
        self.prefix = PREFIXES[part]

    def __missing__(self, name: str) -> Tensor:
        raise KeyError(self.prefix + name)


def toon_config(path: Path, tensors: Tensors) -> ToonConfig:
    """KeyError names a needed tensor; HeadsUnknown; WrongModel."""
    unet, schedule = _unet(_Named(tensors, "unet")), _schedule(path, tensors)
    if schedule.base_scale == 0.3:
        unet = replace(unet, default_fs=10)  # DynamiCrafter 1024 (architecture.md 0)
    towers = any(has(tensors, part) for part in TOWERS)
    return ToonConfig(
        unet=unet,
        vae=_vae(_Named(tensors, "vae")),
        resampler=_resampler(_Named(tensors, "resampler")),
        clip=_clip(_Named(tensors, "text"), _Named(tensors, "image")) if towers else None,
        schedule=schedule,
    )


def _schedule(path: Path, tensors: Tensors) -> ScheduleConfig:
    alphas, scale = tensors.get("alphas_cumprod"), tensors.get("scale_arr")
    if alphas is not None and float(alphas[-1]) > 1e-3:
        what = "a model without zero terminal SNR (an older DynamiCrafter)"
        raise WrongModel(path, what, expect="toon")
    if scale is None:
        return ScheduleConfig()
    # Half precision stores 0.7 as 0.7002.
    return ScheduleConfig(base_scale=round(float(scale[-1]), 2))


def _levels(tensors: Tensors, width: int) -> dict[str, Any]:
    """The levels of `input_blocks`: a strided convolution ends each but the last."""
    mults, blocks, attention = [], 0, []
    for i in range(1, count(tensors, "input_blocks.")):
        block = f"input_blocks.{i}."
        if block + "0.op.weight" in tensors:
            blocks = 0
            continue
        blocks += 1
        if blocks == 1:
            mults.append(len(tensors[block + "0.out_layers.3.bias"]) // width)
            if block + "1.norm.weight" in tensors:
                attention.append(2 ** (len(mults) - 1))
    return {
        "channel_mult": tuple(mults),
        "num_res_blocks": blocks,
        "attention_resolutions": tuple(reversed(attention)),
    }


def _encoder(tensors: Tensors) -> dict[str, Any]:
    """What the UNet's and the sketch encoder's configurations share."""
    width = tensors["time_embed.0.weight"].shape[1]
    middle = "middle_block.1.transformer_blocks."
    return {
        "in_channels": tensors["input_blocks.0.0.weight"].shape[1],
        "model_channels": width,
        "context_dim": tensors[middle + "0.attn2.to_k.weight"].shape[1],
        "transformer_depth": count(tensors, middle),
        **_levels(tensors, width),
    }


def _unet(tensors: Tensors) -> UNetConfig:
    return UNetConfig(
        out_channels=len(tensors["out.2.bias"]),
        num_head_channels=tensors["init_attn.0.proj_in.weight"].shape[0] // 8,
        **_encoder(tensors),
    )


def sketch_config(path: Path, tensors: Tensors) -> SketchConfig:
    hint = tensors["input_hint_block.0.weight"].shape[1]
    if hint != 1:
        what = f"a ControlNet for hints of {hint} channels, not for sketches of one"
        raise WrongModel(path, what, expect="sketch")
    shared = _encoder(tensors)
    _require_wide("sketch encoder", shared["model_channels"])
    return SketchConfig(hint_channels=hint, num_head_channels=HEAD_WIDTH, **shared)


def _vae(tensors: Tensors) -> VAEConfig:
    ch, in_channels = tensors["encoder.conv_in.weight"].shape[:2]
    levels = range(count(tensors, "encoder.down."))
    widths = [len(tensors[f"encoder.down.{i}.block.0.conv2.bias"]) for i in levels]
    return VAEConfig(
        ch=ch,
        ch_mult=tuple(width // ch for width in widths),
        num_res_blocks=count(tensors, "encoder.down.0.block."),
        in_channels=in_channels,
        out_ch=len(tensors["decoder.conv_out.bias"]),
        z_channels=len(tensors["post_quant_conv.bias"]),
        **decoder_kind(tensors),
    )


def decoder_kind(tensors: Tensors) -> dict[str, bool]:
    """The fields of VAEConfig that say which kind of decoder an autoencoder's tensors hold."""
    return {
        "references": DUAL_REFERENCE.removeprefix(PREFIXES["vae"]) in tensors,
        "pseudo_3d": "decoder.mid.block_1.mix_factor" in tensors,
        "reference_nearness": "decoder.attn_refinement.2.nearness.amount" in tensors,
    }


def _resampler(tensors: Tensors) -> ResamplerConfig:
    _, queries, dim = tensors["latents"].shape
    inner = tensors["layers.0.0.to_q.weight"].shape[0]
    _require_wide("image projector", inner)
    return ResamplerConfig(
        dim=dim,
        depth=count(tensors, "layers."),
        dim_head=HEAD_WIDTH,
        heads=inner // HEAD_WIDTH,
        num_queries=QUERIES,
        embedding_dim=tensors["proj_in.weight"].shape[1],
        output_dim=len(tensors["proj_out.bias"]),
        ff_mult=tensors["layers.0.1.1.weight"].shape[0] // dim,
        video_length=queries // QUERIES,
    )


def _clip(text: Tensors, image: Tensors) -> CLIPConfig:
    vocabulary, width = text["model.token_embedding.weight"].shape
    vision, _, patch, _ = image["model.visual.conv1.weight"].shape
    tokens = len(image["model.visual.positional_embedding"]) - 1
    if width not in TEXT_HEADS or vision not in VISION_HEAD_WIDTH:
        raise HeadsUnknown(f"a CLIP of widths {width} (text) and {vision} (image)")
    return CLIPConfig(
        embed_dim=text["model.text_projection"].shape[1],
        text_width=width,
        text_heads=TEXT_HEADS[width],
        text_layers=count(text, "model.transformer.resblocks."),
        vocab_size=vocabulary,
        context_length=len(text["model.positional_embedding"]),
        vision_width=vision,
        vision_layers=count(image, "model.visual.transformer.resblocks."),
        vision_head_width=VISION_HEAD_WIDTH[vision],
        image_size=round(tokens**0.5) * patch,
        patch_size=patch,
    )


def count(tensors: Tensors, prefix: str) -> int:
    """How many numbered children follow a prefix."""
    rests = (name[len(prefix) :] for name in tensors if name.startswith(prefix))
    return len({rest.split(".", 1)[0] for rest in rests})


def _require_wide(what: str, width: int) -> None:
    if width < MIN_WIDTH or width % HEAD_WIDTH:
        raise HeadsUnknown(f"{what} of width {width}")
