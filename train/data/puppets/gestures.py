"""Acts on the spot: waves, turns of the head, talk, dances; and blinks and glances.

An act is (pose, rng, u, seconds, reach): `u` runs from 0 to 1 over the clip (f), `reach` is how far
it may go in stage units; it fills in the pose and returns its words, as "jumps into the air".
"""

from __future__ import annotations

import numpy as np

from train.data.puppets.geometry import Array
from train.data.puppets.moves import hop
from train.data.puppets.outlines import Rng
from train.data.puppets.pose import Pose
from train.data.puppets.timing import cycle, cycles, late, track


def wave(pose: Pose, rng: Rng, u: Array, seconds: float, reach: float) -> str:
    side = int(rng.integers(2))
    up = rng.uniform(1.6, 2.3)
    begin, there = rng.uniform(0, 0.2), rng.uniform(0.35, 0.5)
    raised = track(
        u, (0, 0), (begin + 0.06, -0.25), (there, up, "overshoot"), (1, up * rng.uniform(0.85, 1))
    )
    pose.arms[:, side] += raised
    swing = track(u, (there - 0.15, 0), (there, 1)) * cycle(
        np.maximum(u - there, 0) * cycles(rng, seconds, (0.35, 0.5), 3.2) * 1.4
    )
    pose.elbows[:, side] += 0.4 + 0.55 * swing
    sign = 1 if side else -1
    pose.tilt = pose.tilt + track(u, (begin, 0), (there, 0.12 * sign, "overshoot"))
    pose.lean = pose.lean + track(
        u, (0, 0), (begin + 0.08, 0.06 * sign), (there, -0.06 * sign, "overshoot")
    )
    pose.mouth = track(u, (begin, 0), (there, rng.uniform(0.2, 0.9)))
    return "raises an arm and waves"


def turn(pose: Pose, rng: Rng, u: Array, seconds: float, reach: float) -> str:
    """The eyes lead, the head dips and follows, the lids shut half way."""
    a, b = rng.uniform(-0.75, -0.35), rng.uniform(0.35, 0.75)
    if rng.random() < 0.5:
        a, b = b, a
    begin, end = rng.uniform(0.08, 0.3), rng.uniform(0.65, 0.9)
    mid = (begin + end) / 2
    pose.yaw = pose.yaw + track(u, (begin, a), (end, b, str(rng.choice(["slow", "overshoot"]))))
    pose.nod = pose.nod + track(u, (begin, 0), (mid, 0.3), (end, 0))
    pose.look_x = track(
        u, (begin - 0.08, np.sign(a) * 0.6), (mid - 0.05, np.sign(b)), (1, np.sign(b) * 0.5)
    )
    pose.lid = np.maximum(pose.lid, track(u, (begin, 0), (mid - 0.02, 1), (mid + 0.14, 0)))
    pose.tilt = pose.tilt + track(
        u, (begin, np.sign(a) * 0.06), (end, np.sign(b) * 0.06, "overshoot")
    )
    pose.lean = pose.lean + track(u, (begin, np.sign(a) * 0.04), (end, np.sign(b) * 0.05))
    return "turns the head"


def nod(pose: Pose, rng: Rng, u: Array, seconds: float, reach: float) -> str:
    count = cycles(rng, seconds, (0.5, 0.8), 2)
    pose.nod = pose.nod + 0.25 - 0.35 * np.cos(2 * np.pi * count * u)
    pose.squash = pose.squash + 0.04 * np.sin(2 * np.pi * count * u)
    pose.lid = np.maximum(pose.lid, 0.35 * np.clip(pose.nod * 2, 0, 1))
    return "nods"


def talk(pose: Pose, rng: Rng, u: Array, seconds: float, reach: float) -> str:
    beats = max(int(seconds * 5), 3)
    values = rng.uniform(0, 1, beats + 1) * (rng.random(beats + 1) < 0.75)
    keys = [(k / beats, v) for k, v in enumerate(values)]
    pose.mouth = track(u, *keys)
    pose.squash = pose.squash - 0.04 * pose.mouth
    pose.nod = pose.nod - 0.15 * pose.mouth
    pose.arms = pose.arms + 0.5 * late(pose.mouth, 1)[:, None] * rng.uniform(0, 1, 2)
    pose.elbows = pose.elbows + 0.6 * pose.mouth[:, None]
    return "talks"


