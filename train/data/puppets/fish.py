"""Those who swim."""

from __future__ import annotations

import numpy as np

from train.data.puppets.faces import Face
from train.data.puppets.geometry import (
    Tube,
    affine,
    flat,
    join,
    move,
    profile,
    scale_of,
)
from train.data.puppets.outlines import (
    Rng,
    drop,
    polygon,
)
from train.data.puppets.palette import Palette
from train.data.puppets.pose import Pose
from train.data.puppets.stage import Stage
from train.data.puppets.timing import late


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
        scale, k = scale_of(root), 12
        sx, sy = pose.stretch
        along = np.linspace(0, 1, k)
        wave = np.stack([0.16 * (1 - a) ** 2 * late(pose.flap, 2.0 * (1 - a)) for a in along], -1)
        spine = np.stack(
            [np.broadcast_to((along - 0.45), wave.shape) * sx[:, None] ** 0.5, wave], -1
        )
        widths = profile([0.16, 0.5, 0.84, 1.0, 0.92, 0.62], k)
        body = Tube(move(root, spine), scale * self.girth * widths * sy[:, None], side=pose.facing)
        tail_at = join(
            root, affine(spine[:, 0, 0], spine[:, 0, 1], 0.9 * late(pose.flap, 2.5) * 0.5)
        )
        fork = polygon(
            [(0.06, 0), (-0.24, -0.26), (-0.24 + 0.2 * self.fork, 0), (-0.24, 0.26)], 0.22
        )
        top = join(root, affine(0.02, -self.girth * 0.82, 0.2 * late(pose.flap, 1)))
        crest = polygon(
            [(-0.2, 0.06), (-0.22, -self.fin), (0.02, -self.fin * 0.8), (0.16, 0.06)], 0.25
        )
        stage.inked(
            [(flat(fork, tail_at), p.second.rgb), (flat(crest, top), p.second.rgb)], ink, w, shown
        )
        form = body.form()
        stage.inked([(form, p.main.rgb)], ink, w, shown)
        ring = np.linspace(0, 2 * np.pi, 14, endpoint=False)
        if self.pattern == "bands":
            for u in (0.22, 0.4, 0.56):
                n = np.linspace(-0.95, 0.95, 6)
                curve = 0.03 * (1 - n**2)
                band = body.at(
                    np.concatenate([u + curve, (u + 0.09 + curve)[::-1]]),
                    np.concatenate([n, n[::-1]]),
                )
                stage.fill(flat(band, affine(0, 0)), p.light.rgb, shown, decor=True)
        elif self.pattern == "belly":
            blot = body.at(0.6 + 0.36 * np.cos(ring), np.clip(0.7 + 0.36 * np.sin(ring), 0, 0.96))
            stage.fill(flat(blot, affine(0, 0)), p.light.rgb, shown, decor=True)
        elif self.pattern == "spots":
            for u, v in ((0.3, -0.2), (0.45, 0.35), (0.5, -0.5)):
                stage.fill(
                    flat(body.at(u + 0.045 * np.cos(ring), v + 0.2 * np.sin(ring)), affine(0, 0)),
                    p.accent.rgb,
                    shown,
                    decor=True,
                )
        if self.shaded:
            stage.fill(
                form.crescent(0.03, 0.4, 0.4 * self.girth * scale.mean()),
                p.main.shade,
                shown,
                decor=True,
            )
        turned = pose.with_yaw(0.6, 0.25)
        self.face.paint(
            stage,
            join(root, affine(0.27, -0.02, 0, self.girth * 0.95, self.girth * 0.85)),
            turned,
            shown,
        )
        fin = join(root, affine(-0.02, self.girth * 0.3, 0.5 + 0.5 * late(pose.flap, 0.5)))
        stage.inked(
            [(flat(drop(0.4) * (0.1, 0.17) * (1, -1) + (0, 0.13), fin), p.second.by(0.05).rgb)],
            ink,
            w,
            shown,
        )
