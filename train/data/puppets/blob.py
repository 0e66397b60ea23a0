"""Slimes, ghosts, mushrooms: soft bodies that bend and wobble."""

from __future__ import annotations

import numpy as np

from train.data.puppets.faces import Face
from train.data.puppets.geometry import (
    Array,
    Tube,
    affine,
    bezier,
    flat,
    join,
    move,
    profile,
    scale_of,
)
from train.data.puppets.outlines import (
    Rng,
    ellipse,
    squircle,
)
from train.data.puppets.palette import Palette
from train.data.puppets.pose import Pose
from train.data.puppets.stage import Stage
from train.data.puppets.timing import late
from train.data.puppets.trimmings import Headwear, hand

BLOBS = {  # noun -> half widths from below to above
    "slime": (0.5, 0.52, 0.5, 0.44, 0.34, 0.2),
    "ghost": (0.36, 0.35, 0.35, 0.35, 0.33, 0.24),
    "jelly": (0.44, 0.46, 0.46, 0.44, 0.38, 0.26),
    "egg": (0.26, 0.38, 0.42, 0.4, 0.32, 0.2),
    "pear": (0.36, 0.44, 0.42, 0.3, 0.24, 0.17),
    "mushroom": (0.22, 0.23, 0.22, 0.2, 0.2, 0.2),
    "cactus": (0.26, 0.28, 0.28, 0.28, 0.27, 0.2),
    "bean": (0.26, 0.32, 0.32, 0.32, 0.32, 0.25),
}


NEED_ARMS = ("wave", "cheer")


