"""Where text and image tokens come from: the file's own towers, or ComfyUI's encoders with the
specification's preprocessing (architecture.md 4 and 5)."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor

from ..toon_core.conditioning.encode import BranchTexts
from ..toon_core.layers.context import TEXT_TOKENS
from . import host, memory
from .types import LoadedConditioner

log = logging.getLogger("toon.nodes")

Text = Callable[[Sequence[str]], Tensor]
GET_CLIP = (
    "connect a CLIP: an OpenCLIP ViT-H text encoder, such as that of Stable Diffusion 2.1, loaded "
    "with Load CLIP (type stable_diffusion) from ComfyUI/models/text_encoders."
)
GET_VISION = (
    "connect a CLIP_VISION: clip_vision_h.safetensors, loaded with Load CLIP Vision from "
    "ComfyUI/models/clip_vision."
)


def encoders(loaded: LoadedConditioner, clip, clip_vision, positive, negative):
    """-> (`TextBranches`, image encoder).

    ValueError where a pruned file lacks an encoder and none is connected.
    """
    own = loaded.module
    width = loaded.config.unet.context_dim
    place = loaded.patcher.load_device, own.dtype
    text = own.text if clip is None else HostText(clip, width, place)
    if text is None and positive is None and negative is None:
        raise ValueError(f"{loaded.name} is a pruned file, without a text encoder: {GET_CLIP}")
    image = own.image
    if clip_vision is not None:
        image = HostImage(clip_vision, own.resampler.config.embedding_dim, place)
    if image is None:
        raise ValueError(f"{loaded.name} is a pruned file, without an image encoder: {GET_VISION}")
    return TextBranches(text, positive, negative, width, place), image


class HostText:
    """ComfyUI's CLIP: the state before the last block with the final norm, (1 77 d)."""

    def __init__(self, clip: Any, width: int, place: tuple) -> None:
        self.clip, self.width, self.place = clip, width, place

    def __call__(self, prompts: Sequence[str]) -> Tensor:
        return torch.cat([self._encode(p) for p in prompts]).to(*self.place)

    def _encode(self, prompt: str) -> Tensor:
        tokens = self.clip.tokenize(prompt, disable_weights=True)
        parts = {name: len(sections) for name, sections in tokens.items()}
        if max(parts.values()) > 1:
            log.warning("the prompt is longer than 77 tokens and is cut: %.60s...", prompt)
        first = {name: sections[:1] for name, sections in tokens.items()}
        return _text(self.clip.encode_from_tokens(first), self.width, "The CLIP")


class TextBranches:
    """Tokens of the branches: text that other nodes encoded, where it was given; prompts
    elsewhere, and the given negative text for the empty prompt where nothing encodes one."""

    def __init__(self, text: Text | None, positive, negative, width: int, place: tuple) -> None:
        self.text, self.place = text, place
        self.positive = _given(positive, width, "positive_text")
        self.negative = _given(negative, width, "negative_text")
        given = {"positive": self.positive, "negative": self.negative}
        missing = [name for name, tokens in given.items() if tokens is None]
        if text is None and missing:
            raise ValueError(f"There is no {missing[0]}_text and no text encoder: {GET_CLIP}")

    def __call__(self, prompt: str, negative: str) -> BranchTexts:
        return BranchTexts(
            positive=self._tokens(self.positive, prompt),
            empty=self._tokens(self.negative if self.text is None else None, ""),
            negative=self._tokens(self.negative, negative),
        )

    def _tokens(self, given: Tensor | None, prompt: str) -> Tensor:
        if given is None:
            assert self.text is not None  # __init__ refuses a missing text without an encoder
            given = self.text([prompt])
        return given.to(*self.place)


class HostImage:
    """ComfyUI's CLIP_VISION: all tokens of the last block before the final norm."""

    def __init__(self, vision: Any, width: int, place: tuple) -> None:
        self.vision, self.width, self.place = vision, width, place
        self.image_size = vision.image_size

    def __call__(self, pixels: Tensor) -> Tensor:
        pixels = pixels.to(self.vision.load_device).float()
        room = memory.towers(self.width, len(pixels), pixels.itemsize)
        host.load([self.vision.patcher], room)
        out = self.vision.model(pixel_values=pixels)[0]
        if out.shape[-1] != self.width:
            raise ValueError(
                f"The CLIP_VISION gives {out.shape[-1]}-wide tokens and this model takes "
                f"{self.width}: {GET_VISION}"
            )
        return out.to(*self.place)


def _given(conditioning: Any, width: int, name: str) -> Tensor | None:
    if conditioning is None:
        return None
    if len(conditioning) != 1:
        raise ValueError(f"{name} holds {len(conditioning)} conditionings: give one.")
    tokens = conditioning[0][0]
    if tokens.shape[1] > TEXT_TOKENS:
        log.warning("%s has %d tokens: the first 77 are used", name, tokens.shape[1])
    return _text(tokens, width, name)


def _text(tokens: Tensor, width: int, name: str) -> Tensor:
    if len(tokens) != 1:
        raise ValueError(f"{name} is a batch of {len(tokens)}: give one text for all clips.")
    if tokens.shape[-1] != width or tokens.shape[1] < TEXT_TOKENS:
        raise ValueError(
            f"{name} gives {tokens.shape[1]} tokens of width {tokens.shape[-1]}, and this model "
            f"takes 77 of width {width}: {GET_CLIP}"
        )
    if not torch.isfinite(tokens).all():
        raise ValueError(f"{name} holds NaN or infinite values: check the node it comes from.")
    return host.to_intermediate(tokens[:, :TEXT_TOKENS])
