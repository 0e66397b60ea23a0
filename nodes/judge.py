"""The guards of a shot's segment, as numbers and as a picture."""

from __future__ import annotations

import json
import math
from dataclasses import asdict

import numpy as np
import torch
from comfy_api.latest import io, ui
from einops import rearrange
from PIL import Image, ImageDraw
from torch import Tensor

from ..toon_core.shots import guards
from ..toon_core.shots.guards import judge
from .schema import schema
from .tensors import checked, resized

LIMITS = {
    "jump_first": guards.JUMP,
    "jump_last": guards.JUMP,
    "cut": guards.CUT,
    "fade": guards.FADE,
    "ghost": guards.GHOST,
    "drift": guards.DRIFT,
    "flicker": guards.FLICKER,
}
WIDTH, ROW, LABEL = 512, 26, 120
GOOD, BAD, PAPER, INK = (88, 150, 96), (200, 84, 60), (250, 248, 244), (40, 36, 32)


class ToonJudgeSegment(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return schema(
            node_id="ToonJudgeSegment",
            display_name="Toon Judge Segment",
            search_aliases=["guards", "cross-fade", "flicker", "metrics", "quality"],
            category="ToonTween/evaluation",
            description="Whether a clip between two keys jumps, fades, doubles its lines, drifts "
            "in colour or flickers, without knowing the true frames.",
            inputs=[
                io.Image.Input(
                    "images",
                    tooltip="The clip, with its keys, or without those that are connected below.",
                ),
                io.Image.Input(
                    "first_image",
                    optional=True,
                    tooltip="The first key, if images begins after it.",
                ),
                io.Image.Input(
                    "last_image",
                    optional=True,
                    tooltip="The last key, if images ends before it.",
                ),
            ],
            outputs=[
                io.String.Output(
                    display_name="scores", tooltip="The figures and warnings as JSON."
                ),
                io.Image.Output(display_name="picture", tooltip="The figures as bars."),
            ],
            is_output_node=True,
        )

    @classmethod
    def execute(
        cls, images: Tensor, first_image: Tensor | None = None, last_image: Tensor | None = None
    ) -> io.NodeOutput:
        clip = checked(images, "images").float().cpu().clamp(0, 1)
        clip = rearrange(clip, "f h w c -> f c h w")
        given = sum(key is not None for key in (first_image, last_image))
        if len(clip) + given < 2:
            raise ValueError(f"images: {len(clip)} frame; a clip has its two keys at least.")
        if first_image is not None:
            clip = torch.cat([_key(first_image, "first_image", clip), clip])
        if last_image is not None:
            clip = torch.cat([clip, _key(last_image, "last_image", clip)])
        found = judge(clip, clip[0], clip[-1])
        figures = {k: v for k, v in asdict(found).items() if k != "warnings"}
        told = {k: None if math.isnan(v) else round(v, 4) for k, v in figures.items()}
        scores = json.dumps({**told, "warnings": found.warnings})
        text = "\n".join(found.warnings) or "Nothing to warn of."
        return io.NodeOutput(scores, picture_of(told), ui=ui.PreviewText(text))


def _key(image: Tensor, name: str, clip: Tensor) -> Tensor:
    """(1 3 h w) as large as the clip's frames."""
    fitted = resized(checked(image[:1], name).float().cpu(), *clip.shape[-2:])
    return rearrange(fitted, "1 h w c -> 1 c h w")


def picture_of(figures: dict[str, float | None]) -> Tensor:
    """IMAGE with a bar for each figure; the line is where a warning begins."""
    picture = Image.new("RGB", (WIDTH, ROW * len(LIMITS) + 8), PAPER)
    draw = ImageDraw.Draw(picture)
    scale = (WIDTH - LABEL - 70) / 2  # pixels up to the limit
    for row, (name, limit) in enumerate(LIMITS.items()):
        top, value = 4 + ROW * row, figures[name]
        draw.text((8, top + 6), name, INK)
        if value is not None:
            length = min(value / limit, 2) * scale
            colour = BAD if value > limit else GOOD
            draw.rectangle((LABEL, top + 4, LABEL + length, top + ROW - 5), fill=colour)
        told = "nothing to measure" if value is None else f"{value:.3g}"
        draw.text(
            (LABEL + 2 * scale + 8, top + 6) if value is not None else (LABEL, top + 6), told, INK
        )
        draw.line((LABEL + scale, top, LABEL + scale, top + ROW), fill=INK)
    return torch.from_numpy(np.array(picture)).float()[None] / 255
