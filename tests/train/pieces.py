"""Pieces of clips for the filters: a disc that crosses stripes; and the first part of a clip."""

from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw

from train.data.filters.base import Piece
from train.data.readers.clips import Clip, open_segments


def scene(hue: int, count: int, height: int = 54, width: int = 96) -> np.ndarray:
    """A disc that crosses a picture of stripes."""
    frames = []
    for number in range(count):
        image = Image.new("RGB", (width, height), (hue, 255 - hue, 90))
        draw = ImageDraw.Draw(image)
        for x in range(0, width, 24):
            draw.rectangle((x, 0, x + 8, height), fill=(hue // 2, 60, 255 - hue))
        draw.ellipse((number, 15, number + 20, 35), fill=(255, 255, 0), outline=(0, 0, 0))
        frames.append(np.asarray(image))
    return np.stack(frames)


def piece(frames: np.ndarray, alpha: bool = False, **rest) -> Piece:
    opaque = np.full((*frames.shape[:3], 1), 255, np.uint8)
    pixels = np.concatenate([frames, opaque], -1)
    return Piece(frames=pixels, fps=24.0, alpha=alpha, **rest)


def open_clip(path: Path, size: int = 128) -> Clip:
    return next(open_segments(path, size))
