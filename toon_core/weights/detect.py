"""What a file of weights is, from the names in it."""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import Literal

from .keys import PREFIXES

Kind = Literal["tooncrafter", "dynamicrafter", "sketch"]

UNET = PREFIXES["unet"]
DUAL_REFERENCE = "first_stage_model.decoder.attn_refinement.0.conv.weight"
INIT_ATTENTION = UNET + "init_attn.0.norm.weight"
HINT, ZERO_CONV = "input_hint_block.0.weight", "zero_convs.0.0.weight"

_Test = Callable[[Collection[str]], bool]


def _any(*parts: str) -> _Test:
    return lambda names: any(part in name for name in names for part in parts)


def _all(*names: str) -> _Test:
    return lambda given: all(name in given for name in names)


def _both(first: _Test, second: _Test) -> _Test:
    return lambda names: first(names) and second(names)


# The first line that fits names the file.
FOREIGN: tuple[tuple[_Test, str], ...] = (
    (_any("lora_up.", "lora_down.", "lora_A.", "lora_B.", ".lora."), "a LoRA, not a model"),
    (
        _both(_any("init_attn."), _any("attn2.alpha")),
        "DynamiCrafter 256, which predicts noise and has learned image scales",
    ),
    (_any("conditioner.embedders."), "an SDXL checkpoint"),
    (_any("cond_stage_model.transformer.text_model."), "a Stable Diffusion 1 checkpoint"),
    (
        _both(_any(UNET), _any("cond_stage_model.model.")),
        "a Stable Diffusion 2 checkpoint, an image model",
    ),
    (_any(UNET + "joint_blocks.", UNET + "double_blocks."), "a transformer image model"),
    (_any(UNET), "an image diffusion model without frames"),
    (_both(_any("controlnet_"), _any("motion_modules.")), "a SparseCtrl of AnimateDiff"),
    (_any("motion_modules."), "an AnimateDiff motion module"),
    (_any("controlnet_", "control_model.", "input_hint_block."), "another kind of ControlNet"),
    (_all("init_attn.0.norm.weight"), "the UNet alone, without the autoencoder and the projector"),
    (_any("decoder.attn_refinement.0."), "ToonCrafter's autoencoder alone"),
    (_all("encoder.conv_in.weight", "decoder.conv_in.weight"), "a VAE alone"),
    (
        _any("text_model.encoder.", "vision_model.encoder.", "visual.transformer."),
        "a CLIP encoder alone",
    ),
    (_any("transformer.resblocks."), "a CLIP encoder alone"),
)


def detect(names: Collection[str]) -> tuple[Kind | None, str]:
    """The kind of a file, or None and what it looks like instead."""
    if INIT_ATTENTION in names and not _any("attn2.alpha")(names):
        return ("tooncrafter" if DUAL_REFERENCE in names else "dynamicrafter"), ""
    if HINT in names and ZERO_CONV in names:
        return "sketch", ""
    for test, what in FOREIGN:
        if test(names):
            return None, what
    return None, _unknown(names)


def _unknown(names: Collection[str]) -> str:
    if not names:
        return "no tensors at all"
    return f"{len(names)} tensors of an unknown model (such as {', '.join(sorted(names)[:3])})"
