"""Those on four legs, those with wings, and those that swim."""

from __future__ import annotations

import numpy as np

from train.data.puppets.faces import Face
from train.data.puppets.geometry import Array, Tube, affine, bezier, flat, join, move, profile, through
from train.data.puppets.outlines import Rng, drop, egg, ellipse, polygon
from train.data.puppets.palette import Palette, Tone
from train.data.puppets.pose import Pose, foot
from train.data.puppets.stage import Stage
from train.data.puppets.timing import late
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


def face_size(m: Array) -> Array:
    return np.sqrt(np.abs(np.linalg.det(m[..., :2])))[:, None]


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
        self.wear = Headwear(rng, palette, ears, str(rng.choice(["none", "tuft", "spikes"], p=[0.6, 0.25, 0.15])), str(rng.choice(["none", "bow", "leaf", "cone"], p=[0.7, 0.15, 0.08, 0.07])))
        self.face = Face(rng, palette, muzzle=muzzle)
        self.pattern = str(rng.choice(["none", "spots", "patch", "belly", "bands"], p=[0.25, 0.25, 0.15, 0.2, 0.15]))
        self.spots = rng.uniform((0.1, -0.6, 0.04), (0.95, 0.5, 0.08), (5, 3))
        self.paws = palette.light if rng.random() < 0.4 else palette.main.by(-0.1)
        self.shaded = rng.random() < 0.6
        self.height = self.leg + self.girth + self.neck + 1.8 * self.half
        self.title = f"{palette.main.name} {self.noun}"

    def paint(self, stage: Stage, pose: Pose) -> None:
        p, shown = self.palette, pose.shown
        root = pose.root(self.height)
        scale = face_size(root)
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
        widths = self.girth * np.interp(np.linspace(0, 1, 9), [0, 0.25, 0.6, 1], [0.86, 1, 0.96, 0.92]) * sx[:, None] ** 0.4
        trunk = Tube(move(root, spine), widths * scale)
        tube, _ = tail(self.tail, rump + [-self.girth * 0.75, -0.03], sway, heave, 0.34, 0.6 * pose.flap)
        tube = Tube(move(root, tube.spine), tube.widths * scale)
        stage.inked([(tube.form(), p.main.rgb)], p.ink, p.weight, shown)
        if self.tail == "bushy":
            stage.fill(Tube(tube.spine[:, 3:], tube.widths[:, 3:] * 0.96).form(), p.light.rgb, shown, decor=True)
        legs = {far: [] for far in (True, False)}
        for far in legs:
            for k, end in enumerate((rump + [self.girth * 0.35, 0], chest + [-self.girth * 0.4, 0])):
                phase = pose.stride + 0.5 * (k == 0) + (0.5 if far else 0) + 0.1 * k
                legs[far] += self._leg(root, pose, end + [0.07 if far else 0, 0], phase, far, scale)
        stage.inked(legs[True], p.ink, p.weight, shown)
        base, top = self._neck(pose, chest)
        curve = bezier([chest + [-0.03, 0], base, top], 6)
        neck = Tube(move(root, curve), scale * np.linspace(self.girth * 0.8, self.half * 0.5, 6))
        stage.inked([*legs[False], (neck.form(), p.main.rgb), (trunk.form(), p.main.rgb)], p.ink, p.weight, shown)
        self._trunk(stage, trunk, shown, scale)
        self._front(stage, root, pose, top, sway, heave)

    def _neck(self, pose: Pose, chest: Array) -> tuple[Array, Array]:
        lean = pose.lean + pose.tilt
        side = 0.35 * self.neck + 0.08 + np.sin(lean) * (self.neck + 0.1)
        base = chest + [0, -self.girth * 0.35]
        return base, base + np.stack([side, -self.neck - 0.06 + 0 * lean], -1)

    def _leg(self, root: Array, pose: Pose, top: Array, phase: Array, far: bool, scale: Array) -> list:
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
        boot = flat(shoe(at, 0.4 * dangle, self.limb * 1.0).points, root)
        return [(limb, tone.rgb), (boot, paw.rgb)]

    def _trunk(self, stage: Stage, trunk: Tube, shown: Array, scale: Array) -> None:
        p, form = self.palette, trunk.form()
        ring = np.linspace(0, 2 * np.pi, 14, endpoint=False)
        if self.pattern == "spots":
            for u, v, r in self.spots:
                blot = trunk.at(np.clip(u + r * np.cos(ring), 0.02, 0.98), np.clip(v + 3 * r * np.sin(ring), -0.94, 0.94))
                stage.fill(flat(blot, affine(0, 0)), p.dark.rgb, shown, decor=True)
        elif self.pattern == "patch":
            blot = trunk.at(0.5 + 0.24 * np.cos(ring), -0.5 + 0.46 * np.sin(ring))
            stage.fill(flat(blot, affine(0, 0)), p.second.rgb, shown, decor=True)
        elif self.pattern == "belly":
            blot = trunk.at(0.5 + 0.46 * np.cos(ring), np.clip(0.72 + 0.32 * np.sin(ring), 0, 0.96))
            stage.fill(flat(blot, affine(0, 0)), p.light.rgb, shown, decor=True)
        elif self.pattern == "bands":
            for u in (0.15, 0.35, 0.55, 0.75):
                band = trunk.at(np.array([u, u, u + 0.05, u + 0.07, u + 0.07, u + 0.05]), np.array([-0.95, -0.5, 0.1, 0.1, -0.5, -0.95]))
                stage.fill(flat(band, affine(0, 0)), p.dark.rgb, shown, decor=True)
        if self.shaded:
            stage.fill(form.crescent(0.02, 0.42, 0.45 * self.girth * scale.mean()), p.main.shade, shown, decor=True)

    def _front(self, stage: Stage, root: Array, pose: Pose, top: Array, sway: Array, heave: Array) -> None:
        p, shown = self.palette, pose.shown
        turn = 0.5 * (pose.lean + pose.tilt) + 0.25 * np.sin(pose.nod)
        at = join(root, affine(top[:, 0] + 0.03, top[:, 1] - self.half * 0.5, turn, self.wide, self.half))
        behind = self.wear.behind(at, sway, heave)
        skull = flat(self.head, at)
        ears = self.wear.ear_forms(at, pose.yaw + 0.4, sway, heave)
        parts = [*((f, t.rgb) for f, t in behind), *((f, t.rgb) for f, t, _ in ears), (skull, p.main.rgb)]
        stage.inked(parts, p.ink, p.weight, shown)
        self.wear.ear_insides(stage, ears, at, shown)
        stage.fill(skull, p.main.rgb, shown, decor=True)
        turned = Pose(**{**pose.__dict__, "yaw": pose.yaw * 0.8 + 0.32})
        turned.shown = pose.shown
        self.face.paint(stage, at, turned, shown)
        front = self.wear.front(at, pose.yaw + 0.3, sway, heave)
        if front:
            stage.inked([(f, t.rgb) for f, t in front], p.ink, p.weight, shown)


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
        self.wear = Headwear(rng, palette, "none", str(rng.choice(["none", "tuft", "spikes"], p=[0.3, 0.5, 0.2])), str(rng.choice(["none", "bow", "beanie", "cone"], p=[0.7, 0.1, 0.1, 0.1])))
        self.belly = rng.random() < 0.6
        self.height = self.leg + 2 * self.half
        self.title = f"{palette.main.name} {self.noun}"

    def paint(self, stage: Stage, pose: Pose) -> None:
        p, ink, w, shown = self.palette, self.palette.ink, self.palette.weight, pose.shown
        root = pose.root(self.height)
        scale = face_size(root)
        sx, sy = pose.stretch
        sway, heave = pose.sway(), pose.heave()
        body = join(root, affine(0, -self.leg - self.half * sy, 0.6 * pose.lean + 0.05 * np.sin(2 * np.pi * pose.stride) * pose.step, self.wide * sx, self.half * sy))
        for k, t in ((0, -0.35), (1, 0.0), (2, 0.35)):
            feather = join(body, affine(-0.8, 0.35, -1.7 + t * 0.6 - 0.5 * late(sway, k) + 0.2 * pose.flap, 1, 1))
            stage.inked([(flat(drop(0.3) * (0.16, 0.5) + (0, -0.4), feather), p.second.rgb)], ink, w, shown)
        orange = Tone(0.72, 0.15, 0.17)
        for side in (-1, 1):
            x, y = foot(pose.stride + 0.25 * (side + 1), 1.0, 1.0)
            dangle = np.clip(pose.lift / (0.2 * pose.size), 0, 1)
            at = np.stack([side * 0.12 + x * 0.12 * pose.step - 0.05 * dangle, -0.02 + y * 0.09 * pose.step + 0.03 * dangle], -1)
            top = np.stack([side * 0.12 + 0 * x, -self.leg - 0.08 + 0 * x], -1)
            leg = Tube(move(root, through(top, (top + at) / 2 + [0.02, 0], at, 4)), scale * 0.022).form()
            toes = flat(shoe(at, 0.3 * dangle, 0.05).points, root)
            stage.inked([(leg, orange.rgb), (toes, orange.rgb)], ink, w * 0.8, shown)
        self._wing(stage, body, pose, -1)
        form = flat(self.body, body)
        stage.inked([(form, p.main.rgb)], ink, w, shown)
        if self.belly:
            at = join(body, affine(0.25 * np.sin(pose.yaw), 0.42))
            stage.fill(flat(ellipse(0.62, 0.46), at), p.light.rgb, shown, decor=True)
        if self.shaded:
            stage.fill(form.crescent(0.03, 0.42, 0.3 * self.half * scale.mean()), p.main.shade, shown, decor=True)
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
        outline = polygon([(-0.2, -0.1), (0.24, -0.1), (0.3, 0.6), (0.1, 1.15), (-0.16, 0.95), (-0.3, 0.5)], 0.3) * (side, 1)
        size = self.wing / self.half * 0.8
        form = flat(outline * size, at)
        stage.inked([(form, p.second.rgb)], p.ink, p.weight, pose.shown)
        for k in range(2):
            line = np.array([[-0.05 + 0.16 * k, 0.45], [0.0 + 0.13 * k, 0.7], [0.03 + 0.1 * k, 0.92]]) * (side, 1) * size
            mark = Tube(move(at, line), np.array([0.3, 0.5, 0.2]) * p.weight).form()
            stage.fill(mark, p.second.by(-0.14).rgb, pose.shown, decor=True)


