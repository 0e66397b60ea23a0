"""The stage: what is painted back to front over all frames, the camera, and the frames it gives.

Colours are drawn by OpenCV with antialiasing at twice the size and reduced by areas.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import cv2
import numpy as np

from train.data.puppets.geometry import Array, Form, affine, join, move

Colour = tuple[int, int, int]
OVERSAMPLING = 2
BITS = 6  # of a pixel, in fixed point
SIDE = 100.0  # stage units of the frame's short side; the origin is its centre


@dataclass(frozen=True)
class Mark:
    """One painted outline. `decor` lies inside of what is below it and moves with it."""

    points: Array  # (f n 2)
    colour: Colour
    shown: Array  # (f) bool
    near: float
    form: Form | None = None  # None for decor


@dataclass(frozen=True)
class Backdrop:
    """A picture (h w 3) uint8 behind everything, `scale` of its pixels a stage unit."""

    picture: Array
    scale: float
    near: float = 1.0


@dataclass
class Camera:
    """Where it looks (stage units), how near (1: all of the short side) and its roll, all (f)."""

    x: Array
    y: Array
    zoom: Array
    roll: Array

    def map(self, height: int, width: int, near: float = 1.0) -> Array:
        """Stage -> pixels (f 2 3), the origin at the outer corner of the first pixel. What is far
        (`near` below 1) goes and grows by less."""
        zoom = np.exp(np.log(self.zoom) * near) * min(height, width) / SIDE
        look = affine(-self.x * near, -self.y * near)
        return join(affine(width / 2, height / 2), affine(0, 0, -self.roll, zoom, zoom), look)


@dataclass
class Stage:
    """Painted back to front; `near` of the next marks is 1 on the plane of the action."""

    frames: int
    camera: Camera
    backdrop: Backdrop
    marks: list[Mark] = field(default_factory=list)
    near: float = 1.0

    def fill(
        self, form: Form, colour: Colour, shown: Array | None = None, decor: bool = False
    ) -> None:
        """One flat shape without ink."""
        shape = (self.frames, *form.points.shape[1:])
        shown = np.ones(self.frames, bool) if shown is None else np.broadcast_to(shown, self.frames)
        points = np.broadcast_to(form.points, shape)
        self.marks.append(Mark(points, colour, shown, self.near, None if decor else form))

    def inked(
        self,
        parts: list[tuple[Form, Colour]],
        ink: Colour | None,
        weight: float,
        shown: Array | None = None,
    ) -> None:
        """Shapes joined under one outline, which is drawn behind all of them."""
        if ink is not None:
            for form, _ in parts:
                self.fill(form.grown(weight), ink, shown)
        for form, colour in parts:
            self.fill(form, colour, shown, decor=ink is not None and len(parts) == 1)

    def render(self, height: int, width: int) -> Array:
        """Frames (f h w 3) uint8."""
        size = height * OVERSAMPLING, width * OVERSAMPLING
        placed = self.placed(height, width, OVERSAMPLING)
        big = np.empty((*size, 3), np.uint8)
        out = np.empty((self.frames, height, width, 3), np.uint8)
        behind = self._behind(*size)
        for f in range(self.frames):
            np.copyto(big, next(behind))
            for mark, (points, inside) in zip(self.marks, placed, strict=True):
                if inside[f]:
                    cv2.fillPoly(big, [points[f]], mark.colour, cv2.LINE_AA, BITS)
            cv2.resize(big, (width, height), out[f], interpolation=cv2.INTER_AREA)
        return out

    def placed(self, height: int, width: int, times: int) -> list[tuple[Array, Array]]:
        """Of every mark the points (f n 2) in fixed point on a raster `times` as fine, and in
        which frames (f) any of it is to be painted."""
        ends = np.cumsum([0, *(m.points.shape[1] for m in self.marks)])
        starts = ends[:-1]
        points = np.concatenate([m.points for m in self.marks], 1)
        for near in {m.near for m in self.marks}:
            a = self.camera.map(height, width, near) * times
            a[:, :, 2] -= 0.5
            if near == 1 and all(m.near == 1 for m in self.marks):
                points = move(a, points)
                continue
            of = np.repeat([m.near == near for m in self.marks], np.diff(ends))
            points[:, of] = move(a, points[:, of])
        low, high = (f.reduceat(points, starts, 1) for f in (np.minimum, np.maximum))
        inside = (high > 0).all(-1) & (low < np.array([width, height]) * times).all(-1)
        fixed = np.rint(np.clip(points, -8192, 8192) * 2**BITS).astype(np.int32)
        return [
            (fixed[:, a:b], inside[:, k] & mark.shown)
            for k, (a, b, mark) in enumerate(zip(starts, ends[1:], self.marks, strict=True))
        ]

    def backdrop_maps(self, height: int, width: int) -> Array:
        """Pixels of the picture (from its first one's outer corner) -> pixels of frames (f 2 3)."""
        back = self.backdrop
        h, w = back.picture.shape[:2]
        to_stage = affine(
            -w / 2 / back.scale, -h / 2 / back.scale, 0, 1 / back.scale, 1 / back.scale
        )
        return join(self.camera.map(height, width, back.near), to_stage)

    def _behind(self, height: int, width: int):
        """The backdrop in every frame at this size."""
        maps = self.backdrop_maps(height, width)
        maps = np.broadcast_to(maps, (self.frames, 2, 3))
        picture, last, key = self.backdrop.picture, None, None
        for a in maps:
            if key is None or not np.array_equal(a, key):
                shift = a[:, :2] @ [0.5, 0.5] + a[:, 2] - 0.5
                last = cv2.warpAffine(
                    picture, np.column_stack([a[:, :2], shift]), (width, height),
                    flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT,
                )  # fmt: skip
                key = a
            yield last
