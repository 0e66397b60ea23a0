"""XDTS time sheets of drawing programs, to sheets and from them."""

from __future__ import annotations

import json
import logging
from typing import Any

from comfy_api.latest import io

from ..toon_core.shots.sheet import MOST_BYTES, Sheet, SheetError
from ..toon_core.shots.takes import write_whole
from ..toon_core.shots.xdts import PICTURES, from_xdts, to_xdts
from . import host, sheets
from .render_shot import folder_of, place_of
from .schema import schema

CATEGORY = "ToonTween/shots"
WORDS = ["xdts", "x-sheet", "exposure sheet", "time sheet", "clip studio", "opentoonz"]


class ToonLoadTimeSheet(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return schema(
            node_id="ToonLoadTimeSheet",
            display_name="Toon Load Time Sheet",
            search_aliases=WORDS,
            category=CATEGORY,
            description="Reads keys, holds and exposures of an XDTS file of ComfyUI's input "
            "folder.",
            inputs=[
                io.String.Input(
                    "file", default="", tooltip="An XDTS file below ComfyUI's input folder."
                ),
                io.String.Input(
                    "pictures",
                    default=PICTURES,
                    tooltip="Names of the cells' pictures below the input folder: {track} is the "
                    "track's name, {cell} the cell's number.",
                ),
                io.Int.Input(
                    "track", default=0, min=0, max=999, tooltip="Which track, counted from 0."
                ),
                sheets.sheet_input(
                    "A sheet whose prompts, seeds and the like stay; cells are its pictures, in "
                    "order.",
                    name="onto",
                    optional=True,
                ),
            ],
            outputs=[
                io.String.Output(
                    display_name="sheet", tooltip="The sheet as JSON, for Toon Timeline."
                )
            ],
        )

    @classmethod
    def fingerprint_inputs(
        cls, file: str, pictures: str = PICTURES, track: int = 0, onto: Any = None
    ) -> str:
        """Changes with the pictures, too: Toon Render Shot does not see the files of a text."""
        told = sheets.status(str(file)) + sheets.fingerprint(onto)
        try:
            return told + sheets.fingerprint(_read(file, pictures, track, onto)[0].to_json())
        except (TypeError, ValueError, OSError):  # TypeError: a prompt's null
            return told

    @classmethod
    def execute(cls, file: str, pictures: str, track: int, onto: Any = None) -> io.NodeOutput:
        sheet, told = _read(file, pictures, track, onto)
        for line in told:
            host.say(line, level=logging.WARNING)
        return io.NodeOutput(json.dumps(sheet.to_json()))


def _read(file: str, pictures: str, track: int, onto: Any) -> tuple[Sheet, list[str]]:
    path = sheets.input_file(file)
    if path.stat().st_size > MOST_BYTES:
        raise SheetError(f"file = {file!r}: over {MOST_BYTES} bytes: not a time sheet.")
    base = sheets.document(onto) if onto else None
    text = path.read_text(encoding="utf-8-sig", errors="replace")
    return from_xdts(text, pictures, track, base)


class ToonSaveTimeSheet(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return schema(
            node_id="ToonSaveTimeSheet",
            display_name="Toon Save Time Sheet",
            search_aliases=WORDS,
            category=CATEGORY,
            description="Writes a sheet's keys, holds and exposures as an XDTS file into "
            "ComfyUI's output folder.",
            inputs=[
                sheets.sheet_input("The exposure sheet."),
                io.String.Input(
                    "name",
                    default="shot",
                    tooltip="The folder below output/toontween; the file is sheet.xdts in it.",
                ),
            ],
            outputs=[],
            is_output_node=True,
        )

    @classmethod
    def execute(cls, sheet: Any, name: str) -> io.NodeOutput:
        path = folder_of(name) / "sheet.xdts"
        text, told = to_xdts(sheets.document(sheet))
        write_whole(path, text.encode())
        host.say(f"Written: {place_of(path)}")
        if told:
            host.say(f"Not in it, as XDTS has no place for them: {', '.join(told)}.")
        return io.NodeOutput()
