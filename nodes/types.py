"""Socket types of this pack, and what travels in them and in ComfyUI's own."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from comfy_api.latest import io
from torch import Tensor

from ..toon_core.config import SketchConfig, ToonConfig
from ..toon_core.images import Fit

ConditionerType = io.Custom("TOON_CONDITIONER")
AutoencoderType = io.Custom("TOON_VAE")
SketchEncoderType = io.Custom("TOON_SKETCH_ENCODER")

NATIVE = "ToonTween/native sampling"  # the menu of the nodes for ComfyUI's own samplers

CLIP_KEY = "toon"  # of a LATENT: a `Clip`
TOKENS_KEY = "toon_tokens"  # of a CONDITIONING: how many tokens the encoder made


@dataclass(frozen=True, kw_only=True)
class Loaded:
    """One part of a file, in ComfyUI's care. `patcher.model` is the module."""

    patcher: Any
    path: Path

    @property
    def name(self) -> str:
        return self.path.name

    @property
    def module(self) -> Any:
        return self.patcher.model


@dataclass(frozen=True, kw_only=True)
class LoadedConditioner(Loaded):
    """Image projector, and both CLIP towers where the file has them."""

    config: ToonConfig


@dataclass(frozen=True, kw_only=True)
class LoadedAutoencoder(Loaded):
    config: ToonConfig


@dataclass(frozen=True, kw_only=True)
class LoadedSketchEncoder(Loaded):
    config: SketchConfig


@dataclass(frozen=True, kw_only=True)
class Clip:
    """What a LATENT carries from the keys to the decoder and to the sketches.

    references: five maps (b c_i 2 h_i w_i) of both keys; fit: where the pictures are in the frame;
    shape: the LATENT's, (b z f h w), since the references belong to its first and last frame;
    keys: both, (b 3 h w) in [-1, 1], as they are fitted; turbo: it was sampled with that, and is
    decoded so where nothing else is said.
    """

    references: list[Tensor]
    fit: Fit
    shape: tuple[int, ...]
    keys: tuple[Tensor, Tensor]
    turbo: bool = False


def clip_of(latent: dict[str, Any]) -> Clip:
    """ValueError for a LATENT that did not come from Toon Encode Keys, or not as it is now."""
    clip = latent.get(CLIP_KEY)
    if not isinstance(clip, Clip):
        raise ValueError(
            "This LATENT does not carry the key frames: connect the LATENT of Toon Encode Keys, "
            "or of a sampler that got it from there."
        )
    shape = tuple(latent["samples"].shape)
    if shape != clip.shape:
        raise ValueError(
            f"The LATENT {shape} is not of the size its key frames have, {clip.shape}: latents of "
            "this model cannot be resized, cropped, cut in time or batched between Toon Encode "
            "Keys and Toon Decode."
        )
    return clip
