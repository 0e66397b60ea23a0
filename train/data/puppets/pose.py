"""What a performance asks of a body, whatever its plan: arrays (f) over the frames."""

from __future__ import annotations

from copy import copy

import numpy as np

from train.data.puppets.geometry import Array, affine, join
from train.data.puppets.timing import speed, spring


class Pose:
    """Where a character is and what it does, at rest to begin with. Lengths are stage units, angles
    radians, the rest shares; (f) each, but for arms and elbows (f 2): left and right of the
    picture."""

    x: Array
    y: Array  # of the ground below it
    lift: Array  # above the ground
    squash: Array  # above 0 flat, below 0 long
    lean: Array
    spin: Array  # about its centre
    grow: Array  # its size over `size`, less 1
    yaw: Array  # of the head, to the side it faces
    nod: Array  # head down
    tilt: Array  # head to the side
    look_x: Array  # -1..1
    look_y: Array
    lid: Array  # how far shut
    mouth: Array  # how far open
    smile: Array  # less 1: below -1 a frown
    brow: Array  # raised
    stride: Array  # phase of the walk in turns
    step: Array  # how far it walks, 0..1
    flap: Array  # wings, fins, tails: -1..1
    arms: Array  # from hanging 0 to up pi
    elbows: Array  # bent outwards
    shown: Array  # bool

    def __init__(self, frames: int, size: float, facing: float = 1.0) -> None:
        """size: the character's height; facing -1: mirrored."""
        self.frames, self.size, self.facing = frames, size, facing
        for name in self.__annotations__:
            shape = (frames, 2) if name in ("arms", "elbows") else frames
            setattr(self, name, np.zeros(shape))
        self.shown = np.ones(frames, bool)

    def with_yaw(self, share: float, side: float = 0.0) -> Pose:
        """The same with a share of the head's turn, and turned a little to the side it faces."""
        turned = copy(self)
        turned.yaw = self.yaw * share + side
        return turned

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
