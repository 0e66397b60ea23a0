"""Those who walk on two legs: children, animals that stand up, monsters and robots."""

from __future__ import annotations

import numpy as np

from train.data.puppets.clothes import Outfit
from train.data.puppets.faces import Face, box_eye
from train.data.puppets.geometry import (
    Array,
    Tube,
    affine,
    bezier,
    flat,
    join,
    move,
    profile,
    strip,
    through,
)
from train.data.puppets.outlines import Rng, egg, squircle
from train.data.puppets.palette import Palette, Tone
from train.data.puppets.pose import Pose, foot
from train.data.puppets.stage import Stage
from train.data.puppets.trimmings import HAIR, HATS, Headwear, hand, shoe, tail

ANIMALS = {  # noun -> ears, tail, muzzle
    "bear": ("round", "stub", True),
    "cat": ("point", "thin", True),
    "rabbit": ("long", "stub", True),
    "puppy": ("flop", "taper", True),
    "mouse": ("round", "thin", True),
    "fox": ("point", "bushy", True),
    "squirrel": ("point", "bushy", True),
    "goat": ("horns", "stub", True),
    "hamster": ("round", "stub", False),
    "dragon": ("horns", "taper", False),
    "alien": ("feelers", "none", False),
    "monster": ("horns", "taper", False),
    "bug": ("feelers", "none", False),
}
PROFILES = (  # half widths of a torso from hip to neck
    (0.78, 0.98, 1.02, 0.92, 0.76, 0.55),
    (0.74, 0.84, 0.92, 0.96, 0.9, 0.62),
    (0.86, 1.06, 1.1, 1.02, 0.86, 0.6),
)
SKINS = (
    (0.86, 0.05, 0.14),
    (0.80, 0.07, 0.13),
    (0.70, 0.09, 0.13),
    (0.56, 0.09, 0.12),
    (0.43, 0.07, 0.11),
)


