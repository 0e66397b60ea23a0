"""One frame: to the bytes of a lossless WebP and back, its alpha ordinary or premultiplied."""

import io
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

import numpy as np
from PIL import Image

from toon_core import pictures
from train.data.readers.limits import check_shape


def encode_frame(frame: np.ndarray) -> bytes:
    """(h w 4) uint8 premultiplied RGBA, (h w 3) RGB or (h w) grey, to a lossless WebP of ordinary
    alpha."""
    if frame.ndim == 3 and frame.shape[2] == 4:
        frame = frame[..., :3] if frame[..., 3].min() == 255 else straight(frame)
    out = io.BytesIO()
    image = Image.fromarray(np.ascontiguousarray(frame))
    image.save(out, "WEBP", lossless=True, quality=40, method=2)
    return out.getvalue()


@contextmanager
def open_image(source: Path | IO[bytes]) -> Iterator[Image.Image]:
    """An image that a renderer would take, too, closed when the block ends; ValueError as
    `toon_core.pictures.open_image`."""
    with pictures.open_image(source) as image:
        check_shape(*image.size)
        yield image


def decode_frame(source: Path | bytes) -> np.ndarray:
    """Any image to (h w 4) uint8 RGBA with premultiplied alpha; ValueError where it is none."""
    with open_image(source if isinstance(source, Path) else io.BytesIO(source)) as image:
        return np.asarray(as_rgba(image).convert("RGBa"))


def decode_grey(data: bytes) -> np.ndarray:
    """Any image to (h w) uint8; ValueError where it is none."""
    with open_image(io.BytesIO(data)) as image:
        return np.asarray(image.convert("L"))


def as_rgba(image: Image.Image) -> Image.Image:
    """The image in mode RGBA; ValueError for 16 bits and floats, which Pillow would clip."""
    if image.mode in ("I", "F") or image.mode.startswith("I;"):
        raise ValueError(f"pixels of mode {image.mode}; expected 8 bits a channel")
    return image.convert("RGBA")


def over_white(pixels: np.ndarray) -> np.ndarray:
    """Premultiplied RGBA (... 4) uint8 over white, as RGB."""
    return pixels[..., :3] + (255 - pixels[..., 3:])


def straight(pixels: np.ndarray) -> np.ndarray:
    """Premultiplied RGBA (... 4) uint8 to ordinary, of which Pillow's mode RGBa is exactly
    it again."""
    alpha = pixels[..., 3:].astype(np.uint16)
    safe = np.maximum(alpha, 1)
    colour = np.minimum((pixels[..., :3].astype(np.uint16) * 255 + safe // 2) // safe, 255)
    return np.concatenate([np.where(alpha > 0, colour, 0), alpha], -1).astype(np.uint8)
