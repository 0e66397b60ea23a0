"""What heads and bodies carry: ears, hair, hats, tails, hands and feet. All in a head's or a
figure's own units, with what is soft hanging on chains that lag behind."""

from __future__ import annotations

import numpy as np

from train.data.puppets.geometry import Array, Form, Tube, affine, chain, flat, join, move, scale_of
from train.data.puppets.outlines import Rng, drop, ellipse, polygon, squircle, star
from train.data.puppets.palette import Palette, Tone
from train.data.puppets.stage import Stage
from train.data.puppets.timing import late

EARS = ("none", "round", "point", "long", "flop", "horns", "feelers")
HAIR = ("none", "tuft", "spikes", "bob", "tails", "bun", "curls")
HATS = ("none", "cap", "cone", "crown", "beanie", "bow", "leaf")


def dangling(sway: Array, heave: Array, rest: float, curl: float, count: int, soft: float) -> Array:
    """Angles (f count) of a chain that hangs in direction `rest`, each link later than the last."""
    links = [
        rest + curl * k / count - (0.5 + k * soft) * late(sway + 0.4 * heave, 0.7 * k)
        for k in range(count)
    ]
    return np.stack(links, -1)


class Headwear:
    """Ears, hair and a hat of one head whose half width and half height are 1."""

    def __init__(self, rng: Rng, palette: Palette, ears: str, hair: str, hat: str):
        self.palette, self.ears, self.hair, self.hat = palette, ears, hair, hat
        self.ear_size = rng.uniform(0.34, 0.5)
        self.ear_angle = rng.uniform(0.55, 0.85)
        self.length = rng.uniform(0.9, 1.5)
        self.soft = rng.uniform(0.2, 0.5)
        self.tone = palette.second if rng.random() < 0.6 else palette.dark
        self.count = int(rng.integers(3, 6))
        self.tall = rng.uniform(0.3, 0.55)
        self.parting = rng.uniform(-0.5, 0.5)
        self.inner = rng.random() < 0.6

    def ear_forms(
        self, head: Array, yaw: Array, sway: Array, heave: Array
    ) -> list[tuple[Form, Tone, bool]]:
        """(form, tone, has an inner part) of both ears, to be inked with the head."""
        p, found = self.palette, []
        for side in (-1, 1):
            x = side * np.sin(self.ear_angle) * 0.95 - 0.14 * np.sin(yaw)
            y = -np.cos(self.ear_angle) * 0.95
            turn = side * self.ear_angle * 0.8 - 0.3 * sway
            s = self.ear_size
            if self.ears == "round":
                form = flat(ellipse(s, s, 0, -s * 0.5, 18), join(head, affine(x, y, turn)))
                found.append((form, p.main, True))
            elif self.ears == "point":
                outline = polygon([(-s * 1.0, s * 0.5), (0, -s * 1.7), (s * 1.0, s * 0.5)], 0.22)
                found.append((flat(outline, join(head, affine(x, y, turn * 0.6))), p.main, True))
            elif self.ears in ("long", "flop"):
                up = self.ears == "long"
                rest = -np.pi / 2 + side * 0.28 if up else np.pi / 2 - side * 0.35
                curl = side * (0.25 if up else -0.2)
                angles = dangling(sway, heave * side, rest, curl, 5, self.soft)
                x0 = side * (0.42 if up else 0.8) - 0.14 * np.sin(yaw)
                spine = chain(
                    np.stack([x0, np.full_like(x0, -0.72 if up else -0.5)], -1), angles, self.length
                )
                widths = s * np.array([0.42, 0.52, 0.6, 0.62, 0.52, 0.3])
                scale = scale_of(head)
                found.append((Tube(move(head, spine), widths * scale).form(), p.main, up))
            elif self.ears == "horns":
                spine = chain(
                    np.stack([x * 0.75, y + 0 * x], -1),
                    -np.pi / 2 + side * np.array([[0.7, 0.35, 0.0, -0.4]]) + 0 * x[:, None],
                    0.75,
                )
                scale = scale_of(head)
                form = Tube(
                    move(head, spine), scale * np.array([0.17, 0.15, 0.11, 0.07, 0.03])
                ).form()
                found.append((form, p.light, False))
            elif self.ears == "feelers":
                angles = dangling(sway, heave, -np.pi / 2 + side * 0.5, side * 0.6, 4, self.soft)
                spine = chain(np.stack([x * 0.5, y + 0 * x], -1), angles, 0.8)
                scale = scale_of(head)
                found.append((Tube(move(head, spine), scale * 0.05).form(), p.dark, False))
                tip = join(head, affine(spine[:, -1, 0], spine[:, -1, 1]))
                found.append((flat(ellipse(0.15, 0.15, count=14), tip), p.accent, False))
        return found

    def ear_insides(
        self, stage: Stage, ears: list[tuple[Form, Tone, bool]], head: Array, shown: Array
    ) -> None:
        for form, tone, inner in ears:
            if inner and self.inner:
                middle = form.points.mean(1, keepdims=True)
                points = middle + (form.points - middle) * 0.55
                stage.fill(
                    Form(points, form.anchors),
                    tone.by(0.06, 0.8, 0.04).rgb
                    if tone.lightness < 0.5
                    else self.palette.accent.by(0.06, 0.55).rgb,
                    shown,
                    decor=True,
                )

    def behind(self, head: Array, sway: Array, heave: Array) -> list[tuple[Form, Tone]]:
        """Hair that lies behind the head."""
        if self.hair == "bob":
            outline = squircle(2.6, 28) * (1.16, 1.0) + (0, 0.12)
            return [(flat(outline, join(head, affine(0, 0, 0, 1, 1, -0.12 * sway))), self.tone)]
        if self.hair == "tails":
            found = []
            scale = scale_of(head)
            for side in (-1, 1):
                angles = dangling(
                    sway, heave * side, np.pi / 2 - side * 0.75, side * 0.5, 5, self.soft
                )
                spine = chain(np.array([[side * 0.92, -0.35]]), angles, self.length)
                widths = scale * 0.3 * np.array([0.5, 0.9, 1.1, 1.0, 0.75, 0.25])
                found.append((Tube(move(head, spine), widths).form(), self.tone))
            return found
        if self.hair == "bun":
            return [
                (
                    flat(ellipse(0.42, 0.4, 0, -1.1), join(head, affine(0, 0, -0.15 * sway))),
                    self.tone,
                )
            ]
        return []

    def front(self, head: Array, yaw: Array, sway: Array, heave: Array) -> list[tuple[Form, Tone]]:
        """Fringe, tuft and hat."""
        found: list[tuple[Form, Tone]] = []
        shift = 0.25 * np.sin(yaw)
        at = join(head, affine(shift * 0.6, 0))
        if self.hair in ("bob", "tails", "bun"):
            n, low = 12, -0.34
            a = np.linspace(np.pi + 0.18, 2 * np.pi - 0.18, 15)
            arc = np.stack([np.cos(a) * 1.04, np.sin(a) * 1.05], -1)
            x = np.linspace(0.98, -0.98, n)
            fringe = (
                low
                - 0.34 * (1 - (x - self.parting * 0.6) ** 2)
                + 0.12 * np.abs(np.sin(np.linspace(0, self.count * np.pi, n)))
            )
            found.append((flat(np.concatenate([arc, np.stack([x, fringe], -1)]), head), self.tone))
        elif self.hair in ("tuft", "spikes", "curls"):
            k = self.count
            width = 0.42 if self.hair == "tuft" else 0.85
            xs = np.linspace(-width, width, 2 * k + 1)
            base = -np.sqrt(np.maximum(1 - xs**2, 0)) * 0.93
            ys = np.where(np.arange(2 * k + 1) % 2, base - self.tall, base)
            lean = (self.parting * 0.5 - 0.5 * late(sway, 1))[:, None] * np.where(
                np.arange(2 * k + 1) % 2, 1, 0
            )
            lower = np.stack([xs[::-1] * 0.9, base[::-1] + 0.3 - 0.2 * (xs[::-1] / width) ** 2], -1)
            tips = np.stack(
                [
                    xs + lean * self.tall,
                    np.broadcast_to(ys, lean.shape) - 0.25 * late(heave, 1)[:, None] * (lean != 0),
                ],
                -1,
            )
            ring = np.concatenate([tips, np.broadcast_to(lower, (len(tips), *lower.shape))], 1)
            found.append(
                (flat(_rounded(ring, 0.28 if self.hair != "curls" else 0.5), at), self.tone)
            )
        found += self._hat(at, sway, heave)
        return found

    def _hat(self, head: Array, sway: Array, heave: Array) -> list[tuple[Form, Tone]]:
        p = self.palette
        top = join(
            head,
            affine(
                0, -0.78 - 0.12 * np.maximum(heave, -0.3) * 0 - 0.1 * np.abs(heave), -0.06 * sway
            ),
        )
        if self.hat == "cap":
            brim = flat(squircle(2.5, 24) * (0.62, 0.13) + (0.62, 0.12), top)
            crown = np.concatenate(
                [[[-0.86, 0.18]], squircle(2.2, 25)[13:] * (0.82, 0.62) + (0, 0.1), [[0.86, 0.18]]]
            )
            return [(flat(crown, top), p.accent), (brim, p.accent.by(-0.12))]
        if self.hat == "cone":
            cone = polygon([(-0.5, 0.1), (0, -1.1), (0.5, 0.1)], 0.08)
            lean = join(top, affine(0, 0, 0, 1, 1, 0.25 * sway))
            ball = join(lean, affine(0, -1.05))
            return [
                (flat(cone, lean), p.accent),
                (flat(ellipse(0.17, 0.17, count=14), ball), p.second.by(0.1)),
            ]
        if self.hat == "crown":
            return [
                (
                    flat(
                        polygon(
                            [
                                (-0.5, 0.12),
                                (-0.58, -0.5),
                                (-0.25, -0.2),
                                (0, -0.62),
                                (0.25, -0.2),
                                (0.58, -0.5),
                                (0.5, 0.12),
                            ],
                            0.08,
                        ),
                        top,
                    ),
                    Tone(0.84, 0.16, 0.25),
                )
            ]
        if self.hat == "beanie":
            dome = squircle(2.1, 25)[12:] * (0.84, 0.72) + (0, 0.16)
            band = squircle(5, 24) * (0.88, 0.15) + (0, 0.14)
            ball = join(top, affine(-0.12 * sway, -0.66))
            return [
                (flat(ellipse(0.22, 0.2, count=16), ball), p.light),
                (flat(dome, top), p.accent),
                (flat(band, top), p.accent.by(-0.1)),
            ]
        if self.hat == "bow":
            loop = [polygon([(0, 0), (s * 0.42, -0.26), (s * 0.46, 0.24)], 0.3) for s in (-1, 1)]
            return [
                *((flat(o, top), p.accent) for o in loop),
                (flat(ellipse(0.12, 0.13, count=14), top), p.accent.by(-0.08)),
            ]
        if self.hat == "leaf":
            stem = join(top, affine(0, -0.1, 0.5 - 0.8 * late(sway, 1), 1, 1))
            return [(flat(drop(0.7) * (0.2, 0.34) + (0, -0.3), stem), Tone(0.7, 0.16, 0.37))]
        return []


