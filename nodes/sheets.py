"""Exposure sheets in ComfyUI: where they come from, and where their pictures are."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import folder_paths
from comfy_api.latest import io
from torch import Tensor

from ..toon_core.shots.drawings import Drawings, find, fitted
from ..toon_core.shots.sheet import Sheet, SheetError, read_sheet

SheetType = io.Custom("TOON_SHEET")
WIDGET = "TOON_TIMELINE"  # the page's name of the timeline

EMPTY: dict[str, Any] = {"version": 1, "length": 24, "keys": []}


@dataclass(frozen=True)
class LoadedSheet:
    """A checked sheet with the pictures that it names."""

    sheet: Sheet
    drawings: Drawings


def load_sheet(given: Any, images: Tensor | None, sketches: Tensor | None) -> LoadedSheet:
    """A JSON text or object with IMAGE batches -> the sheet, whose pictures are there. Files are
    those of ComfyUI's input folder."""
    sheet = read_sheet(given if isinstance(given, Mapping) else str(given))
    drawings = Drawings([input_folder()], _list(images), _list(sketches))
    drawings.check(sheet)
    return LoadedSheet(sheet, drawings)


def input_folder() -> Path:
    return Path(folder_paths.get_input_directory())


def _list(images: Tensor | None) -> list[Tensor]:
    return [] if images is None else list(images)


def fingerprint(given: Any) -> str:
    """Changes when the document or a file that it names does."""
    text = given if isinstance(given, str) else json.dumps(given, sort_keys=True, default=str)
    try:
        sheet = read_sheet(given if isinstance(given, Mapping) else text)
    except SheetError:
        return text
    told = [text]
    for key in (*sheet.keys, *sheet.sketches):
        if isinstance(key.image, str):
            told.append(_status(key.image))
    return " ".join(told)


def _status(name: str) -> str:
    try:
        status = find(name, [input_folder()], "").stat()
    except (SheetError, OSError):
        return f"{name} missing"
    return f"{name} {status.st_mtime_ns} {status.st_size}"


def key_images(loaded: LoadedSheet) -> Tensor:
    """One IMAGE of the result's size for each key."""
    import torch

    size = loaded.drawings.size(loaded.sheet)
    pictures = [fitted(loaded.drawings.key(k), size, loaded.sheet.fit) for k in loaded.sheet.keys]
    return torch.stack(pictures).float() / 255


def sheet_input(tooltip: str) -> Any:
    """A text, an object in an API prompt, or a link from Toon Timeline or a text node."""
    return io.MultiType.Input(
        io.String.Input("sheet", default="", tooltip=tooltip),
        types=[SheetType],
    )
