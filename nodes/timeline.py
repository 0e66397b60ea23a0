"""The timeline: an exposure sheet, edited on the node."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import folder_paths
from comfy_api.latest import io
from PIL import Image
from torch import Tensor

from ..toon_core.shots.drawings import digest, fitted
from . import sheets
from .schema import BETWEEN, CARTOON, schema
from .shot_progress import UI

THUMBNAIL = 128  # pixels


class ToonEditTimeline(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        text = io.String.Input(
            "sheet",
            default=json.dumps(sheets.EMPTY),
            tooltip="The exposure sheet: keys, timing, prompts, takes. Also a JSON text over a "
            "link, or an object in an API prompt.",
        )
        return schema(
            node_id="ToonEditTimeline",
            display_name="Toon Timeline",
            search_aliases=[*BETWEEN, *CARTOON, "exposure sheet", "x-sheet", "storyboard", "shot"],
            category="ToonTween/shots",
            description="A shot of many key drawings, each on its frame. Checks the sheet and its "
            "pictures; nothing is sampled here.",
            inputs=[
                io.MultiType.Input(
                    text, types=[sheets.SheetType], extra_dict={"widgetType": sheets.WIDGET}
                ),
                io.Image.Input(
                    "images",
                    optional=True,
                    tooltip="Key drawings by number, for a sheet that names no files.",
                ),
                io.Image.Input(
                    "sketches", optional=True, tooltip="Line drawings by number, the same way."
                ),
            ],
            outputs=[
                sheets.SheetType.Output(display_name="sheet", tooltip="For Toon Render Shot."),
                io.Image.Output(display_name="keys", tooltip="One image for each key, fitted."),
                io.Float.Output(display_name="fps", tooltip="Frames a second."),
                io.Int.Output(display_name="length", tooltip="Frames of the shot."),
            ],
            hidden=[io.Hidden.unique_id],
        )

    @classmethod
    def fingerprint_inputs(cls, sheet: Any, **linked: Any) -> str | float:
        """What comes over a link may name files, whose changes nobody else sees: always anew."""
        return sheets.fingerprint(sheet) if sheet is not None else float("nan")

    @classmethod
    def execute(
        cls, sheet: Any, images: Tensor | None = None, sketches: Tensor | None = None
    ) -> io.NodeOutput:
        loaded = sheets.given(sheet, images, sketches)
        text = sheet if isinstance(sheet, str) else json.dumps(loaded.sheet.to_json())
        loaded = replace(loaded, node=str(cls.hidden.unique_id or ""), text=text)
        shown = {"segments": [], "pictures": _numbered(loaded)}
        rate, length = loaded.sheet.fps, loaded.sheet.length
        return io.NodeOutput(loaded, sheets.key_images(loaded), rate, length, ui={UI: [shown]})


def _numbered(loaded: sheets.LoadedSheet) -> dict[str, dict[int, str]]:
    """By the input, thumbnails of drawings that the sheet calls by their number: files in ComfyUI's
    temporary folder. The page has no other way to see a batch."""
    drawings = loaded.drawings
    size = drawings.size(loaded.sheet)
    found: dict[str, dict[int, str]] = {"images": {}, "sketches": {}}
    for key in loaded.sheet.keys:
        if isinstance(key.image, int) and key.image not in found["images"]:
            shown = fitted(drawings.key(key), size, loaded.sheet.fit)
            found["images"][key.image] = _thumbnail(shown)
    for sketch in loaded.sheet.sketches:
        if isinstance(sketch.image, int) and sketch.image not in found["sketches"]:
            found["sketches"][sketch.image] = _thumbnail(drawings.sketch(sketch))
    return found


def _thumbnail(picture: Tensor) -> str:
    """Of (h w 3) uint8 -> a file's name in ComfyUI's temporary folder."""
    name = f"{UI}/{digest(picture)}.jpg"
    path = Path(folder_paths.get_temp_directory()) / name
    if not path.is_file():
        path.parent.mkdir(parents=True, exist_ok=True)
        image = Image.fromarray(picture.numpy())
        image.thumbnail((THUMBNAIL, THUMBNAIL))
        image.save(path, quality=85)
    return name
