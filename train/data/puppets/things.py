"""Things of one or a few parts, with or without a face."""

from __future__ import annotations

import numpy as np

from train.data.puppets.faces import Face
from train.data.puppets.geometry import (
    Array,
    Form,
    Tube,
    affine,
    bezier,
    flat,
    join,
    move,
)
from train.data.puppets.outlines import (
    Rng,
    box,
    cloud,
    drop,
    egg,
    ellipse,
    lumpy,
    petals,
    polygon,
    squircle,
    star,
)
from train.data.puppets.palette import Palette, Tone
from train.data.puppets.pose import Pose
from train.data.puppets.stage import Stage

LIGHT = ("balloon", "cloud", "sun", "moon", "kite", "umbrella", "leaf")
LIGHT_ACTS = ("float", "swing")
ROUND = ("ball", "apple", "clock", "stone", "cookie")
SOLID_ACTS = ("hop", "jump", "spin", "drop", "swing", "dance", "float")


class Thing:
    """A thing of one or a few parts, about 1 unit tall, with or without a face."""

    names = (
        "ball",
        "star",
        "apple",
        "gift",
        "balloon",
        "cup",
        "flower",
        "cloud",
        "sun",
        "clock",
        "leaf",
        "toast",
        "moon",
        "kite",
        "stone",
        "cookie",
        "umbrella",
    )

    def __init__(self, rng: Rng, palette: Palette, noun: str = ""):
        self.noun = noun or str(rng.choice(self.names))
        self.palette, self.shaded = palette, rng.random() < 0.6
        self.face = (
            Face(rng, palette)
            if rng.random() < 0.5 and self.noun not in ("clock", "kite", "umbrella", "leaf")
            else None
        )
        self.acts = (
            LIGHT_ACTS
            if self.noun in LIGHT
            else SOLID_ACTS + (("roll",) if self.noun in ROUND else ())
        )
        self.turned = rng.uniform(-0.3, 0.3)
        self.lumps = lumpy(rng) * 0.46
        self.puff = cloud(rng, int(rng.integers(4, 6)))
        self.count = int(rng.integers(5, 9))
        self.depth = rng.uniform(0.15, 0.4)
        self.ball = int(rng.integers(4))
        self.height = 1.0
        self.title = f"{palette.main.name} {self.noun}"

    def paint(self, stage: Stage, pose: Pose) -> None:
        ink, w, shown = self.palette.ink, self.palette.weight, pose.shown
        sx, sy = pose.stretch
        root = join(pose.root(1.0), affine(0, 0, 0, sx, sy), affine(0, -0.5, pose.lean))
        sway = pose.sway()
        parts = self._parts(root, sway, pose)
        stage.inked([(f, t.rgb) for f, t in parts], ink, w, shown)
        main = parts[-1][0]
        if self.shaded and self.noun not in ("umbrella", "kite"):
            stage.fill(
                main.crescent(0.03, 0.42, 0.12 * pose.size), parts[-1][1].shade, shown, decor=True
            )
        self._details(stage, root, pose)
        if self.face is not None:
            low = {"cup": 0.1, "gift": 0.12, "apple": 0.08, "flower": -0.1}.get(self.noun, 0.0)
            size = {"flower": 0.24, "moon": 0.3, "star": 0.3}.get(self.noun, 0.36)
            turned = pose.with_yaw(0.7)
            self.face.paint(
                stage,
                join(root, affine(-0.1 if self.noun == "moon" else 0, low, 0, size, size * 0.92)),
                turned,
                shown,
            )

    def _parts(self, m: Array, sway: Array, pose: Pose) -> list[tuple[Form, Tone]]:
        p = self.palette

        def put(outline: Array, tone: Tone, *at: Array) -> tuple[Form, Tone]:
            return flat(outline, join(m, *at)), tone

        n = self.noun
        if n == "star":
            return [put(star(5, 0.55, 0.22) * 0.5, p.main)]
        if n == "apple":
            leaf = put(
                drop(0.6) * (0.1, 0.16) + (0, -0.14), p.accent, affine(0.05, -0.4, 0.8 - sway)
            )
            return [
                put(box() * (0.03, 0.11) + (0, -0.46), p.dark),
                leaf,
                put(egg(-0.08, 2.2) * (0.46, 0.43) + (0, 0.06), p.main),
            ]
        if n == "gift":
            loops = [
                put(ellipse(0.14, 0.09, s * 0.13, -0.34, 16), p.accent, affine(0, 0, 0.2 * sway))
                for s in (-1, 1)
            ]
            return [
                *loops,
                put(box() * (0.42, 0.34) + (0, 0.14), p.main),
                put(box() * (0.47, 0.11) + (0, -0.18), p.main.by(0.04)),
            ]
        if n == "balloon":
            string = Tube(
                move(
                    m,
                    bezier(
                        [
                            np.array([[0.0, 0.3]]),
                            np.stack([0.25 * sway, 0.5 + 0 * sway], -1),
                            np.stack([0.5 * sway, 0.85 + 0 * sway], -1),
                        ],
                        6,
                    ),
                ),
                0.012 * pose.size,
            ).form()
            return [
                (string, p.dark),
                put(polygon([(-0.07, 0.36), (0, 0.24), (0.07, 0.36)], 0.1), p.main),
                put(egg(-0.14, 2.1) * (0.36, 0.42) + (0, -0.12), p.main),
            ]
        if n == "cup":
            return [
                put(ellipse(0.2, 0.2, 0.34, 0.06, 20), p.main),
                put(ellipse(0.1, 0.11, 0.36, 0.06, 16), p.second),
                put(
                    polygon([(-0.36, -0.36), (0.36, -0.36), (0.3, 0.48), (-0.3, 0.48)], 0.14),
                    p.main,
                ),
            ]
        if n == "flower":
            stem = Tube(
                move(
                    m,
                    bezier(
                        [
                            np.array([[0.0, 0.5]]),
                            np.array([[0.04, 0.3]]) + 0 * sway[:, None],
                            np.array([[0.0, 0.0]]) + 0 * sway[:, None],
                        ],
                        5,
                    ),
                ),
                0.03 * pose.size,
            ).form()
            green = Tone(0.66, 0.14, 0.38)
            leaf = put(drop(0.6) * (0.09, 0.17) + (0, -0.14), green, affine(0.02, 0.38, 1.1 - sway))
            return [
                (stem, green),
                leaf,
                put(petals(self.count, self.depth) * 0.4 + (0, -0.1), p.main),
                put(ellipse(0.25, 0.25, 0, -0.1), p.light),
            ]
        if n == "cloud":
            return [put(self.puff * (0.62, 0.62) + (0, 0.2), Tone(0.96, 0.015, 0.7))]
        if n == "sun":
            return [
                put(
                    star(12, 0.72, 0.1) * 0.5,
                    Tone(0.8, 0.16, 0.2),
                    affine(turn=0.5 * np.sin(pose.flap)),
                ),
                put(ellipse(0.34, 0.34), Tone(0.88, 0.15, 0.26)),
            ]
        if n == "leaf":
            return [put(drop(0.75) * (0.3, 0.48), p.main)]
        if n == "toast":
            return [
                put(
                    polygon(
                        [
                            (-0.4, -0.4),
                            (0, -0.34),
                            (0.4, -0.4),
                            (0.46, -0.1),
                            (0.36, 0.0),
                            (0.36, 0.42),
                            (-0.36, 0.42),
                            (-0.36, 0.0),
                            (-0.46, -0.1),
                        ],
                        0.3,
                    ),
                    Tone(0.62, 0.1, 0.17),
                ),
                put(squircle(3.4, 24) * (0.3, 0.32), Tone(0.88, 0.06, 0.22)),
            ]
        if n == "moon":
            a, b = (
                np.linspace(0.35 * np.pi, 1.65 * np.pi, 18),
                np.linspace(1.55 * np.pi, 0.45 * np.pi, 14),
            )
            outer = np.stack([np.cos(a), np.sin(a)], -1) * 0.48
            inner = np.stack([np.cos(b) * 0.42 + 0.2, np.sin(b) * 0.42], -1)
            return [put(np.concatenate([outer, inner]), Tone(0.9, 0.1, 0.26))]
        if n == "kite":
            links = np.linspace(0, 1, 6)[:, None] * np.array([0.0, 0.5]) + (0, 0.45)
            wave = np.stack(
                [
                    0.12 * np.sin(links[:, 1] * 8 - k * 0.9) * (links[:, 1] - 0.45) * 2
                    for k in range(pose.frames)
                ]
            )
            spine = np.stack([wave, np.broadcast_to(links[:, 1], wave.shape)], -1)
            return [
                (Tube(move(m, spine), 0.012 * pose.size).form(), p.dark),
                put(polygon([(0, -0.5), (0.38, -0.08), (0, 0.48), (-0.38, -0.08)], 0.06), p.main),
            ]
        if n == "stone":
            return [put(self.lumps, Tone(0.65, 0.02, 0.7))]
        if n == "umbrella":
            top = np.concatenate(
                [
                    squircle(2, 25)[12:] * (0.5, 0.44),
                    *[[[0.5 - 0.125 * k, -0.02 - 0.06 * (k % 2)]] for k in range(1, 8)],
                ]
            )
            return [put(box() * (0.02, 0.42) + (0, 0.1), p.dark), put(top, p.main)]
        if n == "cookie":
            return [put(lumpy(np.random.default_rng(3), 0.02) * 0.46, Tone(0.7, 0.1, 0.18))]
        return [put(ellipse(0.48, 0.48), p.main if n == "ball" else p.light)]

    def _details(self, stage: Stage, m: Array, pose: Pose) -> None:
        p, shown = self.palette, pose.shown

        def put(outline: Array, tone: Tone, *at: Array) -> None:
            stage.fill(flat(outline, join(m, *at)), tone.rgb, shown, decor=True)

        n = self.noun
        if n == "ball" and self.ball == 0:
            for k in range(3):
                a = np.linspace(2 * np.pi * k / 3, 2 * np.pi * (k + 0.5) / 3, 8)
                put(
                    np.concatenate([[[0, 0]], np.stack([np.cos(a), np.sin(a)], -1) * 0.47]),
                    (p.second, p.accent, p.light)[k],
                )
            put(ellipse(0.1, 0.1), p.light)
        elif n == "ball" and self.ball == 1:
            y = np.linspace(-0.45, 0.45, 7)
            put(
                np.concatenate(
                    [
                        np.stack([y, 0.1 * (1 - (y / 0.45) ** 2) - 0.14], -1),
                        np.stack([y, 0.1 * (1 - (y / 0.45) ** 2) + 0.06], -1)[::-1],
                    ]
                ),
                p.second,
            )
        elif n == "ball" and self.ball == 2:
            for x, y in ((-0.2, -0.2), (0.22, -0.1), (-0.05, 0.22), (0.1, -0.34), (-0.32, 0.1)):
                put(ellipse(0.08, 0.08, x, y, 12), p.second)
        elif n == "gift":
            put(box() * (0.06, 0.33) + (0, 0.14), p.accent)
            put(box() * (0.06, 0.1) + (0, -0.18), p.accent)
        elif n == "clock":
            for k in range(12):
                put(box() * (0.012, 0.04) + (0, -0.38), p.dark, affine(turn=2 * np.pi * k / 12))
            for size, speed in ((0.34, 1.0), (0.24, 0.083)):
                at = affine(turn=2 * np.pi * (pose.stride * speed + self.turned))
                stage.fill(
                    flat(box() * (0.022, size / 2) + (0, -size / 2), join(m, at)), p.dark.rgb, shown
                )
            put(ellipse(0.05, 0.05, count=12), p.accent)
        elif n == "leaf":
            put(box() * (0.012, 0.4) + (0, 0.05), p.main.by(-0.14))
        elif n == "kite":
            put(polygon([(0, -0.48), (0.36, -0.08), (0, -0.08)], 0.02), p.second)
            put(polygon([(0, 0.46), (-0.36, -0.08), (0, -0.08)], 0.02), p.second)
        elif n == "cookie":
            for x, y in ((-0.22, -0.24), (0.2, -0.28), (0.3, 0.12), (-0.3, 0.18), (0.02, 0.34)):
                put(ellipse(0.06, 0.055, x, y, 12), Tone(0.4, 0.06, 0.13))
        elif n == "umbrella":
            for x in (-0.25, 0.0, 0.25):
                put(
                    polygon([(x - 0.05, -0.06), (x * 0.5, -0.42), (x + 0.05, -0.06)], 0.1), p.second
                )
        elif n in ("balloon", "apple", "cup"):
            put(ellipse(0.05, 0.1, -0.2, -0.2, 12), Tone(0.97, 0.01, 0.0), affine(0, 0, 0.0))