def _rounded(ring: Array, soft: float) -> Array:
    """Corners (f n 2) cut to short curves."""
    a = ring + (np.roll(ring, 1, 1) - ring) * soft
    b = ring + (np.roll(ring, -1, 1) - ring) * soft
    mid = 0.25 * a + 0.5 * ring + 0.25 * b
    return np.stack([a, mid, b], 2).reshape(len(ring), -1, 2)


def tail(
    kind: str, start: Array, sway: Array, heave: Array, size: float, wag: Array
) -> tuple[Tube, float]:
    """A tail that grows backwards (to the left) from start (f 2): its tube and the share of it
    that is tip."""
    rest, curl, widths = {
        "thin": (np.pi + 0.6, 1.0, np.array([0.06, 0.06, 0.055, 0.05, 0.05, 0.045])),
        "bushy": (np.pi + 0.5, 0.9, np.array([0.07, 0.14, 0.2, 0.22, 0.17, 0.05])),
        "taper": (np.pi - 0.5, 0.9, np.array([0.17, 0.15, 0.12, 0.09, 0.06, 0.02])),
        "stub": (np.pi + 0.3, 0.3, np.array([0.1, 0.14, 0.16, 0.16, 0.14, 0.1])),
    }[kind]
    angles = dangling(sway - wag, heave, rest, curl, 5, 0.22)
    length = size * (0.35 if kind == "stub" else 1.0)
    return Tube(chain(start, angles, length), widths * size), 0.7


def hand(at: Array, turn: Array, size: float) -> list[Form]:
    """A mitten with a thumb at (f 2), fingers along `turn`."""
    m = affine(at[:, 0], at[:, 1], turn, size, size)
    return [
        flat(ellipse(0.5, 0.36, 0.2, -0.34, 14), join(m, affine(0, 0, -0.5))),
        flat(ellipse(1.0, 0.84, 0.2, 0, 18), m),
    ]


def shoe(at: Array, turn: Array, size: float) -> Form:
    """A foot that points to the right, its ankle at (f 2)."""
    outline = polygon([(-0.75, 0.55), (-0.8, -0.5), (0.2, -0.62), (1.35, 0.0), (1.4, 0.55)], 0.3)
    return flat(outline, affine(at[:, 0], at[:, 1], turn, size, size))


def badge(rng: Rng) -> Array:
    """A small emblem."""
    return (
        star(5, 0.5),
        ellipse(count=16),
        polygon([(0, 1), (-1, -0.2), (-0.5, -0.9), (0, -0.4), (0.5, -0.9), (1, -0.2)], 0.25),
    )[rng.integers(3)]
