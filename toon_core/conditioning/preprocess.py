"""Pixels for the image tower (architecture.md 5)."""

from __future__ import annotations

import torch
from kornia.geometry.transform import resize
from torch import Tensor

from ..devices import moved

MEAN = (0.48145466, 0.4578275, 0.40821073)
STD = (0.26862954, 0.26130258, 0.27577711)


def clip_pixels(images: Tensor, size: int = 224) -> Tensor:
    """(b 3 h w) in [-1, 1], any size -> (b 3 size size), aspect not kept.

    Gaussian blur before a reduction, bicubic with corners aligned, then the CLIP statistics; no
    clamping. Runs in float32 and returns the images' dtype.
    """
    x = resize(
        images.float(), (size, size), interpolation="bicubic", align_corners=True, antialias=True
    )
    mean, std = (moved(torch.tensor(v), x.device).view(1, 3, 1, 1) for v in (MEAN, STD))
    return (((x + 1) / 2 - mean) / std).to(images.dtype)
