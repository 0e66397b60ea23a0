"""The project's own characters as ready key frames, of a clip or of a shot."""

from __future__ import annotations

import json
import wave
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from comfy_api.latest import io
from PIL import Image, ImageSequence

from . import host
from .schema import schema

CAST = host.PACK / "cast"
SHOTS = host.PACK / "js" / "example"  # where the page finds the drawings, too
DEMO, DEMO_SHOT = "girl_wave", "wave"  # those of the bundled workflows


class ToonLoadCast(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        names = sorted(_index())
        return schema(
            node_id="ToonLoadCast",
            display_name="Toon Example Keys",
            search_aliases=["cartoon", "anime", "sample images", "demo images", "keyframes"],
            category="ToonTween/loaders",
            description="Key frames of the pack's own cartoon characters (CC0), with the frames "
            "that a person animated between them.",
            inputs=[
                io.Combo.Input(
                    "clip",
                    options=names,
                    default=DEMO,
                    tooltip="Which character, and what it does.",
                )
            ],
            outputs=[
                io.Image.Output(display_name="first_image", tooltip="The first key, 512x320."),
                io.Image.Output(display_name="last_image", tooltip="The last key, 512x320."),
                io.Image.Output(
                    display_name="true_frames", tooltip="All 16 frames of the clip, to compare."
                ),
                io.String.Output(display_name="prompt", tooltip="What happens in it."),
                io.Int.Output(display_name="fps", tooltip="Frames per second of the clip."),
            ],
        )

    @classmethod
    def validate_inputs(cls, clip: str) -> bool | str:
        return host.listed(cls, clip=clip)

    @classmethod
    def fingerprint_inputs(cls, clip: str) -> str:
        path = CAST / "clips" / f"{clip}.webp"
        return str(path.stat().st_mtime_ns) if path.is_file() else "missing"

    @classmethod
    def execute(cls, clip: str) -> io.NodeOutput:
        entry = _index().get(clip)
        path = CAST / "clips" / f"{clip}.webp"
        if entry is None or not path.is_file():
            raise ValueError(
                f"The cast has no clip {clip!r}; it has {', '.join(sorted(_index()))}."
            )
        frames = _frames(path)
        return io.NodeOutput(frames[:1], frames[-1:], frames, entry["prompt"], entry["fps"])


class ToonLoadShot(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return schema(
            node_id="ToonLoadShot",
            display_name="Toon Example Shot",
            search_aliases=["cartoon", "anime", "sample images", "keyframes", "storyboard"],
            category="ToonTween/loaders",
            description="Key drawings and sound of a shot of the pack's own characters (CC0), for "
            "Toon Timeline and Toon Render Shot.",
            inputs=[
                io.Combo.Input(
                    "shot",
                    options=sorted(path.parent.name for path in SHOTS.glob("*/sheet.json")),
                    default=DEMO_SHOT,
                    tooltip="Which shot.",
                )
            ],
            outputs=[
                io.Image.Output(
                    display_name="images", tooltip="Its key drawings: a batch for Toon Timeline."
                ),
                io.Audio.Output(display_name="audio", tooltip="Its sound: for Toon Render Shot."),
                io.String.Output(
                    display_name="sheet", tooltip="Its exposure sheet as JSON, which you can edit."
                ),
            ],
        )

    @classmethod
    def validate_inputs(cls, shot: str) -> bool | str:
        return host.listed(cls, shot=shot)

    @classmethod
    def execute(cls, shot: str) -> io.NodeOutput:
        folder = SHOTS / shot
        drawings = sorted(folder.glob("*.png"), key=lambda path: int(path.stem))
        images = _batch(Image.open(path) for path in drawings)
        sheet = json.loads((folder / "sheet.json").read_text(encoding="utf-8"))
        del sheet["audio"]  # it goes by its own output
        for key in sheet["keys"]:
            key["image"] = int(Path(key["image"]).stem)
        return io.NodeOutput(images, _sound(folder / "sound.wav"), json.dumps(sheet))


def _sound(path: Path) -> dict[str, Any]:
    """AUDIO of a mono file of 16 bits."""
    with wave.open(str(path)) as file:
        samples = np.frombuffer(file.readframes(file.getnframes()), "<i2").astype(np.float32)
        return {
            "waveform": torch.from_numpy(samples / 32768)[None, None],
            "sample_rate": file.getframerate(),
        }


def _index() -> dict[str, Any]:
    return json.loads((CAST / "index.json").read_text(encoding="utf-8"))


def _frames(path: Path) -> torch.Tensor:
    with Image.open(path) as image:
        return _batch(ImageSequence.Iterator(image))


def _batch(pictures: Iterable[Image.Image]) -> torch.Tensor:
    """IMAGE of pictures of one size."""
    pixels = np.stack([np.asarray(picture.convert("RGB")) for picture in pictures])
    return torch.from_numpy(pixels).float() / 255
