"""What a performance asks of a body, whatever its plan: arrays (f) over the frames."""

from __future__ import annotations

from dataclasses import dataclass, field, fields

import numpy as np

from train.data.puppets.geometry import Array, affine, join
from train.data.puppets.timing import speed, spring


@dataclass
class Pose:
    """Where a character is and what it does. Lengths are stage units, angles radians, the rest
    shares; (f) each, but for arms and elbows (f 2): left and right of the picture."""

    frames: int
    size: float  # the character's height
    facing: float = 1.0  # -1: mirrored
    x: Array = field(default=None)  # type: ignore[assignment]
    y: Array = field(default=None)  # of the ground below it  # type: ignore[assignment]
    lift: Array = field(default=None)  # above the ground  # type: ignore[assignment]
    squash: Array = field(default=None)  # above 0 flat, below 0 long  # type: ignore[assignment]
    lean: Array = field(default=None)  # type: ignore[assignment]
    spin: Array = field(default=None)  # about its centre  # type: ignore[assignment]
    grow: Array = field(default=None)  # its size over `size`, less 1  # type: ignore[assignment]
    yaw: Array = field(default=None)  # of the head, to the side it faces  # type: ignore[assignment]
    nod: Array = field(default=None)  # head down  # type: ignore[assignment]
    tilt: Array = field(default=None)  # head to the side  # type: ignore[assignment]
    look_x: Array = field(default=None)  # -1..1  # type: ignore[assignment]
    look_y: Array = field(default=None)  # type: ignore[assignment]
    lid: Array = field(default=None)  # how far shut  # type: ignore[assignment]
    mouth: Array = field(default=None)  # how far open  # type: ignore[assignment]
    smile: Array = field(default=None)  # less 1: below -1 a frown  # type: ignore[assignment]
    brow: Array = field(default=None)  # raised  # type: ignore[assignment]
    stride: Array = field(default=None)  # phase of the walk in turns  # type: ignore[assignment]
    step: Array = field(default=None)  # how far it walks, 0..1  # type: ignore[assignment]
    flap: Array = field(default=None)  # wings, fins, ears: -1..1  # type: ignore[assignment]
    arms: Array = field(default=None)  # from hanging 0 to up pi  # type: ignore[assignment]
    elbows: Array = field(default=None)  # bent outwards  # type: ignore[assignment]
    shown: Array = field(default=None)  # type: ignore[assignment]

    def __post_init__(self) -> None:
        for f in fields(self):
            if getattr(self, f.name) is None:
                shape = (self.frames, 2) if f.name in ("arms", "elbows") else self.frames
                setattr(self, f.name, np.zeros(shape))
        self.shown = np.ones(self.frames, bool)

    def root(self, height: float) -> Array:
        """Map of a figure that is `height` of its own units tall and stands on (0, 0)."""
        scale = self.size / height * np.maximum(1 + self.grow, 0.02)
        turned = join(
            affine(0, -height / 2), affine(turn=self.spin * self.facing), affine(0, height / 2)
        )
        high = self.lift * np.clip(1 + self.grow, 0, 1)
        place = affine(self.x, self.y - high, 0, scale * self.facing, scale)
        return join(place, turned)

    @property
    def stretch(self) -> tuple[Array, Array]:
        """Scale in x and y of a body that keeps its volume."""
        sy = np.clip(1 - self.squash, 0.4, 1.7)
        return sy**-0.6, sy

    def sway(self, gain: float = 0.05) -> Array:
        """How far hair and cloth lag behind, in radians, positive against the facing."""
        drive = speed(self.x) * self.facing / self.size * 100 * gain + self.lean * 0.8
        drive = drive + speed(self.yaw + self.tilt + self.spin) * 0.9
        return spring(np.clip(drive, -0.9, 0.9), 0.35, 0.28, warm=True)

    def heave(self, gain: float = 0.05) -> Array:
        """How far they lag behind what goes up and down, positive when they are left below."""
        drive = (speed(self.lift) / self.size * 100 - speed(self.squash) * 40) * gain
        return spring(np.clip(drive, -0.8, 0.8), 0.4, 0.3, warm=True)


def foot(phase: Array, length: float, height: float) -> tuple[Array, Array]:
    """(x, y) of a foot of a walk: on the ground for six tenths of the phase, then lifted on."""
    q = np.mod(phase, 1)
    swing = np.clip((q - 0.6) / 0.4, 0, 1)
    way = swing * swing * (3 - 2 * swing)
    x = np.where(q < 0.6, 1 - 2 * q / 0.6, -1 + 2 * way) * length
    return x, -np.sin(np.pi * swing) * height
