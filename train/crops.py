"""Random squares of clips, to train an autoencoder on: the option `crop`."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from train.engine.draws import Draws


def check_crop(config: Any) -> None:
    """ValueError unless `crop` is 0 or a side on the latents' grid that fits in a frame."""
    crop, height, width = config.crop, config.height, config.width
    if crop % 8 or crop > min(height, width):
        raise ValueError(f"crop={crop}: expected a multiple of 8, no larger than {height}x{width}")
    if crop and config.buckets:
        raise ValueError(f"buckets=true is for whole frames, crop={crop} for squares: give one")


def random_crop(video: Tensor, side: int, draws: Draws) -> Tensor:
    """A random square of every clip (b c f h w), on the 8-pixel grid of the latents."""
    if not side:
        return video
    y, x = (8 * draws.integers((size - side) // 8 + 1) for size in video.shape[-2:])
    corners = zip(video, y.tolist(), x.tolist(), strict=True)
    return torch.stack([clip[..., j : j + side, i : i + side] for clip, j, i in corners])