class Biped:
    """About 1 unit tall; stands on (0, 0)."""

    acts = (
        "walk",
        "run",
        "jump",
        "wave",
        "turn",
        "nod",
        "talk",
        "dance",
        "spin",
        "stretch",
        "cheer",
    )

    def __init__(self, rng: Rng, palette: Palette):
        self.noun = str(
            rng.choice(
                ["child", "robot", *ANIMALS], p=[0.22, 0.1, *[0.68 / len(ANIMALS)] * len(ANIMALS)]
            )
        )
        self.robot, human = self.noun == "robot", self.noun == "child"
        ears, self.tail, muzzle = ANIMALS.get(self.noun, ("none", "none", False))
        hair, hat = "none", "none"
        if human:
            tone = Tone(*SKINS[rng.integers(len(SKINS))])
            palette = Palette(
                tone,
                tone.by(0.05),
                palette.second,
                palette.main,
                tone.by(-0.2),
                palette.ink,
                palette.weight,
            )
            hair = str(rng.choice(HAIR[1:]))
            hat = str(rng.choice(HATS, p=[0.55, 0.12, 0.05, 0.05, 0.13, 0.1, 0.0]))
        elif not self.robot:
            hair = str(rng.choice(HAIR, p=[0.75, 0.15, 0.1, 0, 0, 0, 0]))
            hat = str(rng.choice(HATS, p=[0.62, 0.06, 0.08, 0.06, 0.06, 0.07, 0.05]))
        else:
            ears = "feelers" if rng.random() < 0.7 else "none"
        self.palette = palette
        self.half = rng.uniform(0.2, 0.26)  # of the head's height
        self.wide = self.half * rng.uniform(1.0, 1.3)
        power = rng.uniform(3.5, 6) if self.robot else rng.uniform(2.0, 2.7)
        self.head = egg(rng.uniform(-0.06, 0.16), power)
        self.torso, self.leg = rng.uniform(0.24, 0.34), rng.uniform(0.18, 0.28)
        self.girth = self.wide * rng.uniform(0.55, 0.85)
        self.profile = profile(PROFILES[rng.integers(len(PROFILES))], 9)
        self.limb = rng.uniform(0.03, 0.05) * (0.75 if self.robot else 1)
        self.arm = self.torso * rng.uniform(0.72, 0.92)
        self.height = self.leg + self.torso + 1.8 * self.half
        self.wear = Headwear(rng, palette, ears, hair, hat)
        self.face = Face(rng, palette, muzzle=muzzle, beak=False)
        self.outfit = Outfit(rng, palette, human, self.robot)
        feet = palette.accent.by(-0.15) if human or rng.random() < 0.3 else palette.main.by(-0.06)
        self.shoes, self.shaded = feet, rng.random() < 0.6
        words = "child" if human else f"{palette.main.name} {self.noun}"
        self.title = f"{words}{self.outfit.words}"

    def paint(self, stage: Stage, pose: Pose) -> None:
        p, ink, weight = self.palette, self.palette.ink, self.palette.weight
        root, shown = pose.root(self.height), pose.shown
        scale = pose.size / self.height * np.maximum(1 + pose.grow, 0.02)[:, None]
        sx, sy = pose.stretch
        step = pose.step * (self.leg * 0.55 + 0.05)
        bob = np.abs(np.sin(2 * np.pi * pose.stride)) * 0.12 * self.leg * pose.step
        hip = np.stack([np.zeros(pose.frames), -self.leg * np.clip(sy, 0.45, 1.25) + bob * 0.5], -1)
        neck = hip + np.stack(
            [np.sin(pose.lean) * self.torso, -np.cos(pose.lean) * self.torso * sy], -1
        )
        middle = (hip + neck) / 2 + np.stack([-0.25 * np.sin(pose.lean) * self.torso, 0 * sy], -1)
        spine = bezier([hip + [0, self.torso * 0.05], middle, neck], 9)
        widths = self.girth * self.profile * sx[:, None]
        torso = Tube(move(root, spine), widths * scale, (0.6, 0.7))
        sway, heave = pose.sway(), pose.heave()
        head_at = neck + np.stack(
            [np.sin(pose.lean + pose.tilt) * self.half, -self.half * 0.78 * (0.4 + 0.6 * sy)], -1
        )
        head = join(
            root,
            affine(
                head_at[:, 0],
                head_at[:, 1],
                pose.lean * 0.6 + pose.tilt,
                self.wide * sx**0.5,
                self.half * sy**0.5,
            ),
        )
        body = p.second if self.outfit.sleeves else p.main
        if self.tail != "none":
            tube, _ = tail(
                self.tail, hip + [-self.girth * 0.4, -0.04], sway, heave, 0.34, pose.flap * 0.5
            )
            tube = Tube(move(root, tube.spine), tube.widths * scale)
            stage.inked([(tube.form(), p.main.rgb)], ink, weight, shown)
            if self.tail == "bushy":
                tip = Tube(tube.spine[:, 3:], tube.widths[:, 3:] * 0.96).form()
                stage.fill(tip, p.light.rgb, shown, decor=True)
        behind = self.wear.behind(head, sway, heave)
        if behind:
            stage.inked([(f, t.rgb) for f, t in behind], ink, weight, shown)
        for side in (-1, 1):
            self._leg(stage, root, pose, hip, side, step, scale)
        self.outfit.paint(stage, torso, shown, sway, scale)
        for side in (0, 1):
            self._arm(stage, pose, torso, side, scale, body, root)
        self._head(stage, head, pose, sway, heave, shown)

    def _leg(
        self,
        stage: Stage,
        root: Array,
        pose: Pose,
        hip: Array,
        side: int,
        step: Array,
        scale: Array,
    ) -> None:
        p, spread = self.palette, self.girth * 0.42
        x, y = foot(pose.stride + (0.5 if side > 0 else 0), 1.0, 1.0)
        dangle = np.clip(pose.lift / (0.25 * pose.size), 0, 1)
        idle = side * spread
        at = np.stack(
            [
                idle * (1 - 0.5 * np.clip(pose.step, 0, 1)) + x * step,
                y * step * 0.55 - 0.035 + 0.02 * dangle,
            ],
            -1,
        )
        start = hip + [side * spread * 0.75, -0.02]
        knee = (start + at) / 2 + np.stack(
            [0.05 * np.ones_like(x) + 0.1 * step / 0.1 * (y < 0) * 0.3, 0.03 * y], -1
        )
        tone = (
            p.second
            if self.outfit.clothes == "overalls"
            else (p.accent.by(-0.22) if self.outfit.clothes == "shirt" else p.main)
        )
        tone = tone.by(-0.05) if side < 0 else tone
        spine = move(root, through(start, knee, at, 5))
        limb = Tube(spine, scale * self.limb * np.array([1.35, 1.25, 1.1, 1.0, 1.0])).form()
        turn = np.where(y < 0, 0.35 * y * pose.step, 0.0) + 0.5 * dangle
        boot = shoe(at, turn, self.limb * 1.35)
        boot = boot.under(root)
        shape = self.shoes.by(-0.05) if side < 0 else self.shoes
        stage.inked([(limb, tone.rgb), (boot, shape.rgb)], p.ink, p.weight, pose.shown)

    def _arm(
        self,
        stage: Stage,
        pose: Pose,
        torso: Tube,
        side: int,
        scale: Array,
        body: Tone,
        root: Array,
    ) -> None:
        p, sign = self.palette, -1 if side == 0 else 1
        swing = np.sin(2 * np.pi * pose.stride) * 0.55 * pose.step * (1 if side else -1)
        raised = np.minimum(pose.arms[:, side], 2.35)
        shoulder = torso.at(np.array([0.8]), np.array([0.8 * sign]))[:, 0]
        frame = torso.map(0.8)
        # from hanging (down, a little out) up over the side to above the head
        angle = np.pi / 2 - sign * (0.28 + raised) + swing * (1 - np.clip(raised, 0, 1))
        bend = sign * -(0.25 + pose.elbows[:, side])
        l1 = self.arm * 0.52
        elbow = np.stack([np.cos(angle), np.sin(angle)], -1) * l1
        wrist = elbow + np.stack([np.cos(angle + bend), np.sin(angle + bend)], -1) * l1
        linear = (
            frame[..., :2]
            * (pose.size / self.height * np.maximum(1 + pose.grow, 0.02))[:, None, None]
        )
        norm = np.linalg.norm(frame[..., :2], axis=1, keepdims=True)
        linear = linear / np.maximum(norm, 1e-6)
        place = np.concatenate([linear, shoulder[..., None]], -1)
        points = move(place, np.stack([elbow, wrist], 1))
        spine = through(shoulder, points[:, 0], points[:, 1], 6)
        limb = Tube(spine, scale * self.limb * np.array([1.15, 1.1, 1.0, 0.92, 0.88, 0.85]))
        turn = np.arctan2(*(spine[:, -1] - spine[:, -2]).T[::-1])
        size = self.limb * 1.6 * scale[:, 0]
        palm = hand(points[:, 1] + (spine[:, -1] - spine[:, -2]) * 0.25, turn, size)
        skin = p.main if not self.robot else p.light
        sleeve = body if self.outfit.sleeves else p.main
        stage.inked(
            [(limb.form(), sleeve.rgb), *((f, skin.rgb) for f in palm)], p.ink, p.weight, pose.shown
        )
        self.hand_at = points[:, 1]

    def _head(
        self, stage: Stage, head: Array, pose: Pose, sway: Array, heave: Array, shown: Array
    ) -> None:
        p = self.palette
        skull = flat(self.head, head)
        ears = self.wear.ear_forms(head, pose.yaw, sway, heave)
        stage.inked(
            [*((f, t.rgb) for f, t, _ in ears), (skull, p.main.rgb)], p.ink, p.weight, shown
        )
        self.wear.ear_insides(stage, ears, head, shown)
        if ears:
            stage.fill(skull, p.main.rgb, shown, decor=True)
        if self.shaded:
            size = pose.size * self.half / self.height
            stage.fill(skull.crescent(0.03, 0.42, 0.3 * size), p.main.shade, shown, decor=True)
        if self.robot:
            self._screen(stage, head, pose, shown)
        else:
            self.face.paint(stage, head, pose, shown)
        front = self.wear.front(head, pose.yaw, sway, heave)
        if front:
            stage.inked([(f, t.rgb) for f, t in front], p.ink, p.weight, shown)

    def _screen(self, stage: Stage, head: Array, pose: Pose, shown: Array) -> None:
        p = self.palette
        at = join(head, affine(0.3 * np.sin(pose.yaw), 0.08))
        stage.inked(
            [(flat(squircle(4, 24) * (0.72, 0.58), at), p.dark.by(-0.25, 0.7).rgb)],
            p.ink,
            p.weight * 0.7,
            shown,
        )
        glow = Tone(0.88, 0.13, p.accent.hue).rgb
        for side in (-1, 1):
            x = side * 0.3 + 0.2 * np.sin(pose.yaw) + 0.08 * pose.look_x
            box_eye(
                stage,
                join(at, affine(x, -0.12 + 0.08 * pose.look_y, 0, 0.13, 0.17)),
                glow,
                shown,
                pose.lid,
            )
        line = np.stack(
            [np.linspace(-1, 1, 7) * 0.26, 0.2 + 0.1 * (1 - np.linspace(-1, 1, 7) ** 2)], -1
        )
        opened = (0.03 + 0.14 * pose.mouth[:, None]) * (1 - np.linspace(-1, 1, 7) ** 2) + 0.02
        m = join(at, affine(0.2 * np.sin(pose.yaw), 0))
        upper = np.broadcast_to(line, (pose.frames, *line.shape))
        lower = upper + np.stack([0 * opened, opened], -1)
        stage.fill(strip(move(m, upper), move(m, lower)), glow, shown)
