"""Which configuration a file is loaded with: the caller's, the file's own, or its shapes'."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

from ..config import SketchConfig, ToonConfig, UNetConfig, from_fields
from .detect import Kind
from .errors import (
    UNREADABLE_JSON,
    Expected,
    FileCorrupt,
    MissingKeys,
    UnknownConfig,
    WrongModel,
    WrongShapes,
)
from .infer import HeadsUnknown, Tensors, count, sketch_config, toon_config
from .keys import PREFIXES, TOWERS, has

CONFIG_KEY = "toontween.config"  # of safetensors metadata, or beside `state_dict` in a pickle
PART_KEY = "toontween.part"  # of the metadata of a training result that is no whole model

Config = ToonConfig | SketchConfig


def configuration(path: Path, kind: Kind, tensors: Tensors, metadata: Mapping[str, str]) -> Config:
    """The file's own configuration, or the one its shapes speak of.

    FileCorrupt, UnknownConfig, WrongModel or MissingKeys.
    """
    if CONFIG_KEY in metadata:
        return _written(path, kind, metadata[CONFIG_KEY])
    try:
        return (sketch_config if kind == "sketch" else toon_config)(path, tensors)
    except KeyError as error:
        expect: Expected = "sketch" if kind == "sketch" else "toon"
        raise MissingKeys(path, [str(error.args[0])], expect) from error
    except HeadsUnknown as error:
        what = f"a file without its configuration, and {error} is no released size"
        hint = (
            "Heads cannot be read from shapes: save it with toon_core.weights.save, "
            f"which writes {CONFIG_KEY!r}, or pass config=."
        )
        raise UnknownConfig(path, what, hint=hint) from error
    except (ValueError, TypeError, LookupError, ZeroDivisionError) as error:
        if isinstance(error, WrongModel):
            raise
        raise UnknownConfig(path, f"shapes that fit no known model ({error})") from error


def _written(path: Path, kind: Kind, text: str) -> Config:
    try:
        values: dict[str, Any] = json.loads(text)
        if kind == "sketch":
            return from_fields(SketchConfig, values)
        return ToonConfig.from_dict(values)
    except UNREADABLE_JSON as error:
        what = f"a file whose configuration cannot be read ({error})"
        raise FileCorrupt(path, what) from error


def fitted(path: Path, config: Config, kind: Kind, tensors: Tensors) -> Config:
    """`config` checked against the kind of file and the number of its blocks; without towers if
    the file has none."""
    if isinstance(config, SketchConfig) != (kind == "sketch"):
        what = f"a {kind} file, but the configuration given is a {type(config).__name__}"
        raise WrongModel(path, what)
    if isinstance(config, SketchConfig):
        _check_counts(path, _encoder_counts("", config), tensors, "sketch")
        return config
    if not any(has(tensors, part) for part in TOWERS):
        config = replace(config, clip=None)
    _check_counts(path, _counts(config), tensors, "toon")
    _check_widths(path, config)
    return config


# A prefix of numbered tensors -> what of the configuration decides how many, and how many.
Counts = dict[str, tuple[str, int]]


def _counts(config: ToonConfig) -> Counts:
    found = _encoder_counts("unet", config.unet)
    vae, projector, clip = config.vae, config.resampler, config.clip
    for side, more in (("encoder.down.", 0), ("decoder.up.", 1)):
        prefix = PREFIXES["vae"] + side
        found[prefix] = ("vae.ch_mult", len(vae.ch_mult))
        found[prefix + "0.block."] = ("vae.num_res_blocks", vae.num_res_blocks + more)
    if projector is not None:
        found[PREFIXES["resampler"] + "layers."] = ("resampler.depth", projector.depth)
    if clip is not None:
        text, image = (PREFIXES[part] + "model." for part in TOWERS)
        found[text + "transformer.resblocks."] = ("clip.text_layers", clip.text_layers)
        found[image + "visual.transformer.resblocks."] = ("clip.vision_layers", clip.vision_layers)
    return found


def _encoder_counts(part: Literal["unet", ""], config: UNetConfig | SketchConfig) -> Counts:
    """Of the UNet's first half, which the sketch encoder also is (part "")."""
    prefix, field = (PREFIXES[part], f"{part}.") if part else ("", "")
    blocks = len(config.channel_mult) * (config.num_res_blocks + 1)
    return {
        prefix + "input_blocks.": (f"{field}channel_mult and {field}num_res_blocks", blocks),
        prefix + "middle_block.1.transformer_blocks.": (
            f"{field}transformer_depth",
            config.transformer_depth,
        ),
    }


def _check_counts(path: Path, counts: Counts, tensors: Tensors, expect: Expected) -> None:
    """Before anything is built, since building takes as long as the configuration asks for.
    MissingKeys where the file has fewer blocks."""
    for prefix, (field, asked) in counts.items():
        held = count(tensors, prefix)
        if held < asked:
            note = f"{field} asks for {asked} blocks, and the file has {held}"
            raise MissingKeys(path, [f"{prefix}{held}"], expect, note)


def _check_widths(path: Path, config: ToonConfig) -> None:
    """What the parts give each other, and what the method gives them."""
    context, projector, clip = config.unet.context_dim, config.resampler, config.clip
    latent, preview = config.vae.z_channels, config.preview
    widths = [
        ("unet.in_channels", config.unet.in_channels, 2 * latent),
        ("unet.out_channels", config.unet.out_channels, latent),
        ("vae.in_channels", config.vae.in_channels, 3),
        ("vae.out_ch", config.vae.out_ch, 3),
    ]
    if preview is not None:
        widths.append(("preview.factors", len(preview.factors), latent))
    if projector is not None:
        widths.append(("image_proj_model output", projector.output_dim, context))
    if clip is not None:
        widths.append(("cond_stage_model, the text encoder", clip.text_width, context))
    if clip is not None and projector is not None:
        widths.append(("embedder, the image encoder", clip.vision_width, projector.embedding_dim))
    wrong = [f"{what}: {n} wide, the model takes {m}" for what, n, m in widths if n != m]
    if wrong:
        raise WrongShapes(path, wrong, "toon", "a CLIP or projector of another model")
