"""The timeline: an exposure sheet, edited on the node."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

from comfy_api.latest import io
from torch import Tensor

from . import sheets
from .schema import BETWEEN, CARTOON, schema


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
        keys = sheets.key_images(loaded)
        return io.NodeOutput(loaded, keys, loaded.sheet.fps, loaded.sheet.length)
