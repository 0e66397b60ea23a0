"""Cars, buses, trucks, tractors and engines, with turning wheels and at times a face."""

from __future__ import annotations

import numpy as np

from train.data.puppets.faces import Face
from train.data.puppets.geometry import (
    Array,
    affine,
    flat,
    join,
)
from train.data.puppets.outlines import (
    Rng,
    box,
    ellipse,
    polygon,
)
from train.data.puppets.palette import Palette, colour
from train.data.puppets.pose import Pose
from train.data.puppets.stage import Stage


class Vehicle:
    """Something on wheels about 1 unit long, that may have a face."""

    acts = ("drive", "jump", "hop")

    def __init__(self, rng: Rng, palette: Palette):
        self.noun = str(rng.choice(["car", "bus", "truck", "train engine", "tractor"]))
        self.palette, self.ink = palette, palette.ink
        self.wheel = rng.uniform(0.11, 0.15) * (1.15 if self.noun == "tractor" else 1)
        self.face = Face(rng, palette) if rng.random() < 0.55 else None
        self.spokes = int(rng.integers(3, 6))
        self.roof = rng.uniform(0.3, 0.4)
        self.height = self.wheel + 0.26 + self.roof * 0.9
        self.stripe = rng.random() < 0.5
        self.title = f"{palette.main.name} {self.noun}"

    def paint(self, stage: Stage, pose: Pose) -> None:
        p, ink, w, shown = self.palette, self.ink, self.palette.weight, pose.shown
        root = pose.root(self.height)
        sx, sy = pose.stretch
        body = join(
            root,
            affine(0, -self.wheel, 0.3 * pose.lean, sx, sy),
            affine(0, 0.012 * np.sin(2 * np.pi * pose.stride * 2)),
        )
        roll = pose.stride * 2 * np.pi
        long = {"bus": 0.46, "truck": 0.5}.get(self.noun, 0.48)
        hull = polygon(
            [
                (-long, -0.02),
                (-long, -0.24),
                (long * 0.6, -0.26),
                (long, -0.2),
                (long + 0.03, -0.02),
            ],
            0.2,
        )
        cab = {
            "car": [
                (-0.34, -0.2),
                (-0.24, -0.2 - self.roof),
                (0.16, -0.2 - self.roof),
                (0.34, -0.2),
            ],
            "bus": [
                (-long, -0.1),
                (-long, -0.2 - self.roof),
                (long, -0.2 - self.roof),
                (long, -0.1),
            ],
            "truck": [
                (0.1, -0.1),
                (0.1, -0.2 - self.roof),
                (0.34, -0.2 - self.roof),
                (long, -0.15),
            ],
            "train engine": [
                (-long, -0.1),
                (-long, -0.2 - self.roof),
                (-0.12, -0.2 - self.roof),
                (-0.12, -0.1),
            ],
            "tractor": [
                (-long, -0.1),
                (-0.4, -0.2 - self.roof),
                (-0.02, -0.2 - self.roof),
                (0.02, -0.1),
            ],
        }[self.noun]
        parts = [(flat(polygon(cab, 0.16), body), p.main), (flat(hull, body), p.main)]
        if self.noun == "truck":
            parts.insert(
                0,
                (
                    flat(
                        polygon([(-long, -0.1), (-long, -0.42), (0.08, -0.42), (0.08, -0.1)], 0.08),
                        body,
                    ),
                    p.second,
                ),
            )
        if self.noun in ("train engine", "tractor"):
            pipe = polygon([(0.2, -0.2), (0.18, -0.46), (0.32, -0.46), (0.3, -0.2)], 0.1)
            parts.insert(0, (flat(pipe, body), p.dark))
        stage.inked([(f, t.rgb) for f, t in parts], ink, w, shown)
        glass = colour(0.9, 0.04, 0.6)
        for window in self._windows() if self.face is None else self._windows()[:-2]:
            stage.inked([(flat(window, body), glass)], ink, w * 0.7, shown)
        if self.stripe:
            stage.fill(
                flat(
                    polygon(
                        [(-long + 0.01, -0.1), (-long + 0.01, -0.14), (long, -0.13), (long, -0.09)],
                        0.1,
                    ),
                    body,
                ),
                p.accent.rgb,
                shown,
                decor=True,
            )
        light = flat(ellipse(0.035, 0.04, long - 0.03, -0.17, 12), body)
        stage.fill(light, colour(0.94, 0.1, 0.27), shown, decor=True)
        if self.face is not None:
            x, size = {"car": (-0.03, 0.22), "truck": (0.27, 0.17), "bus": (0.22, 0.22)}.get(
                self.noun, (-0.25, 0.17)
            )
            at = join(body, affine(x, -0.16 - self.roof * 0.5, 0, size, 0.2))
            turned = pose.with_yaw(0.4, 0.15)
            self.face.paint(stage, at, turned, shown)
        for x in (-0.28, 0.28):
            big = self.wheel * (1.25 if self.noun == "tractor" and x < 0 else 1)
            rim = join(root, affine(x, -big + 0.0, roll, big, big))
            stage.inked([(flat(ellipse(), rim), colour(0.3, 0.02, 0.75))], ink, w, shown)
            stage.fill(flat(ellipse(0.58, 0.58), rim), p.light.by(-0.03).rgb, shown, decor=True)
            for k in range(self.spokes):
                spoke = polygon([(0.08, -0.08), (0.52, -0.1), (0.52, 0.1), (0.08, 0.08)], 0.1)
                stage.fill(
                    flat(spoke, join(rim, affine(turn=2 * np.pi * k / self.spokes))),
                    p.accent.by(-0.1).rgb,
                    shown,
                    decor=True,
                )

    def _windows(self) -> list[Array]:
        low, high = -0.24, -0.15 - self.roof
        if self.noun == "bus":
            return [
                box() * (0.075, (low - high) / 2 * 0.8) + (x, (low + high) / 2 - 0.02)
                for x in (-0.33, -0.12, 0.09, 0.31)
            ]
        spans = {
            "car": [(-0.25, -0.06), (-0.02, 0.2)],
            "truck": [(0.17, 0.36)],
            "train engine": [(-0.42, -0.18)],
            "tractor": [(-0.38, -0.06)],
        }
        return [
            polygon([(a, low), (a + 0.03, high), (b - 0.05, high), (b, low)], 0.15)
            for a, b in spans[self.noun]
        ]
