"""How much memory each model's work takes, so that ComfyUI can make room for it.

The factors are live elements at the peak, counted with benchmarks/node_memory.py on the official
configuration and given in units that carry over to other sizes and widths: nano's autoencoder has
the same. Counted are also the copies that a GPU's convolutions may make of their input and output.
"""

from __future__ import annotations

import math

import comfy.model_management as mm

from ..toon_core.config import SketchConfig
from .types import LoadedAutoencoder

ENCODE = 7.5  # elements for each pixel of each image and each base channel
DECODE = 9.0  # the same for the decoder, all frames at once
DECODE_STREAMED = 3.7  # per-frame work a frame at a time
SKETCH = 24.0  # for each latent place, frame and base channel
TOWERS = 14.0  # for each image, token and channel of the image tower; the text tower takes less
IMAGE_TOKENS = 257


def encode(loaded: LoadedAutoencoder, images: int, size: tuple[int, int]) -> float:
    """Bytes for encoding `images` pictures of (height, width) pixels."""
    return images * math.prod(size) * _pixel(loaded) * ENCODE


def decode(
    loaded: LoadedAutoencoder,
    clips: int,
    frames: int,
    size: tuple[int, int],
    streamed: bool = False,
) -> float:
    """Bytes for decoding with all frames at once, or `streamed`, a frame at a time."""
    factor = DECODE_STREAMED if streamed else DECODE
    return clips * frames * math.prod(size) * _pixel(loaded) * factor


def _pixel(loaded: LoadedAutoencoder) -> float:
    return loaded.config.vae.ch * mm.dtype_size(loaded.module.dtype)


def sketch(
    config: SketchConfig, clips: float, frames: float, h: float, w: float, bytes_each: int
) -> float:
    """Bytes for the sketch encoder on latents of h x w."""
    return clips * frames * h * w * config.model_channels * bytes_each * SKETCH


def towers(width: int, images: int, bytes_each: int) -> float:
    """Bytes for both towers, the image's of `width` channels, and the projector."""
    return images * IMAGE_TOKENS * width * bytes_each * TOWERS
