"""What stands or drifts before and behind the characters: trees, bushes, crates; snow, leaves."""

from __future__ import annotations

import numpy as np

from train.data.puppets.backdrops import Place
from train.data.puppets.geometry import Array, Tube, affine, bezier, flat, join
from train.data.puppets.outlines import (
    Rng,
    box,
    cloud,
    drop,
    ellipse,
    lumpy,
    petals,
    polygon,
    squircle,
    star,
)
from train.data.puppets.palette import Palette, Tone
from train.data.puppets.stage import Stage
from train.data.puppets.timing import cycle

COVERS = {
    "land": ("tree", "bush", "rock", "fence", "crate", "sign", "stump"),
    "room": ("crate", "chair", "plant", "curtain", "pillar"),
    "flat": ("crate", "bush", "rock", "pillar", "tree"),
    "water": ("coral", "rock", "weed"),
    "air": ("cloud",),
}


LOW = {
    "bush",
    "rock",
    "crate",
    "stump",
    "chair",
    "plant",
    "coral",
    "cloud",
}  # what one comes up behind


class Cover:
    """A thing about `size` tall that hides what passes behind it; stands on (x, y)."""

    def __init__(self, rng: Rng, place: Place, palette: Palette, size: float, low: bool = False):
        nouns = [n for n in COVERS[place.kind] if n in LOW or not low]
        self.noun = str(rng.choice(nouns))
        self.palette, self.size = palette, size
        self.green = Tone(rng.uniform(0.5, 0.72), rng.uniform(0.07, 0.13), rng.uniform(0.3, 0.46))
        self.brown = Tone(rng.uniform(0.4, 0.6), 0.06, rng.uniform(0.1, 0.18))
        self.lumps, self.puff = lumpy(rng, 0.08), cloud(rng, int(rng.integers(4, 7)))
        self.count = int(rng.integers(7, 11))
        self.tone = palette.second

    def paint(self, stage: Stage, x: float, y: float, u: Array) -> None:
        p, s = self.palette, self.size
        breeze = cycle(u * 0.7 + x * 0.01, 0.03)
        m = affine(x, y, 0, s, s)
        bent = affine(x, y, 0, s, s, -breeze)
        n, parts = self.noun, []
        if n == "tree":
            parts = [
                (
                    polygon([(-0.16, 0.02), (-0.1, -0.6), (0.1, -0.6), (0.17, 0.02)], 0.1),
                    self.brown,
                    m,
                ),
                (petals(self.count, 0.16) * (0.5, 0.42) + (0, -0.92), self.green, bent),
            ]
        elif n == "bush":
            parts = [(petals(self.count, 0.14) * (0.62, 0.5) + (0, -0.42), self.green, bent)]
        elif n in ("rock", "coral"):
            tone = Tone(0.62, 0.02, 0.7) if n == "rock" else p.accent
            parts = [(self.lumps * (0.6, 0.5) + (0, -0.4), tone, m)]
            if n == "coral":
                parts = [
                    (
                        drop(0.2) * (0.14, 0.5) + (dx, -0.5 + abs(dx)),
                        tone.by(-0.05),
                        affine(x, y, dx, s, s),
                    )
                    for dx in (-0.4, 0.0, 0.4)
                ] + parts
        elif n == "fence":
            parts = [(box() * (0.95, 0.05) + (0, -0.2 - 0.3 * k), p.light, m) for k in range(2)]
            parts += [
                (
                    polygon(
                        [
                            (dx - 0.08, 0),
                            (dx - 0.08, -0.66),
                            (dx, -0.78),
                            (dx + 0.08, -0.66),
                            (dx + 0.08, 0),
                        ],
                        0.08,
                    ),
                    p.light.by(-0.03),
                    m,
                )
                for dx in np.linspace(-0.8, 0.8, 6)
            ]
        elif n == "crate":
            parts = [(box() * (0.5, 0.38) + (0, -0.38), self.brown.by(0.14), m)]
        elif n == "sign":
            parts = [
                (box() * (0.05, 0.4) + (0, -0.36), self.brown, m),
                (box() * (0.42, 0.26) + (0, -0.8), p.accent, m),
            ]
        elif n == "stump":
            parts = [
                (
                    polygon([(-0.42, 0.02), (-0.32, -0.5), (0.32, -0.5), (0.42, 0.02)], 0.12),
                    self.brown,
                    m,
                ),
                (ellipse(0.33, 0.1, 0, -0.5), self.brown.by(0.2, 0.8), m),
            ]
        elif n == "chair":
            parts = [
                (box() * (0.42, 0.42) + (0, -0.62), p.second.by(-0.06), m),
                (box() * (0.5, 0.2) + (0, -0.2), p.second, m),
            ]
        elif n == "plant":
            parts = [
                (
                    drop(0.7) * (0.13, 0.4) + (0, -0.4),
                    self.green.by(0.03 * k),
                    join(affine(x, y - 0.42 * s, 0.5 * k, s, s, -breeze), affine(0, 0.1)),
                )
                for k in (-2, 2, -1, 1, 0)
            ]
            parts += [
                (polygon([(-0.26, -0.5), (0.26, -0.5), (0.2, 0), (-0.2, 0)], 0.1), p.accent, m)
            ]
        elif n == "curtain":
            x_edge = np.linspace(-1, 1, 9)
            hem = np.stack([x_edge * 0.4, 0.06 * np.abs(np.sin(x_edge * 7))], -1)
            parts = [(np.concatenate([hem, [[0.36, -2.6], [-0.36, -2.6]]]), p.accent, bent)]
        elif n == "pillar":
            parts = [
                (box() * (0.2, 1.3) + (0, -1.2), p.light, m),
                (box() * (0.28, 0.08) + (0, -0.06), p.light.by(-0.05), m),
            ]
        elif n == "weed":
            for k, dx in enumerate((-0.26, 0.0, 0.26)):
                sway = cycle(u * 0.8 + 0.2 * k, 0.12 * s)
                top = np.stack(
                    [x + dx * s + sway, np.full_like(u, y - (0.8 + 0.2 * (k == 1)) * s)], -1
                )
                spine = bezier(
                    [
                        np.array([[x + dx * s, y]]),
                        np.array([[x + dx * s - 0.2 * s, y - 0.4 * s]]) + 0 * top,
                        top,
                    ],
                    7,
                )
                stage.inked(
                    [
                        (
                            Tube(
                                spine, np.array([0.09, 0.11, 0.1, 0.09, 0.08, 0.06, 0.03]) * s
                            ).form(),
                            self.green.by(0.05 * k).rgb,
                        )
                    ],
                    p.ink,
                    p.weight,
                )
        elif n == "cloud":
            parts = [
                (
                    self.puff * (0.9, 0.9) + (0, -0.1),
                    Tone(0.97, 0.01, 0.65),
                    affine(x + 6 * (u - 0.5), y, 0, s, s),
                )
            ]
        if not parts:
            return
        stage.inked([(flat(o, a), t.rgb) for o, t, a in parts], p.ink, p.weight)
        form = flat(parts[-1][0], parts[-1][2])
        stage.fill(form.crescent(0.03, 0.42, 0.12 * s), parts[-1][1].shade, decor=True)
        if n == "crate":
            for dy in (-0.2, -0.5):
                stage.fill(
                    flat(box() * (0.46, 0.02) + (0, dy), m), self.brown.by(0.02).rgb, decor=True
                )


