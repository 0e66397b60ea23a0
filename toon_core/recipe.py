"""How a model is sampled; the defaults are the release's."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from . import ranges

Spacing = Literal["uniform", "uniform_trailing"]

SHORTCUTS = ("cfg_start", "cfg_end", "reuse")  # fields, off by default
ADDED = (*SHORTCUTS, "keep_still")  # what the release does not have, off by default

# Lowest and highest value of each number, both allowed.
LIMITS: dict[str, tuple[float, float]] = {
    "height": (64, 8192),
    "width": (64, 8192),
    "frames": (1, 256),
    "fps": (1, 60),
    "steps": (1, 1000),
    "eta": (0, 1),
    "temperature": (0, 1),
    "cfg_scale": (1, 30),
    "cfg_image": (0, 30),
    "guidance_rescale": (0, 1),
    "seed": (0, 2**64 - 1),
    "sketch_scale": (0, 2),
    "cfg_start": (0, 1),
    "cfg_end": (0, 1),
    "reuse": (1, 8),
}


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """How two images become frames (architecture.md 8)."""

    height: int = 320  # pixels, a multiple of 64, as width
    width: int = 512
    frames: int = 16
    fps: int = 10  # the `fs` condition, 5..30
    steps: int = 50
    eta: float = 1.0
    temperature: float = 1.0  # factor of x_T and of each step's noise; see samplers.ddim
    spacing: Spacing = "uniform_trailing"
    cfg_scale: float = 7.5
    cfg_image: float | None = None  # a number turns on the third branch
    guidance_rescale: float = 0.7
    seed: int = 123
    sketch_scale: float = 0.6
    replace_middle_frames: bool = True  # a second decode for two frames (8.6)
    grey_uncond_image: bool = True  # the unconditional image is mid grey, fully encoded (8.4)
    # Approximations, which are no part of the release (8.7).
    cfg_start: float = 0.0  # parts of the run between which guidance acts, as of a sketch:
    cfg_end: float = 1.0  # 0 is the first step, 1 the last
    reuse: int = 1  # steps that share the UNet's deep features
    # Not the release's: where both keys agree, and a frame with them, it has their pixels (8.8).
    keep_still: bool = False

    def __post_init__(self) -> None:
        ranges.check(self, LIMITS)
        if self.cfg_start > self.cfg_end:
            raise ValueError(f"cfg_start = {self.cfg_start:g} is after cfg_end = {self.cfg_end:g}")
