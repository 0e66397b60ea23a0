"""Exposure sheets in ComfyUI: where they come from, and where their pictures are."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import folder_paths
import torch
from comfy_api.latest import io
from torch import Tensor

from ..toon_core.shots.drawings import Drawings, find, fitted
from ..toon_core.shots.reading import read_sheet
from ..toon_core.shots.sheet import Sheet, SheetError
from . import host
from .alpha import FILL, filled

SheetType = io.Custom("TOON_SHEET")
WIDGET = "TOON_TIMELINE"  # the page's name of the timeline

EMPTY: dict[str, Any] = {"version": 1, "length": 24, "keys": []}


@dataclass(frozen=True)
class LoadedSheet:
    """A checked sheet with the pictures that it names; the node of the timeline that shows it, if
    any, and the text that stands there."""

    sheet: Sheet
    drawings: Drawings
    node: str = ""
    text: str = ""


def load_sheet(sheet: Sheet, images: Tensor | None, sketches: Tensor | None) -> LoadedSheet:
    """With IMAGE batches; its pictures are there. Files are those of ComfyUI's input folder."""
    return _with(LoadedSheet(sheet, Drawings([input_folder()])), images, sketches)


def input_folder() -> Path:
    return Path(folder_paths.get_input_directory())


def given(sheet: Any, images: Tensor | None, sketches: Tensor | None) -> LoadedSheet:
    """What a sheet input brings: a sheet of Toon Timeline, or a document. A batch that is connected
    here takes the place of the timeline's. ValueError for an empty one."""
    if isinstance(sheet, LoadedSheet):
        return _with(sheet, images, sketches)
    return load_sheet(document(sheet), images, sketches)


def _with(loaded: LoadedSheet, images: Tensor | None, sketches: Tensor | None) -> LoadedSheet:
    drawings = loaded.drawings
    if images is not None:
        drawings = replace(drawings, batch=_pictures(images, "images"))
    if sketches is not None:
        drawings = replace(drawings, sketches=_pictures(sketches, "sketches"))
    drawings.check(loaded.sheet)
    return replace(loaded, drawings=drawings)


def document(sheet: Any) -> Sheet:
    """The sheet alone, without its pictures. ValueError for an empty one."""
    if isinstance(sheet, LoadedSheet):
        return sheet.sheet
    if not isinstance(sheet, Mapping) and not str(sheet).strip():
        raise ValueError("sheet is empty: connect Toon Timeline, or give the sheet as JSON.")
    return read_sheet(sheet if isinstance(sheet, Mapping) else str(sheet))


def _pictures(images: Tensor, name: str) -> list[Tensor]:
    """Transparent parts become white, as those of files do. ValueError for what is no IMAGE."""
    return list(filled(images, None, FILL, name)[0])


def fingerprint(given: Any) -> str:
    """Changes when the document or a file that it names does; what comes over a link is known by
    what made it."""
    if given is None or isinstance(given, LoadedSheet):
        return ""
    text = given if isinstance(given, str) else json.dumps(given, sort_keys=True, default=str)
    try:
        sheet = read_sheet(given if isinstance(given, Mapping) else text)
    except SheetError:
        return text
    told = [text]
    images = [*(key.image for key in sheet.keys), *(s.image for s in sheet.sketches)]
    images += [sheet.audio.file] if sheet.audio else []
    told += [status(image) for image in images if isinstance(image, str)]
    return " ".join(told)


def status(name: str) -> str:
    try:
        status = find(name, [input_folder()], "").stat()
    except (SheetError, OSError):
        return f"{name} missing"
    return f"{name} {status.st_mtime_ns} {status.st_size}"


def key_images(loaded: LoadedSheet) -> Any:
    """One IMAGE of the result's size for each key."""
    keys, size = loaded.sheet.keys, loaded.drawings.size(loaded.sheet)

    def read() -> Tensor:
        images = torch.empty(len(keys), *size, 3)
        for image, key in zip(images, keys, strict=True):
            image.copy_(fitted(loaded.drawings.key(key), size, loaded.sheet.fit)).div_(255)
        return images

    place = "Toon Render Shot needs none of them: it reads one drawing at a time from the sheet."
    return host.images_of(read, len(keys), size, "keys", place)


def sheet_input(tooltip: str, name: str = "sheet", optional: bool = False) -> Any:
    """A text, an object in an API prompt, or a link from Toon Timeline or a text node."""
    text = io.String.Input(name, default="", tooltip=tooltip, optional=optional)
    return io.MultiType.Input(text, types=[SheetType])


def input_file(name: str) -> Path:
    """A file below ComfyUI's input folder; ValueError where there is none."""
    return find(str(name), [input_folder()], "file")
