"""What those on two legs wear: shirts, dresses, overalls, scarves, and the front of a robot."""

from __future__ import annotations

import numpy as np

from train.data.puppets.geometry import Array, Tube, affine, chain, flat, join, strip
from train.data.puppets.outlines import Rng, ellipse, squircle
from train.data.puppets.palette import Palette
from train.data.puppets.stage import Stage
from train.data.puppets.trimmings import badge, dangling

CLOTHES = ("none", "shirt", "overalls", "dress", "belly")


class Outfit:
    """The clothes of one character, or the light belly of an animal."""

    def __init__(self, rng: Rng, palette: Palette, human: bool, robot: bool):
        self.palette, self.robot = palette, robot
        shares = [0, 0.5, 0.25, 0.25, 0] if human else [0.2, 0.25, 0.15, 0.1, 0.3]
        self.clothes = "none" if robot else str(rng.choice(CLOTHES, p=shares))
        self.scarf = not robot and rng.random() < 0.2
        self.emblem = badge(rng) if rng.random() < 0.3 else None
        self.stripes = self.clothes == "shirt" and rng.random() < 0.35
        self.sleeves = self.clothes in ("shirt", "dress")
        self.shaded = rng.random() < 0.6

    @property
    def words(self) -> str:
        """As " in a blue dress", or nothing."""
        second, accent = self.palette.second.name, self.palette.accent.name
        if self.clothes == "overalls":
            return f" in {second} overalls"
        if self.sleeves:
            return f" in a{'n' if second[0] in 'aeiou' else ''} {second} {self.clothes}"
        return f" with a{'n' if accent[0] in 'aeiou' else ''} {accent} scarf" if self.scarf else ""

    def paint(self, stage: Stage, torso: Tube, shown: Array, sway: Array, scale: Array) -> None:
        """On a torso that goes from hip to neck; scale (f 1): stage units of one of its."""
        p, form = self.palette, torso.form()
        tone = p.second if self.sleeves else p.main
        girth = torso.widths.mean(1)
        if self.clothes == "dress":
            flare = np.linspace(-1, 1, 7)
            wave = 0.05 * np.cos(flare * 3 * np.pi) - 0.25 * sway[:, None] * np.ones(7)
            hem = torso.at(np.zeros(7), flare * 1.5) + torso.widths[:, :1, None] * np.stack(
                [wave, 0.35 - 0.1 * np.abs(flare) + 0 * wave], -1
            )
            skirt = strip(torso.at(np.full(7, 0.6), flare * 0.85), hem)
            stage.inked([(form, tone.rgb), (skirt, tone.rgb)], p.ink, p.weight, shown)
        else:
            stage.inked([(form, tone.rgb)], p.ink, p.weight, shown)
        if self.clothes == "overalls":
            bib = torso.at(
                np.array([0, 0, 0.3, 0.52, 0.55, 0.55, 0.52, 0.3]),
                np.array([-0.9, 0.9, 0.97, 0.95, 0.6, -0.6, -0.95, -0.97]),
            )
            stage.fill(flat(bib, affine(0, 0)), p.second.rgb, shown, decor=True)
            for side in (-1, 1):
                strap = Tube(
                    torso.at(np.linspace(0.5, 0.95, 4), side * np.array([0.5, 0.55, 0.6, 0.6])),
                    scale * 0.022,
                ).form()
                stage.fill(strap, p.second.rgb, shown, decor=True)
        if self.clothes == "belly":
            patch = torso.at(
                0.42 + 0.4 * np.sin(np.linspace(0, 2 * np.pi, 18)),
                0.62 * np.cos(np.linspace(0, 2 * np.pi, 18)),
            )
            stage.fill(flat(patch, affine(0, 0)), p.light.rgb, shown, decor=True)
        if self.stripes:
            for u in (0.2, 0.5, 0.8):
                band = torso.at(
                    np.array([u - 0.07] * 5 + [u + 0.07] * 5),
                    np.array([-0.96, -0.5, 0, 0.5, 0.96, 0.96, 0.5, 0, -0.5, -0.96]),
                )
                stage.fill(flat(band, affine(0, 0)), p.light.by(0.02).rgb, shown, decor=True)
        if self.robot:
            panel = flat(
                squircle(5, 20) * 0.5,
                join(
                    torso.map(0.5),
                    affine(0, 0, 0, girth, girth),
                ),
            )
            stage.inked([(panel, p.light.rgb)], p.ink, p.weight * 0.7, shown)
            for k, t in enumerate((p.accent, p.second)):
                knob = flat(
                    ellipse(0.16, 0.16, -0.2 + 0.4 * k, 0, 12),
                    join(
                        torso.map(0.5),
                        affine(0, 0, 0, girth, girth),
                    ),
                )
                stage.fill(knob, t.rgb, shown, decor=True)
        if self.shaded:
            stage.fill(
                form.crescent(0.02, 0.36, 0.4 * girth.mean()),
                tone.shade,
                shown,
                decor=True,
            )
        if self.emblem is not None and not self.robot and self.clothes != "belly":
            at = join(torso.map(0.55), affine(0, 0, 0, 0.055 * scale[:, 0], 0.055 * scale[:, 0]))
            stage.fill(flat(self.emblem, at), p.accent.by(0.05).rgb, shown, decor=True)
        if self.scarf:
            band = flat(
                squircle(3, 22) * (1, 0.42),
                join(torso.map(0.92), affine(0, 0, 0, 0.11 * scale[:, 0], 0.11 * scale[:, 0])),
            )
            start = torso.map(0.9)[..., 2]
            angles = dangling(sway, sway * 0, np.pi / 2 + 0.35, 0.3, 4, 0.4)
            length = 0.2 * scale.mean()
            end = Tube(
                chain(start, angles, length), scale * np.array([0.028, 0.035, 0.04, 0.042, 0.045])
            ).form()
            stage.inked(
                [(end, p.accent.by(-0.06).rgb), (band, p.accent.rgb)], p.ink, p.weight, shown
            )
