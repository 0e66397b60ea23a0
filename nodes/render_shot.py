"""A whole shot: its takes are made by the MODEL, kept, and shown as the sheet times them."""

from __future__ import annotations

import json
import logging
import shutil
import uuid
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import folder_paths
import numpy as np
import torch
from comfy_api.latest import InputImpl, io
from PIL import Image
from torch import Tensor

from ..toon_core.shots.identity import file_digest
from ..toon_core.shots.movie import made_sound
from ..toon_core.shots.render import MOVIE, frame_name, render
from ..toon_core.shots.sheet import Sheet
from ..toon_core.shots.shot import Shot
from ..toon_core.shots.takes import Takes
from . import host, recipe, sheets
from .model_identity import identity_of
from .schema import BETWEEN, CARTOON, schema
from .shot_maker import ComfyMaker
from .shot_progress import ShotProgress
from .sketch_patch import sketches_of
from .types import (
    AutoencoderType,
    ConditionerType,
    LoadedAutoencoder,
    LoadedConditioner,
    LoadedSketchEncoder,
    SketchEncoderType,
)

FOLDER = "toontween"  # below ComfyUI's output folder
MOST_SAID = 3  # warnings on the node; the report has them all


class ToonRenderShot(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return schema(
            node_id="ToonRenderShot",
            display_name="Toon Render Shot",
            search_aliases=[*BETWEEN, *CARTOON, "exposure sheet", "timeline", "storyboard"],
            advanced=["steps", "cfg_scale", "best_take"],
            category="ToonTween/shots",
            description="Draws a shot between all its keys. Only segments that have changed are "
            "sampled; what was made before is kept in ComfyUI's output folder.",
            inputs=_inputs(),
            outputs=[
                io.Image.Output(display_name="images", tooltip="All frames of the shot."),
                io.Video.Output(display_name="video", tooltip="The same, with its sound."),
                io.String.Output(display_name="report", tooltip="What was made, as JSON."),
            ],
            is_output_node=True,
        )

    @classmethod
    def validate_inputs(cls, keep_still: str = recipe.OWN) -> bool | str:
        return host.listed(cls, keep_still=keep_still)

    @classmethod
    def fingerprint_inputs(cls, sheet: Any = None, **linked: Any) -> str:
        return sheets.fingerprint(sheet)

    @classmethod
    def execute(
        cls,
        model: Any,
        conditioner: LoadedConditioner,
        toon_vae: LoadedAutoencoder,
        sheet: Any,
        name: str,
        steps: int,
        cfg_scale: float,
        best_take: bool,
        images: Tensor | None = None,
        sketch_encoder: LoadedSketchEncoder | None = None,
        sketches: Tensor | None = None,
        clip: Any = None,
        clip_vision: Any = None,
        audio: Any = None,
        turbo: bool = False,
        keep_still: str = recipe.OWN,
    ) -> io.NodeOutput:
        if sketches_of(model.model_options["transformer_options"]):
            raise ValueError(
                "This MODEL carries sketches of Toon Apply Sketch, which belong to one clip: put "
                "them into the sheet, and connect the sketch encoder here."
            )
        loaded = sheets.given(sheet, images, sketches)
        own, given = recipe.of_model(model, turbo), {"steps": steps, "cfg_scale": cfg_scale}
        r = recipe.settled(own, **given, keep_still=keep_still)
        place = folder_of(name)
        takes = Takes(place / "takes")
        notes = _root() / "models.json"  # one for all shots: a digest of 10 GB takes a minute
        others = [other for other in (toon_vae, clip, clip_vision) if other is not None]
        identity, unknown = identity_of(model, conditioner, others, notes)
        if unknown:
            host.say(
                f"{', '.join(unknown)}: takes made with this are known until ComfyUI is started "
                "again, and then made anew.",
                level=logging.WARNING,
            )
        maker = ComfyMaker(
            model,
            conditioner,
            toon_vae,
            r,
            identity,
            sketch_encoder=sketch_encoder,
            sketch_identity=file_digest(sketch_encoder.path, notes) if sketch_encoder else "",
            clip=clip,
            clip_vision=clip_vision,
        )
        shot = Shot.of(loaded.sheet, loaded.drawings, maker)
        sound = _sound(audio, loaded.sheet)
        show = ShotProgress(model, loaded, shot, takes, place_of(place))
        show.start()
        try:
            report = render(shot, maker, takes, place, show, best_take, sound)
        except BaseException as error:
            show.stop(failed=not host.is_cancel(error))
            raise
        shown = show.done(report, sound)
        _tell(report)
        frames = host.images_of(
            lambda: _read_frames(place, report["frames"]),
            report["frames"],
            shot.size,
            "images",
            f"They are in the output folder, {place_of(place)}, and the movie is there, too.",
        )
        movie = InputImpl.VideoFromFile(str(_kept(place / MOVIE)))
        # As its own output too: a page that is opened later is told again by the cached node.
        return io.NodeOutput(frames, movie, json.dumps(report, ensure_ascii=False), ui=shown)


def _kept(movie: Path) -> Path:
    """A copy in ComfyUI's temporary folder: the next run of this shot replaces the file, while this
    one's VIDEO may still be saved."""
    folder = Path(folder_paths.get_temp_directory())
    folder.mkdir(parents=True, exist_ok=True)
    return Path(shutil.copyfile(movie, folder / f"toon_shot_{uuid.uuid4().hex}.mp4"))


def _tell(report: Mapping[str, Any]) -> None:
    sampled = ", ".join(map(repr, report["sampled"])) or "nothing, all of it was there"
    host.say(f"Sampled: {sampled}")
    for note in report["notes"]:
        host.say(note)
    warnings = [f"From key {s['from']!r}: {w}" for s in report["segments"] for w in s["warnings"]]
    for warning in warnings[:MOST_SAID]:
        host.say(warning, level=logging.WARNING)
    if len(warnings) > MOST_SAID:
        host.say(f"The report has {len(warnings) - MOST_SAID} more of these.")


def _root() -> Path:
    return (Path(folder_paths.get_output_directory()) / FOLDER).resolve()


def place_of(path: Path) -> str:
    """As seen from ComfyUI's output folder."""
    return f"{FOLDER}/{path.relative_to(_root()).as_posix()}"


def folder_of(name: str) -> Path:
    """A folder below ComfyUI's output folder; ValueError for a name that would leave it."""
    root = _root()
    place = root if "\0" in name else (root / name.strip()).resolve()
    if place == root or not place.is_relative_to(root):
        raise ValueError(
            f"name = {name[:100]!r}: give the name of a folder below ComfyUI's output folder, such "
            "as shot_01."
        )
    return place


def _read_frames(place: Path, count: int) -> Tensor:
    """IMAGE of all frames, as they are in the files."""
    out: Tensor | None = None
    for n in range(count):
        with Image.open(place / frame_name(n)) as image:
            frame = torch.from_numpy(np.array(image.convert("RGB"))).float() / 255
        if out is None:
            out = frame.new_empty(count, *frame.shape)
        out[n] = frame
    assert out is not None
    return out


def _sound(audio: Any, sheet: Sheet) -> np.ndarray | None:
    """ComfyUI's AUDIO for the movie."""
    if audio is None:
        return None
    seconds = sheet.length / sheet.fps
    return made_sound(audio["waveform"][0], int(audio["sample_rate"]), seconds)


def _inputs() -> list[Any]:
    return [
        io.Model.Input("model", tooltip="From Toon Load Model, with or without LoRA."),
        ConditionerType.Input("conditioner", tooltip="From Toon Load Model."),
        AutoencoderType.Input("toon_vae", tooltip="From Toon Load Model."),
        sheets.sheet_input("The exposure sheet: from Toon Timeline, or as a JSON text."),
        io.String.Input(
            "name",
            default="shot",
            tooltip="The folder below ComfyUI's output/toontween where frames, movie, report and "
            "takes are kept.",
        ),
        recipe.steps_input("How many steps each segment takes."),
        recipe.cfg_scale_input(
            "How strongly prompt and first image are followed, 1 to 30; the release takes 7.5. 1 "
            "takes half the time."
        ),
        io.Boolean.Input(
            "best_take",
            default=False,
            tooltip="Of several takes of a segment, none of them locked, show the one whose "
            "largest step is smallest; otherwise the first.",
        ),
        recipe.turbo_input("Takes made so are kept beside the others."),
        io.Image.Input(
            "images", optional=True, tooltip="Key drawings by number, if the sheet names no files."
        ),
        SketchEncoderType.Input(
            "sketch_encoder", optional=True, tooltip="For a sheet with sketches."
        ),
        io.Image.Input("sketches", optional=True, tooltip="Line drawings by number."),
        io.Clip.Input("clip", optional=True, tooltip="For pruned files: the text encoder."),
        io.ClipVision.Input(
            "clip_vision", optional=True, tooltip="For pruned files: the image encoder."
        ),
        io.Audio.Input(
            "audio",
            optional=True,
            tooltip="Sound from the first frame on, for a sheet that names none.",
        ),
        recipe.keep_still_input(),
    ]
