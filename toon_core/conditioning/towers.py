"""Both OpenCLIP towers, through the library's public calls (architecture.md 4 and 5).

Parameter names are the checkpoint's: `cond_stage_model.model.*` and `embedder.model.*`. The
parts of each that no output depends on (the other tower) are not built.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from functools import cache
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from ..config import CLIPConfig
from ..devices import moved

# open_clip is imported where it is used: that takes seconds, and not every run has a tower.
if TYPE_CHECKING:
    from open_clip import SimpleTokenizer
    from open_clip.model import CLIP

log = logging.getLogger("toon.conditioning")


def _build(config: CLIPConfig) -> CLIP:
    from open_clip.model import CLIP, CLIPTextCfg, CLIPVisionCfg

    vision = CLIPVisionCfg(
        layers=config.vision_layers,
        width=config.vision_width,
        head_width=config.vision_head_width,
        patch_size=config.patch_size,
        image_size=config.image_size,
    )
    text = CLIPTextCfg(
        context_length=config.context_length,
        vocab_size=config.vocab_size,
        width=config.text_width,
        heads=config.text_heads,
        layers=config.text_layers,
    )
    return CLIP(config.embed_dim, vision_cfg=vision, text_cfg=text)


def tokenize(prompts: Sequence[str], length: int = 77) -> Tensor:
    """(b length) token ids, zero padded; longer prompts are cut with the end token last, and a
    warning."""
    tokenizer = _tokenizer(length)
    for prompt in prompts:
        count = 2 + len(tokenizer.encode(prompt))  # with start and end
        if count > length:
            log.warning(
                "a prompt has %d tokens: the first %d are used: %.60s...", count, length, prompt
            )
    return tokenizer(list(prompts))


@cache
def _tokenizer(length: int) -> SimpleTokenizer:
    from open_clip import SimpleTokenizer

    return SimpleTokenizer(context_length=length)


class TextEncoder(nn.Module):
    """Prompts to (b 77 d): the state before the last block, with the final norm."""

    def __init__(self, config: CLIPConfig) -> None:
        super().__init__()
        self.context_length = config.context_length
        self.model = _build(config)
        del self.model.visual

    def forward(self, prompts: Sequence[str]) -> Tensor:
        tokens = tokenize(prompts, self.context_length)
        return self.encode(moved(tokens, self.model.positional_embedding.device))

    def encode(self, tokens: Tensor) -> Tensor:
        """(b n) token ids -> (b n d)."""
        out = self.model.forward_intermediates(
            text=tokens, text_indices=2, normalize_intermediates=True, intermediates_only=True
        )
        return out["text_intermediates"][0]

    def make_buffers(self, device: torch.device | str) -> None:
        """Buffers that no file holds, after a build on the meta device."""
        n, like = self.context_length, self.model.positional_embedding
        mask = torch.full((n, n), float("-inf"), dtype=like.dtype, device=device)
        self.model.attn_mask = mask.triu_(1)


class ImageEncoder(nn.Module):
    """Preprocessed images (b 3 224 224) to (b 257 d): class token first, no final norm."""

    TEXT_PARTS = (
        "transformer",
        "token_embedding",
        "positional_embedding",
        "ln_final",
        "text_projection",
        "logit_scale",
    )

    def __init__(self, config: CLIPConfig) -> None:
        super().__init__()
        self.image_size = config.image_size
        self.model = _build(config)
        for part in self.TEXT_PARTS:
            delattr(self.model, part)

    def forward(self, images: Tensor) -> Tensor:
        images = images.to(self.model.visual.conv1.weight.dtype)
        out = self.model.visual.forward_intermediates(
            images, indices=1, output_fmt="NLC", output_extra_tokens=True, intermediates_only=True
        )
        prefix, patches = out["image_intermediates_prefix"][0], out["image_intermediates"][0]
        return torch.cat([prefix, patches], dim=1)
