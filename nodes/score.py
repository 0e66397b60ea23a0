"""Toon Score Clip: a clip against its keys, the true frames and a sketch, in figures."""

from __future__ import annotations

import json

import torch
from comfy_api.latest import io, ui
from einops import rearrange
from torch import Tensor

from ..toon_core.metrics.metric import Comparison, measure
from ..toon_core.metrics.registry import metrics
from .schema import schema
from .tensors import checked, resized


class ToonScoreClip(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return schema(
            node_id="ToonScoreClip",
            display_name="Toon Score Clip",
            search_aliases=["evaluate", "metrics", "psnr", "ssim"],
            category="ToonTween/evaluation",
            description="Figures of a clip: against its keys, against true frames where you have "
            "them, and against a sketch. The same measures as train.evaluate.",
            inputs=[
                io.Image.Input("images", tooltip="The clip, key frames included."),
                io.Image.Input(
                    "truth", optional=True, tooltip="The true frames, as many as the clip has."
                ),
                io.Image.Input(
                    "first_image",
                    optional=True,
                    tooltip="The first key. Without it, the first frame of truth, else of images.",
                ),
                io.Image.Input(
                    "last_image",
                    optional=True,
                    tooltip="The last key. Without it, the last frame of truth, else of images.",
                ),
                io.Image.Input("sketch", optional=True, tooltip="A line drawing of one frame."),
                io.Int.Input(
                    "sketch_frame",
                    default=7,
                    min=0,
                    max=4095,
                    optional=True,
                    tooltip="Which frame the sketch is of, counted from 0.",
                ),
            ],
            outputs=[
                io.String.Output(display_name="report", tooltip="A Markdown table of the figures."),
                io.String.Output(display_name="scores", tooltip="The figures as JSON."),
            ],
            is_output_node=True,
        )

    @classmethod
    def execute(
        cls,
        images: Tensor,
        truth: Tensor | None = None,
        first_image: Tensor | None = None,
        last_image: Tensor | None = None,
        sketch: Tensor | None = None,
        sketch_frame: int = 7,
    ) -> io.NodeOutput:
        frames = _clip(images, "images")
        if len(frames) < 4:
            raise ValueError(f"images: {len(frames)} frames; a clip needs 2 keys and 2 inner ones.")
        size = frames.shape[-2:]
        true = None if truth is None else _true_frames(truth, frames)
        held = frames if true is None else true
        first = held[0] if first_image is None else _clip(first_image, "first_image", size)[0]
        last = held[-1] if last_image is None else _clip(last_image, "last_image", size)[0]
        sketches = {}
        if sketch is not None:
            if sketch_frame >= len(frames):
                raise ValueError(
                    f"sketch_frame {sketch_frame}: the clip has the frames 0 to {len(frames) - 1}."
                )
            sketches = {sketch_frame: _clip(sketch, "sketch", size)[0]}
        clip = Comparison(frames=frames, first=first, last=last, truth=true, sketches=sketches)
        scores = measure(metrics("plain"), clip)
        report = markdown(scores)
        return io.NodeOutput(report, json.dumps(scores), ui=ui.PreviewText(report))


def markdown(scores: dict[str, float]) -> str:
    lines = ["| measure | value | meaning |", "| --- | ---: | --- |"]
    for metric in metrics("plain"):
        if metric.key in scores:
            value = f"{scores[metric.key]:.{metric.digits}f}"
            lines.append(f"| {metric.key} | {value} | {metric.better}: {metric.meaning} |")
    return "\n".join(lines)


def _clip(images: Tensor, name: str, size: torch.Size | None = None) -> Tensor:
    """IMAGE -> (f 3 h w) in [0, 1] on the CPU, resized where a size is given."""
    clip = checked(images, name).float().cpu()
    clip = resized(clip, *(size or clip.shape[1:3]))
    return rearrange(clip, "f h w c -> f c h w").contiguous()


def _true_frames(truth: Tensor, frames: Tensor) -> Tensor:
    true = _clip(truth, "truth", frames.shape[-2:])
    if len(true) != len(frames):
        raise ValueError(
            f"truth has {len(true)} frames and images {len(frames)}: give clips of one length."
        )
    return true
