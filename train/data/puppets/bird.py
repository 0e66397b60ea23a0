"""Birds that walk, hop and fly."""

from __future__ import annotations

import numpy as np

from train.data.puppets.faces import Face
from train.data.puppets.geometry import (
    Array,
    Tube,
    affine,
    flat,
    join,
    move,
    scale_of,
    through,
)
from train.data.puppets.outlines import (
    Rng,
    drop,
    egg,
    ellipse,
    polygon,
)
from train.data.puppets.palette import Palette, Tone
from train.data.puppets.pose import Pose, foot
from train.data.puppets.stage import Stage
from train.data.puppets.timing import late
from train.data.puppets.trimmings import Headwear, shoe


class Bird:
    """About 1 unit tall; stands on (0, 0) or flies."""

    acts = ("walk", "hop", "jump", "fly", "turn", "nod", "talk", "spin", "flap")

    def __init__(self, rng: Rng, palette: Palette):
        self.noun = str(rng.choice(["bird", "chick", "penguin", "parrot", "duckling"]))
        self.palette, self.shaded = palette, rng.random() < 0.6
        self.body = egg(rng.uniform(0.1, 0.3), rng.uniform(2.0, 2.4))
        self.wide, self.half = rng.uniform(0.32, 0.42), rng.uniform(0.36, 0.42)
        self.leg = rng.uniform(0.08, 0.16)
        self.wing = rng.uniform(0.4, 0.6)
        self.face = Face(rng, palette, beak=True)
        self.wear = Headwear(
            rng,
            palette,
            "none",
            str(rng.choice(["none", "tuft", "spikes"], p=[0.3, 0.5, 0.2])),
            str(rng.choice(["none", "bow", "beanie", "cone"], p=[0.7, 0.1, 0.1, 0.1])),
        )
        self.belly = rng.random() < 0.6
        self.height = self.leg + 2 * self.half
        self.title = f"{palette.main.name} {self.noun}"

    def paint(self, stage: Stage, pose: Pose) -> None:
        p, ink, w, shown = self.palette, self.palette.ink, self.palette.weight, pose.shown
        root = pose.root(self.height)
        scale = scale_of(root)
        sx, sy = pose.stretch
        sway, heave = pose.sway(), pose.heave()
        body = join(
            root,
            affine(
                0,
                -self.leg - self.half * sy,
                0.6 * pose.lean + 0.05 * np.sin(2 * np.pi * pose.stride) * pose.step,
                self.wide * sx,
                self.half * sy,
            ),
        )
        for k, t in ((0, -0.35), (1, 0.0), (2, 0.35)):
            feather = join(
                body,
                affine(-0.8, 0.35, -1.7 + t * 0.6 - 0.5 * late(sway, k) + 0.2 * pose.flap, 1, 1),
            )
            stage.inked(
                [(flat(drop(0.3) * (0.16, 0.5) + (0, -0.4), feather), p.second.rgb)], ink, w, shown
            )
        orange = Tone(0.72, 0.15, 0.17)
        for side in (-1, 1):
            x, y = foot(pose.stride + 0.25 * (side + 1), 1.0, 1.0)
            dangle = np.clip(pose.lift / (0.2 * pose.size), 0, 1)
            at = np.stack(
                [
                    side * 0.12 + x * 0.12 * pose.step - 0.05 * dangle,
                    -0.02 + y * 0.09 * pose.step + 0.03 * dangle,
                ],
                -1,
            )
            top = np.stack([side * 0.12 + 0 * x, -self.leg - 0.08 + 0 * x], -1)
            leg = Tube(
                move(root, through(top, (top + at) / 2 + [0.02, 0], at, 4)), scale * 0.022
            ).form()
            toes = shoe(at, 0.3 * dangle, 0.05).under(root)
            stage.inked([(leg, orange.rgb), (toes, orange.rgb)], ink, w * 0.8, shown)
        self._wing(stage, body, pose, -1)
        form = flat(self.body, body)
        stage.inked([(form, p.main.rgb)], ink, w, shown)
        if self.belly:
            at = join(body, affine(0.25 * np.sin(pose.yaw), 0.42))
            stage.fill(flat(ellipse(0.62, 0.46), at), p.light.rgb, shown)
        if self.shaded:
            stage.fill(
                form.crescent(0.03, 0.42, 0.3 * self.half * scale.mean()),
                p.main.shade,
                shown,
                decor=True,
            )
        head = join(body, affine(0, -0.28, pose.tilt * 0.5, 0.92, 0.72))
        self.face.paint(stage, head, pose, shown)
        front = self.wear.front(join(body, affine(0, -0.3, 0, 0.62, 0.68)), pose.yaw, sway, heave)
        if front:
            stage.inked([(f, t.rgb) for f, t in front], ink, w, shown)
        self._wing(stage, body, pose, 1)

    def _wing(self, stage: Stage, body: Array, pose: Pose, side: int) -> None:
        """It turns about the shoulder; raised by its flap or by the arm of a wave."""
        p = self.palette
        raised = pose.arms[:, 0 if side < 0 else 1] * 0.7 + np.clip(pose.flap + 0.4, 0, 2) * 1.1
        turn = -side * (raised - 0.35)
        at = join(body, affine(side * 0.86, -0.02, turn, 1, 1))
        outline = polygon(
            [(-0.2, -0.1), (0.24, -0.1), (0.3, 0.6), (0.1, 1.15), (-0.16, 0.95), (-0.3, 0.5)], 0.3
        ) * (side, 1)
        size = self.wing / self.half * 0.8
        form = flat(outline * size, at)
        stage.inked([(form, p.second.rgb)], p.ink, p.weight, pose.shown)
        for k in range(2):
            line = (
                np.array([[-0.05 + 0.16 * k, 0.45], [0.0 + 0.13 * k, 0.7], [0.03 + 0.1 * k, 0.92]])
                * (side, 1)
                * size
            )
            mark = Tube(move(at, line), np.array([0.3, 0.5, 0.2]) * p.weight).form()
            stage.fill(mark, p.second.by(-0.14).rgb, pose.shown, decor=True)
