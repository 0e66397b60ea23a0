"""A rendered frame becomes a key of the sheet."""

from __future__ import annotations

import hashlib
import json
from typing import Any

from comfy_api.latest import io
from PIL import Image
from torch import Tensor

from ..toon_core.shots.drawings import to_bytes
from ..toon_core.shots.promote import promote
from . import sheets
from .schema import BETWEEN, schema
from .tensors import checked

FOLDER = "toontween"  # below ComfyUI's input folder


class ToonPromoteFrame(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return schema(
            node_id="ToonPromoteFrame",
            display_name="Toon Promote Frame",
            search_aliases=[*BETWEEN, "breakdown", "exposure sheet"],
            category="ToonTween/shots",
            description="Makes a rendered frame a breakdown key at its place. The picture is put "
            "into ComfyUI's input folder; both halves are then made anew.",
            inputs=[
                sheets.sheet_input("The sheet that was rendered."),
                io.Image.Input("images", tooltip="Its frames, from Toon Render Shot."),
                io.Int.Input(
                    "frame",
                    default=2,
                    min=1,
                    max=100_000,
                    tooltip="Which frame, counted from 1 as the timeline shows it.",
                ),
            ],
            outputs=[
                io.String.Output(
                    display_name="sheet", tooltip="The new sheet as JSON, for Toon Timeline."
                )
            ],
            is_output_node=True,
        )

    @classmethod
    def execute(cls, sheet: Any, images: Tensor, frame: int) -> io.NodeOutput:
        document, frames = sheets.document(sheet), checked(images, "images")
        if len(frames) != document.length:
            raise ValueError(
                f"images: {len(frames)} frames, and the sheet has {document.length}: connect "
                "what Toon Render Shot made of this very sheet."
            )
        index = frame - 1
        if index >= len(frames):
            raise ValueError(f"frame = {frame}: the shot has {len(frames)} frames.")
        pixels = to_bytes(frames[index]).numpy()
        name = f"{FOLDER}/frame_{frame:04d}_{hashlib.sha256(pixels.tobytes()).hexdigest()[:8]}.png"
        promoted = promote(document, index, name)
        path = sheets.input_folder() / name
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(pixels).save(path)
        text = json.dumps(promoted.to_json())
        return io.NodeOutput(text, ui={"text": [text]})
