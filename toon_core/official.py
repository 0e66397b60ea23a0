"""The release's own options, read into the schema of `config.py`.

Names are the same. Options that this code has no branch for must have the released value.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, fields
from typing import Any, TypeVar

from .config import PARTS, CLIPConfig, SketchConfig, ToonConfig, UNetConfig, VAEConfig, from_fields

T = TypeVar("T")
ANY, UNKNOWN = object(), object()

# Options without a field: what they must be.
FIXED: dict[type, dict[str, Any]] = {
    UNetConfig: {
        "use_linear": True,
        "use_checkpoint": ANY,
        "temporal_conv": True,
        "temporal_attention": True,
        "temporal_selfatt_only": True,
        "use_relative_position": False,
        "use_causal_attention": False,
        "addition_attention": True,
        "image_cross_attention": True,
        "image_cross_attention_scale_learnable": False,
        "fs_condition": True,
        "fps_condition": True,
        "dims": 2,
        "conv_resample": True,
        "legacy": ANY,
    },
    SketchConfig: {
        "image_size": ANY,
        "use_checkpoint": ANY,
        "use_spatial_transformer": True,
        "use_linear_in_transformer": True,
        "legacy": False,
    },
    VAEConfig: {
        "double_z": True,
        "resolution": ANY,
        "attn_resolutions": [],
        "dropout": 0.0,
        "attn_type": ANY,
    },
}


def read(kind: type[T], options: Mapping[str, Any]) -> T:
    """One part from its dictionary, which may also have fields of our own. ValueError on an option
    or a value unknown here."""
    if kind is CLIPConfig and "text_cfg" in options:
        options = _towers(options)
    part: Any = kind
    names = {f.name for f in fields(part)}
    for key in options.keys() - names:
        expected = FIXED.get(kind, {}).get(key, UNKNOWN)
        if expected is UNKNOWN:
            raise ValueError(f"{kind.__name__}: unknown option {key}={options[key]!r}")
        if expected is not ANY and options[key] != expected:
            raise ValueError(
                f"{kind.__name__}: {key}={options[key]!r} is not supported, only {expected!r}"
            )
    return from_fields(kind, {k: v for k, v in options.items() if k in names})


def read_model(parts: Mapping[str, Any]) -> ToonConfig:
    """A model from the fields of ToonConfig, of which each part may be in the release's options.
    ValueError on what is unknown."""
    given = {k: v for k, v in parts.items() if k in PARTS and v is not None}
    return ToonConfig.from_dict(
        {**parts, **{k: asdict(read(PARTS[k], v)) for k, v in given.items()}}
    )


def _towers(options: Mapping[str, Any]) -> dict[str, Any]:
    """open_clip's form, one dictionary a tower, as the fields of both."""
    text, vision = options["text_cfg"], options["vision_cfg"]
    return {
        "embed_dim": options["embed_dim"],
        **{f"text_{k}": text[k] for k in ("width", "heads", "layers")},
        **{f"vision_{k}": vision[k] for k in ("width", "layers", "head_width")},
        **{k: text[k] for k in ("vocab_size", "context_length")},
        **{k: vision[k] for k in ("image_size", "patch_size")},
    }