class Fish:
    """About 1 unit long, looks to the right and floats about its middle."""

    acts = ("swim", "turn", "talk", "spin")

    def __init__(self, rng: Rng, palette: Palette):
        self.noun = str(rng.choice(["fish", "whale", "tadpole"], p=[0.6, 0.25, 0.15]))
        self.palette, self.shaded = palette, rng.random() < 0.6
        self.girth = rng.uniform(0.2, 0.36)
        self.fork = rng.uniform(0.15, 0.6)
        self.fin = rng.uniform(0.16, 0.3)
        self.pattern = str(rng.choice(["bands", "belly", "spots", "none"]))
        self.face = Face(rng, palette)
        self.height = 0.8
        self.title = f"{palette.main.name} {self.noun}"

    def paint(self, stage: Stage, pose: Pose) -> None:
        p, ink, w, shown = self.palette, self.palette.ink, self.palette.weight, pose.shown
        root = join(pose.root(self.height), affine(0, -self.height / 2, pose.lean * 0.6))
        scale, k = face_size(root), 12
        sx, sy = pose.stretch
        along = np.linspace(0, 1, k)
        wave = np.stack([0.16 * (1 - a) ** 2 * late(pose.flap, 2.0 * (1 - a)) for a in along], -1)
        spine = np.stack([np.broadcast_to((along - 0.45), wave.shape) * sx[:, None] ** 0.5, wave], -1)
        widths = profile([0.16, 0.5, 0.84, 1.0, 0.92, 0.62], k)
        body = Tube(move(root, spine), scale * self.girth * widths * sy[:, None])
        tail_at = join(root, affine(spine[:, 0, 0], spine[:, 0, 1], 0.9 * late(pose.flap, 2.5) * 0.5))
        fork = polygon([(0.06, 0), (-0.24, -0.26), (-0.24 + 0.2 * self.fork, 0), (-0.24, 0.26)], 0.22)
        top = join(root, affine(0.02, -self.girth * 0.82, 0.2 * late(pose.flap, 1)))
        crest = polygon([(-0.2, 0.06), (-0.22, -self.fin), (0.02, -self.fin * 0.8), (0.16, 0.06)], 0.25)
        stage.inked([(flat(fork, tail_at), p.second.rgb), (flat(crest, top), p.second.rgb)], ink, w, shown)
        form = body.form()
        stage.inked([(form, p.main.rgb)], ink, w, shown)
        ring = np.linspace(0, 2 * np.pi, 14, endpoint=False)
        if self.pattern == "bands":
            for u in (0.22, 0.4, 0.56):
                n = np.linspace(-0.95, 0.95, 6)
                curve = 0.03 * (1 - n**2)
                band = body.at(np.concatenate([u + curve, (u + 0.09 + curve)[::-1]]), np.concatenate([n, n[::-1]]))
                stage.fill(flat(band, affine(0, 0)), p.light.rgb, shown, decor=True)
        elif self.pattern == "belly":
            blot = body.at(0.6 + 0.36 * np.cos(ring), np.clip(0.7 + 0.36 * np.sin(ring), 0, 0.96))
            stage.fill(flat(blot, affine(0, 0)), p.light.rgb, shown, decor=True)
        elif self.pattern == "spots":
            for u, v in ((0.3, -0.2), (0.45, 0.35), (0.5, -0.5)):
                stage.fill(flat(body.at(u + 0.045 * np.cos(ring), v + 0.2 * np.sin(ring)), affine(0, 0)), p.accent.rgb, shown, decor=True)
        if self.shaded:
            stage.fill(form.crescent(0.03, 0.4, 0.4 * self.girth * scale.mean()), p.main.shade, shown, decor=True)
        turned = Pose(**{**pose.__dict__, "yaw": pose.yaw * 0.6 + 0.25})
        turned.shown = shown
        self.face.paint(stage, join(root, affine(0.27, -0.02, 0, self.girth * 0.95, self.girth * 0.85)), turned, shown)
        fin = join(root, affine(-0.02, self.girth * 0.3, 0.5 + 0.5 * late(pose.flap, 0.5)))
        stage.inked([(flat(drop(0.4) * (0.1, 0.17) * (1, -1) + (0, 0.13), fin), p.second.by(0.05).rgb)], ink, w, shown)
