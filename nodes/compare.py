"""Toon Compare Clips: two or three clips in one picture or one movie."""

from __future__ import annotations

import torch
from comfy_api.latest import io, ui
from torch import Tensor

from . import host
from .schema import schema
from .tensors import checked, resized

STRIP, WIPE, SWEEP, SIDE = "strip", "wipe", "moving wipe", "side by side"
GAP = 4  # pixels between pictures
LINE = 2  # pixels of a wipe's edge


class ToonCompareClips(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return schema(
            node_id="ToonCompareClips",
            display_name="Toon Compare Clips",
            search_aliases=["compare videos", "wipe", "side by side", "contact sheet"],
            category="ToonTween/evaluation",
            description="Two or three clips of one length against each other: frames in rows, a "
            "wipe, or side by side.",
            inputs=[
                io.Image.Input("clip_a", tooltip="The first clip; its size is used for all."),
                io.Image.Input("clip_b", tooltip="The second clip, with as many frames."),
                io.Image.Input("clip_c", optional=True, tooltip="A third one, as the truth."),
                io.Combo.Input(
                    "layout",
                    options=[STRIP, WIPE, SWEEP, SIDE],
                    default=STRIP,
                    tooltip="strip: one picture, a row for each clip. wipe: a movie that shows "
                    "clip_a left of an edge and clip_b right of it (with clip_c, thirds). moving "
                    "wipe: the edge travels through the movie. side by side: a movie of all.",
                ),
                io.Int.Input(
                    "columns",
                    default=6,
                    min=2,
                    max=64,
                    tooltip="strip: how many frames a row shows, first and last among them.",
                ),
                io.Float.Input(
                    "position",
                    default=0.5,
                    min=0.0,
                    max=1.0,
                    step=0.01,
                    tooltip="wipe: where the edge is, 0 = left, 1 = right. With clip_c the second "
                    "edge is in the middle of the rest.",
                ),
            ],
            outputs=[
                io.Image.Output(
                    display_name="comparison",
                    tooltip="One picture for a strip, else as many frames as the clips have.",
                )
            ],
            is_output_node=True,
        )

    @classmethod
    def validate_inputs(cls, layout: str) -> bool | str:
        return host.listed(cls, layout=layout)

    @classmethod
    def execute(
        cls,
        clip_a: Tensor,
        clip_b: Tensor,
        layout: str,
        columns: int,
        position: float,
        clip_c: Tensor | None = None,
    ) -> io.NodeOutput:
        given = {"clip_a": clip_a, "clip_b": clip_b, "clip_c": clip_c}
        clips = matched({name: clip for name, clip in given.items() if clip is not None})
        frames = len(clips[0])
        if layout == STRIP:
            picture = strip(clips, columns)
        elif layout == SIDE:
            picture = side_by_side(clips)
        else:
            moving = layout == SWEEP
            at = torch.linspace(0, 1, frames) if moving else torch.full((frames,), position)
            picture = wipe(clips, at.tolist())
        return io.NodeOutput(picture, ui=ui.PreviewImage(picture, cls=cls))


def matched(clips: dict[str, Tensor]) -> list[Tensor]:
    """IMAGEs of one size and length; ValueError where the lengths differ."""
    images = [checked(clip, name).float().cpu() for name, clip in clips.items()]
    lengths = {name: len(clip) for name, clip in clips.items()}
    if len(set(lengths.values())) > 1:
        told = ", ".join(f"{name} {length}" for name, length in lengths.items())
        raise ValueError(f"The clips differ in length ({told} frames): give clips of one length.")
    height, width = images[0].shape[1:3]
    return [resized(image, height, width) for image in images]


def strip(clips: list[Tensor], columns: int) -> Tensor:
    """(1 h w 3): a row per clip of `columns` frames, evenly from the first to the last."""
    frames = len(clips[0])
    at = torch.linspace(0, frames - 1, min(columns, frames)).round().long()
    rows = [_joined(list(clip[at, None]), 2) for clip in clips]
    return _joined(rows, 1)


def side_by_side(clips: list[Tensor]) -> Tensor:
    return _joined(clips, 2)


def wipe(clips: list[Tensor], positions: list[float]) -> Tensor:
    """(b h w 3): at positions[i] of frame i the first clip ends; the others share the rest."""
    made = clips[0].clone()
    width = made.shape[2]
    for i, position in enumerate(positions):
        edges = [position]
        if len(clips) == 3:
            edges.append((1 + position) / 2)
        for clip, edge in zip(clips[1:], edges, strict=True):
            column = round(edge * width)
            made[i, :, column:] = clip[i, :, column:]
            if 0 < column < width:
                made[i, :, max(column - LINE // 2, 0) : column + LINE // 2] = 1.0
    return made


def _joined(images: list[Tensor], dim: int) -> Tensor:
    """Images side by side along `dim` with white gaps."""
    parts = [images[0]]
    for image in images[1:]:
        shape = list(image.shape)
        shape[dim] = GAP
        parts += [image.new_ones(shape), image]
    return torch.cat(parts, dim)
