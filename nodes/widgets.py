"""What several sampling nodes share: inputs, and their place in the menu."""

from __future__ import annotations

from comfy_api.latest import io

from ..toon_core.presets import RELEASED

NATIVE = "ToonTween/native sampling"
SPACINGS = ["uniform_trailing", "uniform"]


def temperature_input(tooltip: str) -> io.Float.Input:
    return io.Float.Input(
        "temperature",
        default=RELEASED.temperature,
        min=0.0,
        max=1.0,
        step=0.05,
        optional=True,  # after the first version: saved workflows do not have it
        tooltip=tooltip,
    )
