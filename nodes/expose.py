"""Exposure for any frames: which of them is shown when, by their measured motion."""

from __future__ import annotations

from typing import Any

import torch
from comfy_api.latest import io
from torch import Tensor

from ..toon_core.shots.charts import CHARTS, eased, places
from ..toon_core.shots.drawings import to_bytes
from ..toon_core.shots.spacing import chosen, way_of
from ..toon_core.shots.timing import drawing_starts, shown
from . import host
from .schema import BETWEEN, schema
from .tensors import checked

BY_AMOUNTS = "slow_out and slow_in"


class ToonExposeFrames(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        amount = {"default": 0.0, "min": 0.0, "max": 1.0, "step": 0.05}
        return schema(
            node_id="ToonExposeFrames",
            display_name="Toon Expose Frames",
            search_aliases=[*BETWEEN, "on twos", "timing chart", "exposure sheet", "retime"],
            advanced=["slow_out", "slow_in"],
            category="ToonTween/shots",
            description="Retimes a clip between two keys: so many frames, each drawing shown for "
            "one to four of them, spaced by a chart on the motion that is measured in it.",
            inputs=[
                io.Image.Input("images", tooltip="A clip of any length, both keys included."),
                io.Int.Input(
                    "length",
                    default=16,
                    min=2,
                    max=4096,
                    tooltip="Frames of the result, both keys included.",
                ),
                io.Int.Input(
                    "exposure",
                    default=2,
                    min=1,
                    max=4,
                    tooltip="Frames that each drawing is shown: 1, 2 (on twos), 3 or 4.",
                ),
                io.Combo.Input(
                    "chart",
                    options=[BY_AMOUNTS, *CHARTS],
                    default=BY_AMOUNTS,
                    tooltip="Where on the way the drawings lie.",
                ),
                io.Float.Input(
                    "slow_out", **amount, tooltip="How slowly the first key is left; 0 is even."
                ),
                io.Float.Input(
                    "slow_in", **amount, tooltip="How slowly the last key is reached; 0 is even."
                ),
            ],
            outputs=[io.Image.Output(display_name="images", tooltip="The retimed clip.")],
        )

    @classmethod
    def validate_inputs(cls, chart: str) -> bool | str:
        return host.listed(cls, chart=chart)

    @classmethod
    def execute(
        cls,
        images: Tensor,
        length: int,
        exposure: int,
        chart: str,
        slow_out: float,
        slow_in: float,
    ) -> io.NodeOutput:
        clip = checked(images, "images")
        if len(clip) < 2:
            raise ValueError(f"images: {len(clip)} frame; a clip has its two keys at least.")
        if chart != BY_AMOUNTS and (slow_out or slow_in):
            raise ValueError(
                f"chart = {chart}: set slow_out and slow_in to 0, or take {BY_AMOUNTS}."
            )
        span = length - 1
        starts = drawing_starts(span, exposure)
        times = [start / span for start in starts[1:]]
        amounts = [eased(u, 1 - slow_out, 1 - slow_in) for u in times]
        where = amounts if chart == BY_AMOUNTS else places(chart, times)
        way = way_of(torch.stack([to_bytes(frame) for frame in clip]))
        frames, _ = chosen(way, where)
        if len(set(frames)) < len(frames):
            host.say(f"{len(frames)} drawings from {len(clip) - 2} frames: some are held.")
        drawings: list[Any] = [0, *frames]
        order = [drawings[number] for number in shown(span, starts)]
        return io.NodeOutput(clip[[*order, len(clip) - 1]])
