"""The pictures of a sheet, found, read one at a time, and fitted to the result's size."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath, PureWindowsPath

import numpy as np
import torch
from PIL import Image, ImageOps
from torch import Tensor

from ..images import Mode, Size, centre, resize
from ..pictures import open_image
from .sheet import Key, Sheet, SheetError, Sketch


@dataclass(frozen=True)
class Drawings:
    """Where pictures come from: files in `folders`, the first that has one, or `batch` and
    `sketches`, pictures (h w 3) of floats in [0, 1] or of bytes, by their place."""

    folders: Sequence[Path] = ()
    batch: Sequence[Tensor] = ()
    sketches: Sequence[Tensor] = field(default=())

    def check(self, sheet: Sheet) -> None:
        """SheetError for the first picture that is not there; none is opened."""
        for key in sheet.keys:
            self._checked(key.image, self.batch, f"key {key.id!r} (frame {key.frame})")
        for sketch in sheet.sketches:
            self._checked(sketch.image, self.sketches, f"sketches (frame {sketch.frame})")
        if sheet.audio is not None:
            find(sheet.audio.file, self.folders, "audio")

    def size(self, sheet: Sheet) -> Size:
        """(height, width) of the result."""
        if sheet.width:
            return sheet.height, sheet.width
        first = sheet.keys[0]
        height, width = self.key(first).shape[:2]
        if min(height, width) < 2:
            raise SheetError(
                f"key {first.id!r} (frame {first.frame}): {width}x{height} pixels are too few; "
                "give width and height"
            )
        return height // 2 * 2, width // 2 * 2

    def key(self, key: Key) -> Tensor:
        """(h w 3) uint8, as it is."""
        return self._read(key.image, self.batch, f"key {key.id!r} (frame {key.frame})")

    def sketch(self, sketch: Sketch) -> Tensor:
        """(h w 3) uint8, as it is."""
        return self._read(sketch.image, self.sketches, f"sketches (frame {sketch.frame})")

    def _checked(self, image: str | int, batch: Sequence[Tensor], at: str) -> None:
        if isinstance(image, str):
            find(image, self.folders, at)
        elif image >= len(batch):
            raise SheetError(f"{at}: image = {image}, but {len(batch)} pictures are given")

    def _read(self, image: str | int, batch: Sequence[Tensor], at: str) -> Tensor:
        self._checked(image, batch, at)
        if isinstance(image, int):
            return to_bytes(batch[image][..., :3])
        path = find(image, self.folders, at)
        try:
            return read_picture(path)
        except ValueError as error:
            raise SheetError(f"{at}: {error}") from None


def find(name: str, folders: Sequence[Path], at: str) -> Path:
    """A file below one of the folders; SheetError for a path that leaves them, or is not there."""
    parts = {*PurePosixPath(name).parts, *PureWindowsPath(name).parts}
    absolute = PurePosixPath(name).is_absolute() or PureWindowsPath(name).anchor
    if not name or "\0" in name or absolute or ".." in parts:
        raise SheetError(
            f"{at}: {name!r} must be a file below the sheet's folder or ComfyUI's input folder"
        )
    for folder in folders:
        path = folder / name
        if _is_file(path):
            if path.resolve().is_relative_to(folder.resolve()):
                return path
            raise SheetError(f"{at}: {name!r} is a link out of {folder}: copy the file there")
    places = ", ".join(str(folder) for folder in folders) or "no folder"
    raise SheetError(f"{at}: there is no file {name!r} in {places}")


def _is_file(path: Path) -> bool:
    try:
        return path.is_file()
    except OSError:  # such as a name that is too long
        return False


def read_picture(path: Path) -> Tensor:
    """Upright, (h w 3) uint8; transparent parts become white, 16 bits a colour 8. ValueError for
    what is no picture, and for grey ones of 16 bits or floats, whose range is not known."""
    with open_image(path) as image:
        if image.mode in ("I", "F") or image.mode.startswith("I;"):
            raise ValueError(f"its pixels are of mode {image.mode}; save it with 8 bits a channel")
        upright = ImageOps.exif_transpose(image)
        if upright.has_transparency_data:
            upright = upright.convert("RGBA")
            upright = Image.alpha_composite(Image.new("RGBA", upright.size, "white"), upright)
        return torch.from_numpy(np.array(upright.convert("RGB")))


def to_bytes(picture: Tensor) -> Tensor:
    """(... 3) floats in [0, 1] -> uint8 on the CPU; bytes stay as they are."""
    picture = picture.cpu()
    if picture.dtype == torch.uint8:
        return picture
    return (picture.float().clamp(0, 1) * 255).round().to(torch.uint8)


def fitted(picture: Tensor, size: Size, fit: Mode) -> Tensor:
    """(h w 3) uint8 -> (*size 3); of a picture of that size, or a pixel more, no pixel changes.
    Bars are black."""
    if all(want <= have <= want + 1 for have, want in zip(picture.shape[:2], size, strict=True)):
        return picture[: size[0], : size[1]]
    x = picture.permute(2, 0, 1)[None].float()
    if fit == "stretch":
        x = resize(x, size)
    else:
        pick = max if fit == "crop" else min
        scale = pick(want / have for have, want in zip(x.shape[-2:], size, strict=True))
        h, w = (max(round(side * scale), 1) for side in x.shape[-2:])
        x = centre(resize(x, (h, w)), size)
    return x[0].permute(1, 2, 0).round().clamp(0, 255).to(torch.uint8)


def digest(*parts: Tensor | str) -> str:
    """Of pictures and texts, 16 letters."""
    told = hashlib.sha256()
    for part in parts:
        if isinstance(part, Tensor):
            told.update(f"{tuple(part.shape)} {part.dtype}".encode())
            told.update(part.contiguous().numpy().tobytes())
        else:
            told.update(part.encode())
        told.update(b"\0")
    return told.hexdigest()[:16]
