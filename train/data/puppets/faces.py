"""Faces: eyes, lids, pupils, brows, noses, mouths and cheeks on a head that turns."""

from __future__ import annotations

import numpy as np

from train.data.puppets.geometry import Array, Form, Tube, affine, flat, join, move, strip
from train.data.puppets.outlines import Rng, ellipse, polygon, squircle
from train.data.puppets.palette import Palette, Tone, colour, mix
from train.data.puppets.pose import Pose
from train.data.puppets.stage import Stage

WHITE = (253, 252, 248)
TONGUES = ((232, 110, 118), (240, 130, 120), (214, 92, 112))


class Face:
    """A face in the units of a head: its half width and half height are 1."""

    def __init__(self, rng: Rng, palette: Palette, muzzle: bool = False, beak: bool = False):
        skin = palette.main
        self.palette, self.beak = palette, beak
        dark_skin = skin.lightness < 0.5
        inked = palette.ink if palette.ink is not None else colour(0.22, 0.04, skin.hue)
        self.dark = inked
        self.line = mix(palette.light.rgb, WHITE, 0.5) if dark_skin and not muzzle else inked
        kinds, shares = ["bead", "white", "big", "goggle", "dot"], [0.27, 0.3, 0.22, 0.13, 0.08]
        if dark_skin:
            kinds, shares = ["white", "goggle"], [0.6, 0.4]
        self.eye = str(rng.choice(kinds, p=shares))
        self.radius = rng.uniform(
            *{"dot": (0.09, 0.12), "bead": (0.13, 0.19)}.get(self.eye, (0.2, 0.3))
        )
        self.tall = rng.uniform(1.0, 1.4)
        least = self.radius * (0.98 if self.eye == "goggle" else 1.25)
        self.apart = max(rng.uniform(0.3, 0.52), least)
        if self.eye == "goggle":
            self.apart = least
        self.up = rng.uniform(-0.2, 0.08) + (0.0 if muzzle else 0.06)
        self.iris = colour(rng.uniform(0.45, 0.7), rng.uniform(0.08, 0.16), rng.random())
        self.pupil = rng.uniform(0.42, 0.62)
        self.brows = rng.random() < 0.5
        self.brow_tone = palette.second.rgb if rng.random() < 0.3 else self.line
        self.lashes = rng.random() < 0.3
        self.cheeks = rng.random() < 0.55
        blush = Tone(min(skin.lightness, 0.8), 0.13, 0.06)
        self.blush = mix(skin.rgb, blush.rgb, 0.6)
        self.muzzle = muzzle
        self.muzzle_size = rng.uniform(0.36, 0.52), rng.uniform(0.26, 0.36)
        self.nose = str(rng.choice(["none", "dot", "oval", "triangle"], p=[0.3, 0.2, 0.3, 0.2]))
        if muzzle and self.nose == "none":
            self.nose = "oval"
        self.nose_size = rng.uniform(0.09, 0.15) if muzzle else rng.uniform(0.05, 0.11)
        pink = colour(0.68, 0.13, 0.05)
        self.nose_tone = (self.dark, pink, palette.dark.rgb)[rng.integers(3)]
        self.mouth_width = rng.uniform(0.2, 0.36) * (0.8 if muzzle else 1)
        below = self.up + self.radius * self.tall
        self.mouth_up = min(below + rng.uniform(0.12, 0.26), 0.8 - self.mouth_width)
        self.cat = muzzle and rng.random() < 0.4
        self.inside = colour(rng.uniform(0.28, 0.4), 0.11, rng.uniform(0.02, 0.09))
        self.tongue = TONGUES[rng.integers(len(TONGUES))]
        self.teeth = rng.random() < 0.35
        self.beak_tone = Tone(rng.uniform(0.72, 0.82), 0.16, rng.uniform(0.14, 0.22))

    def paint(self, stage: Stage, head: Array, pose: Pose, shown: Array) -> None:
        """head (f 2 3): face units -> stage."""
        self.head, self.stage, self.pose, self.shown = head, stage, pose, shown
        self.weight = self.palette.weight * 0.75
        if self.cheeks:
            for side in (-1, 1):
                m, seen = self._on_ball(
                    side * (self.apart + 0.3), self.up + self.radius * 1.5 + 0.08
                )
                stage.fill(flat(ellipse(0.17, 0.11), m), self.blush, seen)
        if self.muzzle:
            m, seen = self._on_ball(0, self.mouth_up - 0.1, out=0.3)
            patch = flat(ellipse(*self.muzzle_size), m)
            stage.fill(patch, self.palette.light.rgb, seen)
        far, near = (1, -1) if pose.yaw.mean() < 0 else (-1, 1)
        for side in (far, near):
            self._eye(side)
        if self.beak:
            self._beak()
            return
        self._mouth()
        self._nose()

    def _on_ball(self, x: float, y: float, out: float = 0.0) -> tuple[Array, Array]:
        """The map of a place on the head turned by yaw and nod, and where it is to be seen. `out`
        stands out from the head, so that it moves further."""
        pose = self.pose
        angle = np.arcsin(np.clip(x, -0.95, 0.95)) + pose.yaw
        place = affine(
            np.sin(angle) * (1 + out) * 0.96,
            y + np.sin(np.clip(pose.nod, -0.4, 0.4)) * (0.5 + 0.5 * out),
            sx=np.maximum(np.cos(angle), 0.12) ** 0.8,
        )
        return join(self.head, place), self.shown & (np.cos(angle) > 0.08)

    def _eye(self, side: int) -> None:
        stage, pose, r = self.stage, self.pose, self.radius
        m, seen = self._on_ball(side * self.apart, self.up)
        lid = np.clip(pose.lid, 0, 1)
        look = pose.look_x * 0.32, pose.look_y * 0.32
        self._brow(side, seen)
        if self.eye in ("bead", "dot"):
            shut = np.clip(1 - lid, 0.1, 1)
            m = join(m, affine(look[0] * r * 0.8, look[1] * r * 0.8, 0, r, r * self.tall * shut))
            stage.fill(flat(ellipse(), m), self.dark, seen)
            if self.eye == "bead":
                glint = flat(ellipse(0.34, 0.3, -0.3, -0.38, 12), m)
                stage.fill(glint, WHITE, seen & (lid < 0.5), decor=True)
            return
        m = join(m, affine(0, 0, 0, r, r * self.tall))
        ball = flat(ellipse(), m)
        shut = seen & (lid >= 0.85)
        seen = seen & (lid < 0.85)
        bow = np.linspace(-1, 1, 7)
        line = np.stack([bow, 0.35 - 0.4 * bow**2], -1)
        stage.fill(Tube(move(m, line), self._thin(7) * 1.2).form(), self.line, shut)
        if self.eye == "big":
            self._big(m, ball, seen, look)
        else:
            stage.inked([(ball, WHITE)], self.palette.ink, self.weight, seen)
            size = self.pupil * (0.62 if self.eye == "goggle" else 1)
            at = join(m, affine(look[0] * 1.5, look[1] * 1.4))
            if self.eye == "white":
                stage.fill(flat(ellipse(size + 0.2, size + 0.2), at), self.iris, seen)
            stage.fill(flat(ellipse(size, size), at), self.dark, seen)
            glint = flat(ellipse(0.36 * size, 0.36 * size, -0.35 * size, -0.4 * size, 10), at)
            stage.fill(glint, WHITE, seen, decor=True)
        self._lid(m, lid, seen)
        if self.lashes:
            self._lash(m, side, lid, seen)

    def _big(self, m: Array, ball: Form, seen: Array, look: tuple) -> None:
        """A dark oval with a coloured lower half and two glints."""
        stage = self.stage
        stage.fill(ball, self.dark, seen)
        at = join(m, affine(look[0] * 0.25, look[1] * 0.25))
        stage.fill(flat(ellipse(0.72, 0.6, 0, 0.26), at), self.iris, seen)
        stage.fill(flat(ellipse(0.5, 0.52, 0, 0.02), at), self.dark, seen)
        at = join(m, affine(look[0] * 0.6, look[1] * 0.6))
        stage.fill(flat(ellipse(0.3, 0.27, -0.28, -0.42, 12), at), WHITE, seen)
        stage.fill(flat(ellipse(0.15, 0.13, 0.32, 0.4, 10), at), WHITE, seen)

    def _lid(self, m: Array, lid: Array, seen: Array) -> None:
        """The skin that comes down over the eye, and its edge."""
        edge = np.clip(2 * lid - 1, -0.98, 0.98)
        bow = np.arcsin(edge)
        angle = (np.pi - bow)[:, None] + np.linspace(0, 1, 11) * (np.pi + 2 * bow)[:, None]
        arc = np.stack([np.cos(angle), np.sin(angle)], -1) * 1.07
        x = np.linspace(-1, 1, 11)
        low = edge[:, None] + 0.2 * (1 - x**2) * (0.3 + lid)[:, None]
        line = np.stack([np.sqrt(1 - edge**2)[:, None] * 1.05 * x, low], -1)
        shown = seen & (lid > 0.05)
        skin = mix(self.palette.main.rgb, self.palette.main.shade, 0.5)
        self.stage.fill(strip(move(m, arc), move(m, line)), skin, shown)
        self.stage.fill(Tube(move(m, line), self._thin(11)).form(), self.dark, shown)

    def _lash(self, m: Array, side: int, lid: Array, seen: Array) -> None:
        for k in range(2):
            a = np.pi * 1.5 + side * (0.75 + 0.4 * k)
            drop = (lid * 1.1)[:, None, None] * [0, 1]
            root = np.array([np.cos(a), np.sin(a)])
            line = root + np.linspace(0, 0.45, 3)[:, None] * [side * 0.9, -0.5] + drop
            self.stage.fill(Tube(move(m, line), self._thin(3) * 0.8).form(), self.dark, seen)

    def _thin(self, count: int) -> Array:
        """Half widths of a line that is thinner at its ends."""
        return self.weight * (0.35 + 0.65 * np.sin(np.linspace(0.15, np.pi - 0.15, count)))

    def _brow(self, side: int, seen: Array) -> None:
        if not self.brows:
            return
        rise = self.radius * self.tall + 0.1
        m, seen = self._on_ball(side * self.apart, self.up - rise)
        m = join(m, affine(0, -0.12 * self.pose.brow, side * (0.15 - 0.3 * self.pose.brow)))
        line = np.stack([np.linspace(-1, 1, 5) * 0.17, 0.06 * np.linspace(-1, 1, 5) ** 2], -1)
        self.stage.fill(Tube(move(m, line), self._thin(5) * 1.25).form(), self.brow_tone, seen)

    def _nose(self) -> None:
        if self.nose == "none":
            return
        m, seen = self._on_ball(
            0, self.mouth_up - (0.2 if self.muzzle else 0.14), out=0.36 if self.muzzle else 0.12
        )
        s = self.nose_size
        outline = {
            "dot": ellipse(s * 0.7, s * 0.7, count=14),
            "oval": ellipse(s * 1.25, s * 0.85, count=18),
            "triangle": polygon([(-s * 1.2, -s * 0.8), (s * 1.2, -s * 0.8), (0, s)], 0.3),
        }[self.nose]
        self.stage.fill(flat(outline, m), self.nose_tone, seen)
        if self.muzzle and s > 0.1:
            glint = flat(ellipse(s * 0.35, s * 0.2, -s * 0.4, -s * 0.35, 10), m)
            self.stage.fill(glint, WHITE, seen, decor=True)

    def _mouth(self) -> None:
        """A line that smiles or frowns, and opens."""
        pose, stage = self.pose, self.stage
        m, seen = self._on_ball(0, self.mouth_up, out=0.25 if self.muzzle else 0)
        w, x = self.mouth_width, np.linspace(-1, 1, 9)
        bow = (0.5 * (1 + pose.smile))[:, None] * (1 - x**2)
        if self.cat:
            bow = bow * 0.2 + 0.45 * np.abs(np.sin(np.pi * x))
        opened = np.clip(pose.mouth, 0, 1)
        lower = bow + (1.15 * opened)[:, None] * np.sqrt(np.maximum(1 - x**2, 0))
        grid = np.broadcast_to(x, bow.shape)
        upper_line = np.stack([grid, bow], -1) * w
        lower_line = np.stack([grid, lower], -1) * w
        wide = seen & (opened > 0.05)
        line = self.line
        hole = strip(move(m, upper_line), move(m, lower_line))
        stage.inked([(hole, self.inside)], line, self.weight * 0.7, wide)
        low = (bow.max(1) + 1.15 * opened) * w
        size = np.clip(opened * 0.5, 0.05, 0.5) * w
        at = join(m, affine(0, low - size * 1.05, 0, w * 0.5, size))
        stage.fill(flat(ellipse(count=16), at), self.tongue, wide & (opened > 0.25), decor=True)
        if self.teeth:
            top = upper_line[:, 1:-1]
            teeth = strip(move(m, top), move(m, top + [0, 0.16 * w]))
            stage.fill(teeth, WHITE, wide & (opened > 0.3), decor=True)
        closed = seen & (opened <= 0.05)
        stage.fill(Tube(move(m, upper_line), self._thin(9)).form(), line, closed)

    def _beak(self) -> None:
        pose, stage = self.pose, self.stage
        opened = np.clip(pose.mouth, 0, 1)
        m, seen = self._on_ball(0, self.up + self.radius + 0.14, out=0.3)
        w, tone = self.mouth_width * 0.8, self.beak_tone
        lower = flat(
            polygon([(-w * 0.7, 0), (w * 0.7, 0), (0, w * 0.6)], 0.25),
            join(m, affine(0, opened * w * 0.7, 0, 1, 0.7 + 0.8 * opened)),
        )
        upper = flat(polygon([(-w, 0.02), (0, -w * 0.85), (w, 0.02), (0, w * 0.7)], 0.25), m)
        stage.inked([(lower, tone.by(-0.12).rgb)], self.palette.ink, self.weight, seen)
        stage.inked([(upper, tone.rgb)], self.palette.ink, self.weight, seen)


def box_eye(stage: Stage, m: Array, tone: tuple, seen: Array, lid: Array) -> None:
    """A glowing rounded box, as robots have."""
    shut = np.clip(1 - lid, 0.12, 1)
    stage.fill(flat(squircle(4, 20), join(m, affine(0, 0, 0, 1, shut))), tone, seen)
