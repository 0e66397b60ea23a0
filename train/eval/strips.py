"""A clip as one picture that a page can play: its frames in rows."""

import base64
import io

from PIL import Image
from torch import Tensor

from .clips import pixels

COLUMNS = 4  # frames side by side: WebP ends at 16383 pixels


def strip(frames: Tensor) -> Image.Image:
    """Frames (f 3 h w) in [0, 1] in rows of `COLUMNS`."""
    levels = pixels(frames)
    height, width = levels.shape[1:3]
    columns, rows = min(COLUMNS, len(levels)), -(-len(levels) // COLUMNS)
    sheet = Image.new("RGB", (columns * width, rows * height))
    for i, frame in enumerate(levels):
        row, column = divmod(i, COLUMNS)
        sheet.paste(Image.fromarray(frame), (column * width, row * height))
    return sheet


def embedded(frames: Tensor, quality: int = 80) -> str:
    """The strip as a data URL, lossy."""
    file = io.BytesIO()
    strip(frames).save(file, "WEBP", quality=quality)
    return "data:image/webp;base64," + base64.b64encode(file.getvalue()).decode("ascii")
