"""The colours of ComfyUI's live preview: the matrix that comes nearest to an autoencoder."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor
from torch.nn.functional import interpolate

from toon_core.images import resize_and_crop
from toon_core.preview import Preview
from toon_core.vae.autoencoder import Autoencoder

KEYS = Path(__file__).resolve().parents[1] / "cast" / "keys"
SIDE = 128  # pixels: enough places for fifteen numbers, at a size that every model takes


def cast_keys() -> Tensor:
    """The key frames of the project's own cast, (n 3 SIDE SIDE) in [-1, 1]."""
    pictures = [Image.open(path).convert("RGB") for path in sorted(KEYS.glob("*.png"))]
    stacked = torch.from_numpy(np.stack([np.asarray(picture) for picture in pictures]))
    return resize_and_crop(stacked.movedim(-1, 1) / 127.5 - 1, (SIDE, SIDE))


@torch.inference_mode()
def fitted(vae: Autoencoder, scale_factor: float, pictures: Tensor) -> Preview:
    """By least squares from scaled posterior means to pictures (n 3 h w) in [-1, 1]."""
    latents = torch.cat([scale_factor * vae.encode(picture).mean for picture in pictures[:, None]])
    small = interpolate(pictures, latents.shape[-2:], mode="area")
    rows, colours = (x.movedim(1, -1).flatten(0, 2) for x in (latents, small))
    rows = torch.cat([rows, torch.ones_like(rows[:, :1])], dim=1)
    *factors, bias = torch.linalg.lstsq(rows, colours).solution.tolist()
    return Preview(factors=tuple(map(tuple, factors)), bias=tuple(bias))
