"""Pictures in files of any origin: which formats and sizes are opened at all."""

from __future__ import annotations

import struct
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from PIL import Image

# What readers of images and arrays raise on bytes that are none, and files that cannot be opened.
UNREADABLE = (
    *(OSError, ValueError, SyntaxError, KeyError, EOFError, OverflowError, struct.error),
    *(zlib.error, zipfile.BadZipFile, Image.DecompressionBombError),
)
FORMATS = ("PNG", "WEBP", "GIF", "JPEG", "TIFF", "BMP")


@contextmanager
def open_image(source: Path | IO[bytes]) -> Iterator[Image.Image]:
    """An image of `FORMATS`, closed when the block ends.

    Left to itself Pillow goes by the content, and gives PostScript to Ghostscript. Whatever an
    image does in the block is one ValueError, too, which names the file.
    """
    try:
        with Image.open(source, formats=FORMATS) as image:
            yield image
    except UNREADABLE as error:
        name = f"{source}: " if isinstance(source, Path) else ""
        unknown = isinstance(error, Image.UnidentifiedImageError)
        reason = f"it is none of {', '.join(FORMATS)}" if unknown else error
        raise ValueError(f"{name}cannot be read as an image ({reason})") from error
