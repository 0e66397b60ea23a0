"""Latents of a clip to its frames, as the release does it (architecture.md 8.6)."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import torch
from torch import Tensor

from .autoencoder import Autoencoder
from .still import keep_still


def decode(
    vae: Autoencoder,
    z: Tensor,
    references: list[Tensor],
    replace_middle: bool = True,
    frames_at_once: int | None = None,
    still: tuple[Tensor, Tensor] | None = None,
    progress: Callable[[float], object] = lambda part: None,
) -> Tensor:
    """z (b c f h w), unscaled -> frames. replace_middle: the two middle frames come from a second
    decode without frames 1 and f-2 (architecture.md 8.6); needs at least 4 frames. still:
    both keys (b c h w), whose pixels are kept where they agree (8.8); the frames are then in fp32.
    progress: called with the part that is done, up to 1."""
    total = z.shape[2]
    twice = replace_middle and total >= 4 and not vae.config.plain  # plain: no frame sees another
    share = 0.5 if twice else 1.0
    decode_some = partial(vae.decode, references=references, frames_at_once=frames_at_once)
    frames = decode_some(z, progress=lambda part: progress(share * part))
    if twice:
        kept = [i for i in range(total) if i not in (1, total - 2)]
        inner = torch.cat([z[:, :, :1], z[:, :, 2:-2], z[:, :, -1:]], dim=2)
        second = decode_some(inner, progress=lambda part: progress(share + share * part))
        for i in (total // 2 - 1, total // 2):
            if i in kept:
                frames[:, :, i] = second[:, :, kept.index(i)]
    return frames if still is None else keep_still(frames.float(), *still)