class Drift:
    """Many small things that fall, rise or blow by; half of them behind the characters."""

    kinds = {
        "land": ("snow", "leaves", "petals", "rain"),
        "water": ("bubbles",),
        "air": ("leaves", "petals"),
        "flat": ("stars", "petals"),
        "room": ("stars",),
    }

    def __init__(self, rng: Rng, place: Place, palette: Palette, seconds: float):
        self.noun = str(rng.choice(self.kinds[place.kind]))
        count = int(rng.integers(6, 15))
        self.start = rng.uniform((-60, -60), (60, 50), (count, 2))
        down = {"bubbles": -14, "rain": 120, "snow": 16}.get(self.noun, 18) * rng.uniform(0.7, 1.3)
        self.way = np.array([rng.uniform(-16, 16), down]) * max(seconds, 0.4)
        self.size = rng.uniform(0.9, 2.4, count)
        self.phase = rng.random(count)
        self.turns = rng.uniform(-1.2, 1.2, count)
        self.tones = [
            (palette.accent, palette.second, palette.light)[rng.integers(3)] for _ in range(count)
        ]

    def paint(self, stage: Stage, u: Array, before: bool) -> None:
        outline = {
            "snow": squircle(2, 10),
            "leaves": drop(0.7),
            "petals": ellipse(1, 0.6, count=12),
            "rain": box() * (0.14, 2.0),
            "bubbles": squircle(2, 14),
            "stars": star(5, 0.5),
        }[self.noun]
        fixed = {
            "snow": Tone(0.98, 0.005, 0.6),
            "rain": Tone(0.85, 0.05, 0.65),
            "bubbles": Tone(0.93, 0.03, 0.6),
        }.get(self.noun)
        for k in range(len(self.start)):
            if (k % 2 == 0) != before:
                continue
            path = self.start[k] + self.way * (u - 0.5)[:, None]
            wobble = 0 if self.noun == "rain" else cycle(u + self.phase[k], 2.0)
            turn = 0 if self.noun == "rain" else 2 * np.pi * (self.phase[k] + self.turns[k] * u)
            form = flat(
                outline, affine(path[:, 0] + wobble, path[:, 1], turn, self.size[k], self.size[k])
            )
            stage.fill(form, (fixed or self.tones[k]).rgb)
