"""Those who walk on four legs."""

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
    scale_of,
    through,
)
from train.data.puppets.outlines import (
    Rng,
    egg,
)
from train.data.puppets.palette import Palette
from train.data.puppets.pose import Pose, foot
from train.data.puppets.stage import Stage
from train.data.puppets.trimmings import Headwear, shoe, tail

KINDS = {  # noun -> ears, tail, muzzle, neck, leg
    "dog": ("flop", "taper", True, 0.05, 0.22),
    "kitten": ("point", "thin", True, 0.03, 0.18),
    "wolf": ("point", "bushy", True, 0.08, 0.26),
    "cow": ("horns", "thin", True, 0.05, 0.2),
    "sheep": ("flop", "stub", False, 0.03, 0.18),
    "foal": ("point", "bushy", True, 0.22, 0.3),
    "giraffe": ("horns", "thin", True, 0.42, 0.3),
    "piglet": ("point", "stub", True, 0.02, 0.16),
    "elephant calf": ("round", "thin", False, 0.02, 0.2),
    "dinosaur": ("none", "taper", False, 0.3, 0.2),
}


class Quadruped:
    """About 1 unit long; stands on (0, 0) and looks to the right."""

    acts = ("walk", "run", "jump", "turn", "nod", "talk", "stretch", "wag")

    def __init__(self, rng: Rng, palette: Palette):
        self.noun = str(rng.choice(list(KINDS)))
        ears, self.tail, muzzle, neck, leg = KINDS[self.noun]
        self.palette = palette
        self.length, self.girth = rng.uniform(0.4, 0.56), rng.uniform(0.13, 0.19)
        self.neck, self.leg = neck * rng.uniform(0.8, 1.2), leg * rng.uniform(0.85, 1.15)
        self.half = rng.uniform(0.17, 0.22)
        self.wide = self.half * rng.uniform(1.0, 1.2)
        self.limb = rng.uniform(0.04, 0.058)
        self.head = egg(rng.uniform(-0.02, 0.14), rng.uniform(2.0, 2.6))
        self.wear = Headwear(
            rng,
            palette,
            ears,
            str(rng.choice(["none", "tuft", "spikes"], p=[0.6, 0.25, 0.15])),
            str(rng.choice(["none", "bow", "leaf", "cone"], p=[0.7, 0.15, 0.08, 0.07])),
        )
        self.face = Face(rng, palette, muzzle=muzzle)
        self.pattern = str(
            rng.choice(
                ["none", "spots", "patch", "belly", "bands"], p=[0.25, 0.25, 0.15, 0.2, 0.15]
            )
        )
        self.spots = rng.uniform((0.1, -0.6, 0.04), (0.95, 0.5, 0.08), (5, 3))
        self.paws = palette.light if rng.random() < 0.4 else palette.main.by(-0.1)
        self.shaded = rng.random() < 0.6
        self.height = self.leg + self.girth + self.neck + 1.8 * self.half
        self.title = f"{palette.main.name} {self.noun}"

    def paint(self, stage: Stage, pose: Pose) -> None:
        p, shown = self.palette, pose.shown
        root = pose.root(self.height)
        scale = scale_of(root)
        sx, sy = pose.stretch
        sway, heave = pose.sway(), pose.heave()
        bob = np.sin(4 * np.pi * pose.stride) * 0.02 * pose.step
        hip_y = -(self.leg * np.clip(sy, 0.5, 1.2) + self.girth * 0.6) + bob
        half = self.length / 2 * sx**0.6
        pitch = pose.lean * 0.6
        rump = np.stack([-half, hip_y + half * np.sin(pitch) + 0.01], -1)
        chest = np.stack([half, hip_y - half * np.sin(pitch)], -1)
        mid = (rump + chest) / 2 + np.stack([0 * bob, -0.04 + 0.12 * pose.squash - bob], -1)
        spine = bezier([rump, mid, chest], 9)
        widths = (
            self.girth
            * np.interp(np.linspace(0, 1, 9), [0, 0.25, 0.6, 1], [0.86, 1, 0.96, 0.92])
            * sx[:, None] ** 0.4
        )
        trunk = Tube(move(root, spine), widths * scale, side=pose.facing)
        tube, _ = tail(
            self.tail, rump + [-self.girth * 0.75, -0.03], sway, heave, 0.34, 0.6 * pose.flap
        )
        tube = Tube(move(root, tube.spine), tube.widths * scale)
        stage.inked([(tube.form(), p.main.rgb)], p.ink, p.weight, shown)
        if self.tail == "bushy":
            stage.fill(
                Tube(tube.spine[:, 3:], tube.widths[:, 3:] * 0.96).form(),
                p.light.rgb,
                shown,
                decor=True,
            )
        legs = {far: [] for far in (True, False)}
        for far in legs:
            for k, end in enumerate(
                (rump + [self.girth * 0.35, 0], chest + [-self.girth * 0.4, 0])
            ):
                phase = pose.stride + 0.5 * (k == 0) + (0.5 if far else 0) + 0.1 * k
                legs[far] += self._leg(root, pose, end + [0.07 if far else 0, 0], phase, far, scale)
        stage.inked(legs[True], p.ink, p.weight, shown)
        base, top = self._neck(pose, chest)
        curve = bezier([chest + [-0.03, 0], base, top], 6)
        neck = Tube(move(root, curve), scale * np.linspace(self.girth * 0.8, self.half * 0.5, 6))
        stage.inked(
            [*legs[False], (neck.form(), p.main.rgb), (trunk.form(), p.main.rgb)],
            p.ink,
            p.weight,
            shown,
        )
        self._trunk(stage, trunk, shown, scale)
        self._front(stage, root, pose, top, sway, heave)

    def _neck(self, pose: Pose, chest: Array) -> tuple[Array, Array]:
        lean = pose.lean + pose.tilt
        side = 0.35 * self.neck + 0.08 + np.sin(lean) * (self.neck + 0.1)
        base = chest + [0, -self.girth * 0.35]
        return base, base + np.stack([side, -self.neck - 0.06 + 0 * lean], -1)

    def _leg(
        self, root: Array, pose: Pose, top: Array, phase: Array, far: bool, scale: Array
    ) -> list:
        p = self.palette
        x, y = foot(phase, 1.0, 1.0)
        dangle = np.clip(pose.lift / (0.25 * pose.size), 0, 1)
        reach = self.leg * 0.6
        ankle = top[:, 0] + x * reach * pose.step * 0.8 - 0.06 * dangle
        at = np.stack([ankle, y * reach * pose.step * 0.5 - 0.035 - (0.015 if far else 0)], -1)
        knee = (top + at) / 2 + np.stack([0.03 - 0.05 * y * pose.step, 0 * y], -1)
        tone = p.main.by(-0.09) if far else p.main
        paw = self.paws.by(-0.09) if far else self.paws
        widths = self.limb * np.array([1.5, 1.3, 1.0, 0.95, 0.95])
        limb = Tube(move(root, through(top, knee, at, 5)), scale * widths).form()
        boot = shoe(at, 0.4 * dangle, self.limb * 1.0).under(root)
        return [(limb, tone.rgb), (boot, paw.rgb)]

    def _trunk(self, stage: Stage, trunk: Tube, shown: Array, scale: Array) -> None:
        p, form = self.palette, trunk.form()
        ring = np.linspace(0, 2 * np.pi, 14, endpoint=False)
        if self.pattern == "spots":
            for u, v, r in self.spots:
                blot = trunk.at(
                    np.clip(u + r * np.cos(ring), 0.02, 0.98),
                    np.clip(v + 3 * r * np.sin(ring), -0.94, 0.94),
                )
                stage.fill(flat(blot, affine(0, 0)), p.dark.rgb, shown, decor=True)
        elif self.pattern == "patch":
            blot = trunk.at(0.5 + 0.24 * np.cos(ring), -0.5 + 0.46 * np.sin(ring))
            stage.fill(flat(blot, affine(0, 0)), p.second.rgb, shown, decor=True)
        elif self.pattern == "belly":
            blot = trunk.at(0.5 + 0.46 * np.cos(ring), np.clip(0.72 + 0.32 * np.sin(ring), 0, 0.96))
            stage.fill(flat(blot, affine(0, 0)), p.light.rgb, shown, decor=True)
        elif self.pattern == "bands":
            for u in (0.15, 0.35, 0.55, 0.75):
                band = trunk.at(
                    np.array([u, u, u + 0.05, u + 0.07, u + 0.07, u + 0.05]),
                    np.array([-0.95, -0.5, 0.1, 0.1, -0.5, -0.95]),
                )
                stage.fill(flat(band, affine(0, 0)), p.dark.rgb, shown, decor=True)
        if self.shaded:
            stage.fill(
                form.crescent(0.02, 0.42, 0.45 * self.girth * scale.mean()),
                p.main.shade,
                shown,
                decor=True,
            )

    def _front(
        self, stage: Stage, root: Array, pose: Pose, top: Array, sway: Array, heave: Array
    ) -> None:
        p, shown = self.palette, pose.shown
        turn = 0.5 * (pose.lean + pose.tilt) + 0.25 * np.sin(pose.nod)
        at = join(
            root, affine(top[:, 0] + 0.03, top[:, 1] - self.half * 0.5, turn, self.wide, self.half)
        )
        behind = self.wear.behind(at, sway, heave)
        skull = flat(self.head, at)
        ears = self.wear.ear_forms(at, pose.yaw + 0.4, sway, heave)
        parts = [
            *((f, t.rgb) for f, t in behind),
            *((f, t.rgb) for f, t, _ in ears),
            (skull, p.main.rgb),
        ]
        stage.inked(parts, p.ink, p.weight, shown)
        self.wear.ear_insides(stage, ears, at, shown)
        stage.fill(skull, p.main.rgb, shown, decor=True)
        turned = pose.with_yaw(0.8, 0.32)
        self.face.paint(stage, at, turned, shown)
        front = self.wear.front(at, pose.yaw + 0.3, sway, heave)
        if front:
            stage.inked([(f, t.rgb) for f, t in front], p.ink, p.weight, shown)
