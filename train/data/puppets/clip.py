"""`clip(seed, index, level)`: one clip of the endless set, the same for the same numbers."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from train.data.puppets.geometry import Array
from train.data.puppets.levels import LEVELS, STAGED
from train.data.puppets.maps import Maps, measure
from train.data.puppets.scenes import Scene, open_scene
from train.data.puppets.stage import OVERSAMPLING, SIDE

FPS = ((8, 0.15), (12, 0.35), (15, 0.2), (24, 0.3))
PLACES = (  # of every level: kind of place and its share
    (("plain", 1.0),),
    (("simple", 1.0),),
    (("simple", 0.35), ("land", 0.4), ("water", 0.15), ("air", 0.1)),
    (("simple", 0.2), ("land", 0.6), ("water", 0.12), ("air", 0.08)),
    (("simple", 0.12), ("land", 0.68), ("water", 0.12), ("air", 0.08)),
    (("simple", 0.08), ("land", 0.74), ("water", 0.12), ("air", 0.06)),
)


@dataclass(frozen=True, kw_only=True)
class Clip:
    """frames (f h w 3) uint8 RGB; `maps` (`maps.Maps`) where they were asked for."""

    frames: Array
    prompt: str
    fps: int
    level: int
    maps: Maps | None = None

    @property
    def motion(self) -> Array:
        """(f-1 h w 2) pixels to the next frame."""
        return self.maps.to_next

    @property
    def visible(self) -> Array:
        """(f-1 h w): what is still to be seen in the next frame."""
        return self.maps.visible_next


def stage_clip(
    seed: int, index: int, level: int, frames: int = 16, height: int = 128, width: int = 128
) -> tuple[Scene, str, int]:
    """The scene painted in vectors, its caption and its frames a second. Who is in it and what
    happens hangs on (seed, index, level), the number of frames and the aspect alone.

    ValueError for a level outside of 0..5, fewer than two frames, or a side below 16.
    """
    if not 0 <= level < LEVELS:
        raise ValueError(f"level={level}: expected 0 (one shape) to {LEVELS - 1} (whole scenes)")
    if frames < 2 or min(height, width) < 16:
        raise ValueError(
            f"frames={frames}, height={height}, width={width}: expected 2 frames and sides of 16 "
            "pixels at least"
        )
    rng = np.random.default_rng([seed, index, level])
    fps = int(rng.choice([f for f, _ in FPS], p=[p for _, p in FPS]))
    kinds, shares = zip(*PLACES[level], strict=True)
    kind = str(rng.choice(kinds, p=shares))
    textured = bool(rng.random() < (0, 0, 0.3, 0.6, 0.7, 0.7)[level])
    scale = min(height, width) / SIDE * OVERSAMPLING
    scene = open_scene(rng, frames, width / height, scale, kind, textured, fps)
    return scene, STAGED[level](scene), fps


def clip(
    seed: int,
    index: int,
    level: int,
    frames: int = 16,
    height: int = 128,
    width: int = 128,
    maps: bool = False,
) -> Clip:
    """One clip; ValueError as `stage_clip`."""
    scene, prompt, fps = stage_clip(seed, index, level, frames, height, width)
    drawn = scene.stage.render(height, width)
    measured = measure(scene.stage, height, width) if maps else None
    return Clip(frames=drawn, prompt=prompt, fps=fps, level=level, maps=measured)


cv2.setNumThreads(1)  # small pictures: threads cost more than they give
