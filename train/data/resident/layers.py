"""A puppet clip in two parts: its figures as a layer with alpha, and the picture behind them with
the way that the camera goes over it."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from train.data.puppets.clip import stage_clip
from train.data.puppets.geometry import Array
from train.data.puppets.stage import BITS, OVERSAMPLING, Stage

BEHIND = 1.5  # side of the picture behind, over that of a frame


@dataclass(frozen=True, kw_only=True)
class Figures:
    """Frames (f h w 4) uint8, premultiplied, over nothing, and their words."""

    frames: Array
    prompt: str
    fps: int


@dataclass(frozen=True, kw_only=True)
class Layers:
    """figures (f h w 4) uint8, premultiplied; behind (p p 3) uint8; places (f 2 3) float32: from
    -1 to 1 across a frame to -1 to 1 across the picture behind."""

    figures: Array
    behind: Array
    places: Array
    prompt: str
    fps: int


def side_behind(side: int) -> int:
    return round(BEHIND * side)


def draw_layers(
    seed: int, index: int, level: int, frames: int, side: int, others: Figures | None = None
) -> Layers:
    """Clip (seed, index, level) of `train.data.puppets.clip`, square, in its parts; `others` in
    the place of its figures, which are then not drawn."""
    scene, prompt, fps = stage_clip(seed, index, level, frames, side, side)
    stage = scene.stage
    p = side_behind(side)
    behind = cv2.resize(stage.backdrop.picture, (p, p), interpolation=cv2.INTER_AREA)
    shown = others or Figures(frames=figures(stage, side), prompt=prompt, fps=fps)
    return Layers(
        figures=shown.frames,
        behind=behind,
        places=places(stage, side),
        prompt=shown.prompt,
        fps=shown.fps,
    )


def figures(stage: Stage, side: int) -> Array:
    """All marks over nothing, (f side side 4)."""
    placed = stage.placed(side, side, OVERSAMPLING)
    big = np.empty((side * OVERSAMPLING, side * OVERSAMPLING, 4), np.uint8)
    out = np.empty((stage.frames, side, side, 4), np.uint8)
    for f in range(stage.frames):
        big.fill(0)
        for mark, (points, inside) in zip(stage.marks, placed, strict=True):
            if inside[f]:
                colour = (*map(int, mark.colour), 255)
                cv2.fillPoly(big, [points[f]], colour, cv2.LINE_AA, BITS)
        cv2.resize(big, (side, side), out[f], interpolation=cv2.INTER_AREA)
    return out


def places(stage: Stage, side: int) -> Array:
    """Where a frame looks at the picture behind."""
    maps = np.broadcast_to(stage.backdrop_maps(side, side), (stage.frames, 2, 3))
    h, w = stage.backdrop.picture.shape[:2]
    size = np.array([w, h])
    turn = np.linalg.inv(maps[:, :, :2])  # pixels of a frame to pixels of the picture
    to_pixels = turn * (side / 2)  # of -1 to 1 from a frame's centre
    centre = (turn @ (side / 2 - maps[:, :, 2:]))[:, :, 0]
    scaled = to_pixels * (2 / size)[:, None]
    return np.concatenate([scaled, (centre * 2 / size - 1)[:, :, None]], 2).astype(np.float32)