class Blob:
    """A soft body about 1 unit tall that bends and wobbles."""

    all_acts = ("hop", "jump", "turn", "nod", "talk", "wave", "dance", "stretch", "float", "cheer")

    def __init__(self, rng: Rng, palette: Palette):
        self.noun = str(rng.choice(list(BLOBS)))
        self.palette, self.shaded = palette, rng.random() < 0.65
        self.profile = profile(BLOBS[self.noun], 11) * rng.uniform(0.85, 1.15)
        self.arms = rng.random() < 0.6
        self.acts = (
            self.all_acts if self.arms else tuple(a for a in self.all_acts if a not in NEED_ARMS)
        )
        self.spots = rng.random() < 0.3
        self.cap = self.noun == "mushroom"
        self.face = Face(rng, palette)
        ears = str(
            rng.choice(
                ["none", "feelers", "horns", "point", "round"], p=[0.45, 0.2, 0.1, 0.15, 0.1]
            )
        )
        hat = str(
            rng.choice(
                ["none", "leaf", "cone", "bow", "crown", "beanie"],
                p=[0.5, 0.2, 0.08, 0.08, 0.07, 0.07],
            )
        )
        self.wear = Headwear(
            rng, palette, "none" if self.cap else ears, "none", "none" if self.cap else hat
        )
        self.height = 1.0
        self.title = f"{palette.main.name} {self.noun}"

    def paint(self, stage: Stage, pose: Pose) -> None:
        p, ink, w, shown = self.palette, self.palette.ink, self.palette.weight, pose.shown
        root = pose.root(1.0)
        scale, (sx, sy) = scale_of(root), pose.stretch
        sway, heave = pose.sway(), pose.heave()
        tip = np.stack([np.sin(pose.lean - 0.6 * sway) * 0.7, -0.8 * sy], -1)
        bend = np.stack([0.15 * np.sin(pose.lean) - 0.1 * sway, -0.45 * sy], -1)
        spine = bezier([np.array([[0.0, -0.12]]) + 0 * tip, bend, tip], 11)
        ripple = 1 + 0.06 * np.sin(np.linspace(0, 3, 11) + (heave * 8)[:, None])
        body = Tube(move(root, spine), scale * self.profile * sx[:, None] * ripple, (0.4, 0.95))
        top = body.map(0.8)
        top = np.concatenate(
            [
                top[..., :2]
                / np.maximum(np.linalg.norm(top[..., :2], axis=1, keepdims=True), 1e-6),
                top[..., 2:],
            ],
            -1,
        )
        head = join(
            top,
            affine(
                0,
                0.06 * scale[:, 0],
                0,
                self.profile[8] * sx * scale[:, 0],
                0.25 * sy * scale[:, 0],
            ),
        )
        ears = self.wear.ear_forms(head, pose.yaw, sway, heave)
        if self.arms:
            self._arm(stage, pose, body, scale, 0)
        form = body.form()
        stage.inked([*((f, t.rgb) for f, t, _ in ears), (form, p.main.rgb)], ink, w, shown)
        stage.fill(form, p.main.rgb, shown, decor=True)
        if self.spots:
            ring = np.linspace(0, 2 * np.pi, 12, endpoint=False)
            for u, v, r in (
                (0.2, -0.5, 0.06),
                (0.14, 0.3, 0.045),
                (0.32, 0.68, 0.04),
                (0.85, 0.55, 0.05),
            ):
                stage.fill(
                    flat(body.at(u + r * np.cos(ring), v + 2.2 * r * np.sin(ring)), affine(0, 0)),
                    p.dark.rgb,
                    shown,
                    decor=True,
                )
        if self.shaded:
            stage.fill(
                form.crescent(0.02, 0.36, 0.35 * self.profile.mean() * scale.mean()),
                p.main.shade,
                shown,
                decor=True,
            )
            shine = body.at(
                np.array([0.86, 0.8, 0.7, 0.66, 0.72, 0.82]),
                np.array([-0.5, -0.66, -0.74, -0.68, -0.56, -0.42]),
            )
            stage.fill(flat(shine, affine(0, 0)), p.main.by(0.12, 0.6).rgb, shown, decor=True)
        at = body.map(0.38 if self.cap else 0.55)
        at = np.concatenate(
            [
                at[..., :2] / np.maximum(np.linalg.norm(at[..., :2], axis=1, keepdims=True), 1e-6),
                at[..., 2:],
            ],
            -1,
        )
        size = self.profile[5:7].mean() * scale[:, 0]
        self.face.paint(
            stage,
            join(at, affine(0, 0, 0.3 * pose.tilt, size * sx * 0.96, size * sy * 0.9)),
            pose,
            shown,
        )
        if self.cap:
            dome = np.concatenate(
                [squircle(2.2, 29)[14:] * (0.52, 0.42), [[0.4, 0.09], [0, 0.12], [-0.4, 0.09]]]
            )
            cap = join(
                top, affine(0, -0.02 * scale[:, 0], -0.2 * sway, scale[:, 0] * sx, scale[:, 0] * sy)
            )
            stage.inked([(flat(dome, cap), p.second.rgb)], ink, w, shown)
            for x, y, r in ((-0.2, -0.16, 0.09), (0.12, -0.25, 0.07), (0.3, -0.08, 0.06)):
                stage.fill(flat(ellipse(r, r * 0.9, x, y, 14), cap), p.light.rgb, shown, decor=True)
        front = self.wear.front(head, pose.yaw, sway, heave)
        if front:
            stage.inked([(f, t.rgb) for f, t in front], ink, w, shown)
        if self.arms:
            self._arm(stage, pose, body, scale, 1)

    def _arm(self, stage: Stage, pose: Pose, body: Tube, scale: Array, side: int) -> None:
        sign = -1 if side == 0 else 1
        start = body.at(np.array([0.42]), np.array([0.9 * sign]))[:, 0]
        angle = (
            np.pi / 2
            - sign * (0.7 + np.minimum(pose.arms[:, side], 2.2))
            - 0.3 * late(pose.heave(), 1)
        )
        way = np.stack([np.cos(angle), np.sin(angle)], -1) * scale * 0.26
        bow = (
            np.stack([-way[:, 1], way[:, 0]], -1)
            * 0.25
            * sign
            * (0.4 + pose.elbows[:, side : side + 1])
        )
        limb = Tube(
            bezier([start, start + way * 0.5 + bow, start + way], 5),
            scale * np.array([0.055, 0.055, 0.05, 0.05, 0.05]),
        )
        turn = np.arctan2(way[:, 1], way[:, 0])
        palm = hand(limb.spine[:, -1], turn, 0.075 * scale[:, 0])
        p = self.palette
        stage.inked(
            [(limb.form(), p.main.rgb), *((f, p.main.rgb) for f in palm)],
            p.ink,
            p.weight,
            pose.shown,
        )
