"""Which configuration a file is loaded with: the caller's, the file's own, or its shapes'."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from ..config import SketchConfig, ToonConfig, from_fields
from .detect import Kind
from .errors import (
    UNREADABLE_JSON,
    FileCorrupt,
    MissingKeys,
    UnknownConfig,
    WrongModel,
    WrongShapes,
)
from .infer import HeadsUnknown, Tensors, sketch_config, toon_config
from .keys import TOWERS, has

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
        expect = "sketch" if kind == "sketch" else "toon"
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
    """`config` checked against the kind of file; without towers if the file has none."""
    if isinstance(config, SketchConfig) != (kind == "sketch"):
        what = f"a {kind} file, but the configuration given is a {type(config).__name__}"
        raise WrongModel(path, what)
    if isinstance(config, SketchConfig):
        return config
    if not any(has(tensors, part) for part in TOWERS):
        config = replace(config, clip=None)
    _check_widths(path, config)
    return config


def _check_widths(path: Path, config: ToonConfig) -> None:
    context, projector, clip = config.unet.context_dim, config.resampler, config.clip
    widths = []
    if projector is not None:
        widths.append(("image_proj_model output", projector.output_dim, context))
    if clip is not None:
        widths.append(("cond_stage_model, the text encoder", clip.text_width, context))
    if clip is not None and projector is not None:
        widths.append(("embedder, the image encoder", clip.vision_width, projector.embedding_dim))
    wrong = [f"{what}: {n} wide, the model takes {m}" for what, n, m in widths if n != m]
    if wrong:
        raise WrongShapes(path, wrong, "toon", "a CLIP or projector of another model")
