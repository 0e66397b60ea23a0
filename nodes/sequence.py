"""Frames as the PNG sequence that editing programs read."""

from __future__ import annotations

import logging
import re

from comfy_api.latest import io
from PIL import Image
from torch import Tensor

from ..toon_core.shots.drawings import to_bytes
from ..toon_core.shots.render import REPORT
from . import host
from .render_shot import folder_of, place_of
from .schema import schema
from .tensors import checked

MOST = 10  # digits


class ToonSaveSequence(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return schema(
            node_id="ToonSaveSequence",
            display_name="Toon Save Sequence",
            search_aliases=["image sequence", "png sequence", "premiere", "after effects"],
            category="ToonTween/shots",
            description="Writes frames as numbered PNG files into ComfyUI's output folder.",
            inputs=[
                io.Image.Input("images", tooltip="The frames."),
                io.String.Input(
                    "name",
                    default="shot_sequence",
                    tooltip="The folder below output/toontween; files of the same names in it are "
                    "replaced.",
                ),
                io.String.Input(
                    "pattern",
                    default="frame_####.png",
                    tooltip="Name of each file; the # are its number, with as many digits.",
                ),
                io.Int.Input(
                    "first_number",
                    default=1,
                    min=0,
                    max=1_000_000,
                    tooltip="The number in the first file's name.",
                ),
            ],
            outputs=[],
            is_output_node=True,
        )

    @classmethod
    def execute(cls, images: Tensor, name: str, pattern: str, first_number: int) -> io.NodeOutput:
        frames, (before, digits, after) = checked(images, "images"), _parts(pattern)
        folder = folder_of(name)
        if (folder / REPORT).exists():
            raise ValueError(
                f"name = {name!r} is the folder of a shot, whose frames would be replaced: choose "
                "another."
            )
        folder.mkdir(parents=True, exist_ok=True)
        ours = re.compile(f"{re.escape(before)}\\d{{{digits},}}{re.escape(after)}")
        old = {path for path in folder.iterdir() if ours.fullmatch(path.name)}
        show = host.progress(len(frames))
        for n, frame in enumerate(frames):
            path = folder / f"{before}{first_number + n:0{digits}d}{after}"
            Image.fromarray(to_bytes(frame).numpy()).save(path, "PNG", compress_level=4)
            old.discard(path)
            show((n + 1) / len(frames))
        host.say(f"{len(frames)} files in {place_of(folder)}")
        if old:
            host.say(
                f"{len(old)} other files of this pattern are there, too.", level=logging.WARNING
            )
        return io.NodeOutput()


def _parts(pattern: str) -> tuple[str, int, str]:
    """What stands before the number, its digits, what stands after it. ValueError for a name that
    is no file's in one folder."""
    found = re.fullmatch(r"([\w.\- ]*?)(#+)([\w.\- ]*\.png)", pattern)
    if found is None or len(found[2]) > MOST or found[1].startswith("."):
        raise ValueError(
            f"pattern = {pattern[:100]!r}: expected a name such as frame_####.png, with letters, "
            "digits, _ - and . only."
        )
    return found[1], len(found[2]), found[3]
