"""Exact motion and visibility of every pixel, from the cells that were painted there.

Every cell of every form is drawn without antialiasing in its own number; which point of the
surface a pixel's centre shows, and where that point is in another frame, follows from the cell's
anchors in both.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from train.data.puppets.geometry import CORNERS, Array, move
from train.data.puppets.stage import BITS, Stage

SLACK = 2  # cells of one form between which a surface goes on; of two forms more lie between


@dataclass(frozen=True, kw_only=True)
class Maps:
    """Motion (f h w 2) float32 in pixels, x and y, from every frame to another one, and whether
    the point is visible there (f h w): to the next frame (f-1 of them), the first and the last."""

    to_next: Array
    to_first: Array
    to_last: Array
    visible_next: Array
    visible_first: Array
    visible_last: Array
    surface: Array  # (f h w) uint16: 0 the backdrop, else the number of the painted form


def measure(stage: Stage, height: int, width: int) -> Maps:
    """The maps of a stage at a size."""
    cells, anchors, form_of = _numbered(stage, height, width)
    ids = _drawn(stage, cells, height, width)
    now = _affine_of(anchors)
    back = _inverse(now)
    last = stage.frames - 1
    goals = {
        "next": [(f, f + 1) for f in range(last)],
        "first": [(f, 0) for f in range(stage.frames)],
        "last": [(f, last) for f in range(stage.frames)],
    }
    x = np.arange(width, dtype=np.float32) + 0.5
    y = np.arange(height, dtype=np.float32)[:, None] + 0.5
    forms = form_of.astype(np.uint16)[ids]
    found = {}
    for name, pairs in goals.items():
        motion = np.empty((len(pairs), height, width, 2), np.float32)
        seen = np.empty((len(pairs), height, width), bool)
        for k, (f, g) in enumerate(pairs):
            a = np.take(_between(now[g], back[f]), ids[f], axis=1)  # (6 h w)
            goal_x, goal_y = a[0] * x + a[1] * y + a[2], a[3] * x + a[4] * y + a[5]
            motion[k, ..., 0], motion[k, ..., 1] = goal_x - x, goal_y - y
            seen[k] = _visible(ids[f], ids[g], goal_x, goal_y)
        found[f"to_{name}"], found[f"visible_{name}"] = motion, seen
    return Maps(**found, surface=forms)


def _numbered(stage: Stage, height: int, width: int) -> tuple[list[tuple], Array, Array]:
    """(mark, first number, point numbers of each cell) of every form, the anchors (f cells 3 2) in
    pixels, and the form of each cell. Cell 0 is the backdrop."""
    behind = np.broadcast_to(stage.backdrop_maps(height, width), (stage.frames, 2, 3))
    anchors, form_of, cells = (
        [np.repeat(move(behind, CORNERS * 64)[:, None], SLACK + 1, 1)],
        [0] * (SLACK + 1),
        [],
    )
    maps = {near: stage.camera.map(height, width, near) for near in {m.near for m in stage.marks}}
    for number, mark in enumerate(stage.marks):
        if mark.form is None:
            continue
        first, count = len(form_of), mark.form.anchors.shape[1]
        parts = mark.form.cells or (tuple(range(mark.points.shape[1])),)
        cells.append((number, first, [np.array(part) for part in parts]))
        points = np.broadcast_to(mark.form.anchors, (stage.frames, count, 3, 2))
        flat = move(maps[mark.near], points.reshape(stage.frames, -1, 2))
        here = flat.reshape(stage.frames, count, 3, 2)
        anchors += [here, np.repeat(here[:, -1:], SLACK, 1)]
        form_of += [number + 1] * (count + SLACK)
    return cells, np.concatenate(anchors, 1), np.array(form_of)


def _drawn(stage: Stage, cells: list[tuple], height: int, width: int) -> Array:
    """Cell numbers (f h w): those at the pixels' centres of a raster twice as fine."""
    placed = stage.placed(height, width, 2)
    out = np.zeros((stage.frames, height, width), np.uint16)
    raster = np.empty((2 * height, 2 * width), np.uint16)
    half = 1 << (BITS - 1)
    for f in range(stage.frames):
        raster[:] = 0
        for mark, first, parts in cells:
            points, inside = placed[mark]
            if not inside[f]:
                continue
            here = points[f] - half  # so that every second pixel is a centre
            if len(parts) == 1:
                cv2.fillPoly(raster, [here], first, cv2.LINE_8, BITS)
                continue
            for k, part in enumerate(parts):
                cv2.fillConvexPoly(raster, here[part], first + k, cv2.LINE_8, BITS)
        out[f] = raster[::2, ::2]
    return out


def _affine_of(anchors: Array) -> Array:
    """(f c 2 3): the map from (0 0), (1 0), (0 1) to the anchors."""
    origin = anchors[..., 0, :]
    return np.stack([anchors[..., 1, :] - origin, anchors[..., 2, :] - origin, origin], -1)


def _inverse(a: Array) -> Array:
    """Of maps (... 2 3); flat ones count as tiny."""
    p, q, r, s = a[..., 0, 0], a[..., 0, 1], a[..., 1, 0], a[..., 1, 1]
    det = p * s - q * r
    det = np.where(np.abs(det) < 1e-6, 1e-6, det)
    linear = np.stack([np.stack([s, -q], -1), np.stack([-r, p], -1)], -2) / det[..., None, None]
    return np.concatenate([linear, -linear @ a[..., 2:]], -1)


def _between(goal: Array, back: Array) -> Array:
    """(6 c): the maps from one frame to another, row by row."""
    linear = goal[..., :2] @ back[..., :2]
    shift = goal[..., :2] @ back[..., 2:] + goal[..., 2:]
    return np.concatenate([linear, shift], -1).reshape(-1, 6).T.astype(np.float32)


def _visible(here: Array, there: Array, x: Array, y: Array) -> Array:
    """Whether one of the four pixels around the goal shows the same part of the same form, by the
    cells (h w) of both frames."""
    height, width = here.shape
    inside = (x >= 0) & (y >= 0) & (x < width) & (y < height)
    left = np.clip(x - 0.5, 0, width - 2).astype(np.int32)
    place = np.clip(y - 0.5, 0, height - 2).astype(np.int32) * width + left
    cells = there.ravel()
    low, high = here - np.minimum(here, SLACK), here + SLACK
    seen = np.zeros_like(inside)
    for step in (0, 1, width, width + 1):
        other = cells[place + step]
        seen |= (other >= low) & (other <= high)
    return seen & inside
