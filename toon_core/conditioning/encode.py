"""From two images and a prompt to what the denoiser needs (architecture.md 1, 8.4 and 8.5)."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from einops import rearrange, repeat
from torch import Tensor

from ..devices import moved
from ..guidance import Branches
from ..vae.autoencoder import Autoencoder, stack_references
from .preprocess import clip_pixels
from .resampler import Resampler
from .towers import ImageEncoder, TextEncoder


@dataclass(frozen=True)
class Keys:
    """The two key frames in latent space.

    concat (b z f h w): scaled latents in frames 0 and f-1, zeros between; references: five maps
    (b c_i 2 h_i w_i) for the decoder.
    """

    concat: Tensor
    references: list[Tensor]


def encode_keys(
    vae: Autoencoder, first: Tensor, last: Tensor, noise: Tensor, scale_factor: float = 0.18215
) -> Keys:
    """first, last (b 3 h w) in [-1, 1]; noise (b f z h/8 w/8): the release draws it for a clip
    of f frames, of which the first and the last are used, and so the seeds stay the same."""
    posterior, features = vae.encode_with_features(torch.cat([first, last]))
    ends = torch.cat([noise[:, 0], noise[:, -1]])
    latents = scale_factor * posterior.sample(ends.to(posterior.mean))
    begin, end = latents.chunk(2)
    concat = begin.new_zeros(*noise.shape[:2], *begin.shape[1:])
    concat[:, 0], concat[:, -1] = begin, end
    halves = [f.chunk(2) for f in features]
    references = stack_references([h[0] for h in halves], [h[1] for h in halves])
    return Keys(rearrange(concat, "b f z h w -> b z f h w"), references)


def image_tokens(image: ImageEncoder, resampler: Resampler, first: Tensor) -> Tensor:
    """(b 3 h w) in [-1, 1], of any size -> (b n d) context tokens."""
    return resampler(image(clip_pixels(first, image.image_size)))


def grey_image(like: Tensor, size: int = 224) -> Tensor:
    """The unconditional image: zeros in [-1, 1], which is mid grey (1 3 size size)."""
    return like.new_zeros(1, 3, size, size)


def join(text: Tensor, image: Tensor, batch: int) -> Tensor:
    """Text then image tokens, each repeated to `batch` where there is one of it."""
    grown = [
        x if x.shape[0] == batch else repeat(x, "1 n d -> b n d", b=batch) for x in (text, image)
    ]
    return torch.cat(grown, dim=1)


@dataclass(frozen=True)
class BranchTexts:
    """Text tokens of the guidance branches, (1 n d) each."""

    positive: Tensor
    empty: Tensor
    negative: Tensor

    @classmethod
    def of(cls, text: TextEncoder, prompt: str, negative: str = "") -> BranchTexts:
        return cls(positive=text([prompt]), empty=text([""]), negative=text([negative]))


def encode_branches(
    texts: BranchTexts,
    image: ImageEncoder,
    resampler: Resampler,
    first: Tensor,
    *,
    grey: bool = True,
) -> Branches:
    """Context tokens of all three branches. first (b 3 h w) is the first key before any fit: only
    it is used semantically, at its own size. grey=False gives the unconditional branch the same
    image as the conditional one."""
    tokens = image_tokens(image, resampler, first)
    blank = image_tokens(image, resampler, grey_image(first)) if grey else tokens
    batch = first.shape[0]
    return Branches(
        cond=join(texts.positive, tokens, batch),
        uncond=join(texts.negative, blank, batch),
        image=join(texts.empty, tokens, batch),
    )


def frame_rates(first: Tensor, fs: Tensor | float) -> Tensor:
    """One number a clip, where `first` is; ValueError for as many as there are not clips."""
    if not isinstance(fs, Tensor):
        return torch.full((first.shape[0],), fs, device=first.device)
    if fs.shape != first.shape[:1]:
        raise ValueError(
            f"fs {tuple(fs.shape)}: expected one number for each of {len(first)} clips"
        )
    return moved(fs, first.device)