def dance(pose: Pose, rng: Rng, u: Array, seconds: float, reach: float) -> str:
    count = cycles(rng, seconds, (0.7, 1.2))
    phase = rng.random() + count * u
    pose.lean = pose.lean + cycle(phase, rng.uniform(0.15, 0.3))
    pose.squash = pose.squash + cycle(2 * phase + 0.25, 0.1)
    pose.tilt = pose.tilt - cycle(phase - 0.1, 0.16)
    pose.arms = pose.arms + np.stack([1.2 + cycle(phase, 0.8), 1.2 - cycle(phase, 0.8)], -1)
    pose.elbows = pose.elbows + np.stack(
        [0.6 + cycle(phase + 0.2, 0.5), 0.6 - cycle(phase + 0.2, 0.5)], -1
    )
    pose.x = pose.x + cycle(phase, min(0.1 * pose.size, reach))
    pose.stride, pose.step = phase, np.full_like(u, 0.35)
    pose.mouth = np.clip(0.4 + cycle(2 * phase, 0.3), 0, 1)
    pose.flap = cycle(phase, 0.8)
    return "dances"


def cheer(pose: Pose, rng: Rng, u: Array, seconds: float, reach: float) -> str:
    hop(pose, rng, u, seconds, 0)
    pose.arms = (
        pose.arms
        + track(u, (0, 0.2), (0.35, 2.3, "overshoot"))[:, None]
        + cycle(u * 2, 0.2)[:, None]
    )
    pose.elbows = pose.elbows + 0.4
    pose.mouth = track(u, (0, 0.1), (0.35, 1))
    return "cheers with both arms up"


def stretch(pose: Pose, rng: Rng, u: Array, seconds: float, reach: float) -> str:
    a, b = rng.uniform(0.2, 0.35), rng.uniform(0.6, 0.75)
    pose.squash = pose.squash + track(u, (0, 0), (a * 0.7, 0.18), (b, -0.28), (1, -0.05))
    pose.arms = pose.arms + track(u, (0, 0), (a, -0.2), (b, 2.3), (1, 1.2))[:, None]
    pose.lean = pose.lean + track(u, (0, 0), (a, 0.15), (b, -0.15), (1, 0))
    pose.mouth = track(u, (a, 0), (b, 1), (1, 0.3))
    pose.lid = np.maximum(pose.lid, track(u, (a, 0), (b - 0.1, 1), (0.95, 1), (1, 0.6)))
    pose.flap = track(u, (0, 0), (b, 1))
    return "stretches and yawns"


def flap(pose: Pose, rng: Rng, u: Array, seconds: float, reach: float) -> str:
    phase = u * cycles(rng, seconds, (0.3, 0.5), 2.5)
    pose.flap = np.sin(2 * np.pi * phase)
    pose.squash = pose.squash - 0.07 * np.sin(2 * np.pi * phase - 0.8)
    pose.mouth = np.clip(cycle(phase / 2), 0, 1)
    return "flaps its wings"


def wag(pose: Pose, rng: Rng, u: Array, seconds: float, reach: float) -> str:
    phase = rng.random() + u * cycles(rng, seconds, (0.25, 0.5), 3)
    pose.flap = cycle(phase)
    pose.lean = pose.lean + cycle(phase - 0.2, 0.05)
    pose.tilt = track(u, (0.1, -0.1), (0.8, 0.25, "overshoot"))
    pose.mouth = track(u, (0, 0), (0.5, 0.7))
    return "wags the tail"


def blink(pose: Pose, rng: Rng, u: Array, seconds: float) -> None:
    middle, half = rng.uniform(0.1, 0.95), np.clip(0.11 / max(seconds, 0.1), 0.05, 0.2)
    pose.lid = np.maximum(pose.lid, np.clip(1.4 - np.abs(u - middle) / half, 0, 1))


def glance(pose: Pose, rng: Rng, u: Array, seconds: float) -> None:
    """The eyes dart from one place to another."""
    when = rng.uniform(0.2, 0.7)
    a, b = rng.uniform(-1, 1, (2, 2))
    pose.look_x = pose.look_x + track(u, (when, a[0]), (when + 0.12, b[0]))
    pose.look_y = pose.look_y + track(u, (when, a[1] * 0.6), (when + 0.12, b[1] * 0.6))
