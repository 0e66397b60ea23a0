"""Takes: the frames that a model made for a segment, kept in files named by what made them."""

from __future__ import annotations

import hashlib
import io
import json
import os
import re
import uuid
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
import torch
from PIL import Image, PngImagePlugin
from torch import Tensor

from ..pictures import open_image
from .sheet import SheetError

WHAT = "toon_take"  # the PNG's text: what made it
NAME = re.compile(r"[\w.-]{1,120}")
MOST_FRAMES = 256


@dataclass(frozen=True)
class Take:
    """frames (f h w 3) uint8, the keys' included; made: what they came from."""

    name: str
    frames: Tensor
    made: dict[str, Any]


class TakeError(SheetError):
    """A take that is missing or is none."""


@dataclass(frozen=True)
class Takes:
    """A folder of takes: each one PNG, its frames one below the other."""

    folder: Path

    def has(self, name: str) -> bool:
        return self._path(name).is_file()

    def save(self, name: str, frames: Tensor, made: Mapping[str, Any]) -> None:
        """frames (f h w 3) uint8; whole or not at all."""
        count, height, width = frames.shape[:3]
        strip = Image.fromarray(frames.reshape(count * height, width, 3).numpy())
        text = PngImagePlugin.PngInfo()
        text.add_itxt(WHAT, json.dumps({**made, "frames": count}, sort_keys=True))
        out = io.BytesIO()
        strip.save(out, "PNG", pnginfo=text, compress_level=1)
        write_whole(self._path(name), out.getvalue())

    def load(self, name: str) -> Take:
        """TakeError where there is none of this name, or the file is no take."""
        path = self._path(name)
        if not path.is_file():
            raise TakeError(
                f"there is no take {name!r} in {self.folder}: remove the lock, or bring the file "
                "back"
            )
        try:
            with open_image(path) as image:
                made = _what_made(image)
                pixels = np.array(image.convert("RGB"))
            frames = pixels.reshape(made["frames"], -1, *pixels.shape[1:])
        except ValueError as error:
            raise TakeError(f"take {name!r}: {path} is damaged ({error}): remove it") from error
        return Take(name, torch.from_numpy(frames), made)

    def names(self) -> list[str]:
        """Of all takes, in order."""
        return sorted(path.stem for path in self.folder.glob("*.png"))

    def described(self) -> Iterator[tuple[str, int, Mapping[str, Any]]]:
        """Name, bytes, and what made it, of each; nothing made what is damaged or no take."""
        for path in sorted(self.folder.glob("*.png")):
            yield path.stem, path.stat().st_size, _read_made(path)

    def between(self, key: str, first: str, last: str) -> dict[str, int]:
        """Takes of a key's segment that were made from these two pictures, by their digests,
        whatever else made them: their names, oldest first, and how many frames they have."""
        paths = self.folder.glob(f"{_slug(key)}_*.png")
        found = {}
        for path in sorted(paths, key=lambda path: (path.stat().st_mtime_ns, path.name)):
            made = _read_made(path)  # damaged ones: said where they are wanted
            if (made.get("first"), made.get("last")) == (first, last):
                found[path.stem] = int(made["frames"])
        return found

    def clear(self, keep: Collection[str] = ()) -> list[str]:
        """Remove all but those to keep; the names of those removed."""
        gone = [name for name in self.names() if name not in keep]
        for name in gone:
            self._path(name).unlink(missing_ok=True)
        return gone

    def _path(self, name: str) -> Path:
        if not NAME.fullmatch(name) or name.startswith("."):
            raise TakeError(
                f"{name[:200]!r} is no name of a take: it has letters, digits, _ - and . only"
            )
        return self.folder / f"{name}.png"


def _read_made(path: Path) -> Mapping[str, Any]:
    """What made a take; nothing of one that is damaged or none."""
    status = path.stat()
    return _made_of(path, status.st_mtime_ns, status.st_size)


@lru_cache(4096)
def _made_of(path: Path, changed: int, size: int) -> Mapping[str, Any]:
    """Of a file as it is now: a timeline asks for all of a shot's again and again."""
    try:
        with open_image(path) as image:
            return MappingProxyType(_what_made(image))
    except ValueError:
        return MappingProxyType({})


def _what_made(image: Image.Image) -> dict[str, Any]:
    """ValueError for a picture that is no strip of frames. Only its head is read."""
    text = image.info.get(WHAT)
    made = json.loads(text) if isinstance(text, str) else None
    if not isinstance(made, dict):
        raise ValueError("a picture that is no take")
    count = made.get("frames")
    if type(count) is not int or not 1 <= count <= MOST_FRAMES or image.height % count:
        raise ValueError("a picture that is no take")
    return made


def take_name(key: str, made: Mapping[str, Any]) -> str:
    """The key it begins at, to be read, and what made it, to be told apart."""
    told = hashlib.sha256(json.dumps(made, sort_keys=True).encode()).hexdigest()
    return f"{_slug(key)}_{told[:16]}"


def _slug(key: str) -> str:
    return re.sub(r"[^A-Za-z0-9-]+", "-", Path(key).stem).strip("-")[:40] or "key"


def write_whole(path: Path, data: bytes) -> None:
    """A file that is there with all its bytes, or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    part = part_of(path)
    try:
        part.write_bytes(data)
        os.replace(part, path)
    except BaseException:
        part.unlink(missing_ok=True)
        raise


def part_of(path: Path) -> Path:
    """A file beside it, for what is not whole yet: readable for others as any new file, which those
    of `tempfile` are not."""
    return path.with_name(f".{uuid.uuid4().hex}.part")
