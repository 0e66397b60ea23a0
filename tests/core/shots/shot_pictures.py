"""Pictures of a disc, and those that were written."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw


def drawing(x: int, size: tuple[int, int] = (64, 64), y: int | None = None) -> Image.Image:
    """A red disc with an eye, its centre at x."""
    image = Image.new("RGB", size, (250, 240, 210))
    draw, y = ImageDraw.Draw(image), size[1] // 2 if y is None else y
    draw.ellipse(
        (x - 11, y - 11, x + 11, y + 11), fill=(200, 40, 40), outline=(20, 10, 10), width=2
    )
    draw.ellipse((x + 2, y - 5, x + 6, y - 1), fill=(20, 10, 10))
    return image


def pixels(path: Path) -> np.ndarray:
    with Image.open(path) as image:
        return np.array(image)
