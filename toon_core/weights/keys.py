"""The names in released files: parts by prefix, what is renamed, and what is not needed."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import TypeVar

from ..config import Part

Value = TypeVar("Value")

PREFIXES: dict[Part, str] = {
    "unet": "model.diffusion_model.",
    "vae": "first_stage_model.",
    "resampler": "image_proj_model.",
    "text": "cond_stage_model.",
    "image": "embedder.",
}
TOWERS: tuple[Part, ...] = ("text", "image")

DUMP_PREFIX = 16  # characters before every name of a training dump (`_forward_module.`)

RENAMED = {"model.diffusion_model.framestride_embed.": "model.diffusion_model.fps_embedding."}

SCHEDULE_TABLES = (
    "betas",
    "alphas_cumprod",
    "alphas_cumprod_prev",
    "sqrt_alphas_cumprod",
    "sqrt_one_minus_alphas_cumprod",
    "log_one_minus_alphas_cumprod",
    "sqrt_recip_alphas_cumprod",
    "sqrt_recipm1_alphas_cumprod",
    "posterior_variance",
    "posterior_log_variance_clipped",
    "posterior_mean_coef1",
    "posterior_mean_coef2",
    "scale_arr",
)

# What no output depends on, and why it is in files. Anything else that is surplus is an error.
HARMLESS: dict[str, str] = {
    "|".join(SCHEDULE_TABLES): "schedule tables, computed from the configuration",
    "lvlb_weights|logvar": "loss weights of training",
    r"model_ema\..*": "moving averages of training",
    r"first_stage_model\.loss\..*": "the autoencoder's losses and discriminator",
    r"embedder\.model\.(positional_embedding|text_projection|logit_scale|attn_mask"
    r"|token_embedding\.weight|ln_final\.(weight|bias)|transformer\..*)": (
        "the image encoder's unused text side"
    ),
    r"cond_stage_model\.model\.attn_mask": "the causal mask, made anew",
}
_HARMLESS = re.compile("|".join(f"(?:{pattern})" for pattern in HARMLESS))


def harmless(name: str) -> bool:
    """Whether a tensor of this name may be left unread."""
    return _HARMLESS.fullmatch(name) is not None


def canonical(name: str) -> str:
    """The name this code uses for a name in a file."""
    for old, new in RENAMED.items():
        if name.startswith(old):
            return new + name[len(old) :]
    return name


def split(tensors: Mapping[str, Value], part: Part) -> dict[str, Value]:
    """The entries of one part, without its prefix."""
    prefix = PREFIXES[part]
    return {k[len(prefix) :]: v for k, v in tensors.items() if k.startswith(prefix)}


def has(tensors: Mapping[str, Value], part: Part) -> bool:
    return any(name.startswith(PREFIXES[part]) for name in tensors)


def outside(tensors: Mapping[str, Value]) -> list[str]:
    """Names that belong to no part."""
    return [name for name in tensors if not name.startswith(tuple(PREFIXES.values()))]
