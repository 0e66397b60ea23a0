"""Acts that carry a whole body: walks, jumps, falls, flight.

An act is (pose, rng, u, seconds, reach): `u` runs from 0 to 1 over the clip (f), `reach` is how far
it may go in stage units; it fills in the pose and returns its words, as "jumps into the air".
"""

from __future__ import annotations

import numpy as np

from train.data.puppets.geometry import Array
from train.data.puppets.outlines import Rng
from train.data.puppets.pose import Pose
from train.data.puppets.timing import cycle, cycles, track


def walk(pose: Pose, rng: Rng, u: Array, seconds: float, reach: float, quick: float = 1.0) -> str:
    count = cycles(rng, seconds * quick, (0.7, 1.1))
    step = rng.uniform(0.75, 1.0)
    pose.stride = rng.random() + count * u
    pose.step = np.full_like(u, step)
    way = pose.facing * (pose.stride - pose.stride.mean()) * 0.42 * step * pose.size
    pose.x = pose.x + np.clip(way, -reach, reach)
    pose.lean = pose.lean + 0.08 * quick + cycle(2 * pose.stride, 0.03)
    pose.tilt = cycle(pose.stride + 0.2, 0.06)
    pose.yaw = pose.yaw + 0.35
    pose.lift = pose.lift + np.abs(cycle(pose.stride)) * 0.03 * pose.size
    pose.flap = cycle(pose.stride * 2, 0.5)
    return "walks"


def run(pose: Pose, rng: Rng, u: Array, seconds: float, reach: float) -> str:
    walk(pose, rng, u, seconds, reach, 1.6)
    pose.lean = pose.lean + 0.16
    pose.lift = pose.lift + np.abs(cycle(pose.stride + 0.1)) * 0.09 * pose.size
    pose.squash = cycle(pose.stride * 2, 0.06)
    pose.arms = pose.arms + 0.4
    pose.elbows = pose.elbows + 1.0
    return "runs"


def jump(pose: Pose, rng: Rng, u: Array, seconds: float, reach: float) -> str:
    """Down to gather, up long, over the top, down flat, and back."""
    start, top, land = np.sort(rng.uniform((0.16, 0.42, 0.68), (0.28, 0.56, 0.82)))
    high = rng.uniform(0.35, 0.75) * pose.size
    deep = rng.uniform(0.16, 0.3)
    t = np.clip((u - start) / (land - start), 0, 1)
    pose.lift = pose.lift + high * 4 * t * (1 - t)
    pose.squash = pose.squash + track(
        u,
        (0, 0),
        (start * 0.75, deep),
        (start + 0.06, -deep * 0.9, "slow in"),
        (top, -0.02),
        (land - 0.03, -deep * 0.6, "slow out"),
        (land + 0.05, deep * 1.1, "slow in"),
        (1, 0, "elastic"),
    )
    way = track(u, (start, -1), (land, 1, "even")) * min(reach, pose.size * rng.uniform(0, 0.45))
    pose.x = pose.x + pose.facing * way
    arms = track(
        u,
        (0, 0),
        (start * 0.8, -0.3),
        (top, rng.uniform(1.2, 2.2), "slow in"),
        (land + 0.08, 0.2),
        (1, 0),
    )
    pose.arms = pose.arms + arms[:, None]
    pose.lid = np.maximum(pose.lid, track(u, (0, 0), (start * 0.7, 0.5), (start + 0.08, 0)))
    pose.mouth = track(u, (start, 0), (top, rng.uniform(0.4, 1)), (land, 0.2), (1, 0))
    pose.flap = track(u, (0, 0), (start, -0.4), (top, 1.0), (land, -0.4), (1, 0))
    pose.look_y = track(u, (0, 0.4), (start, -0.6), (top, 0), (land, 0.7), (1, 0))
    return "jumps into the air"


def hop(pose: Pose, rng: Rng, u: Array, seconds: float, reach: float) -> str:
    count = max(round(cycles(rng, seconds, (0.35, 0.7), 3)), 1)
    phase = u * count + rng.uniform(0, 0.3)
    bounce = np.abs(np.sin(np.pi * phase))
    pose.lift = pose.lift + bounce * rng.uniform(0.12, 0.3) * pose.size
    pose.squash = pose.squash + 0.2 * (1 - bounce) ** 3 - 0.1 * bounce * (1 - bounce) * 2
    pose.x = pose.x + pose.facing * (2 * u - 1) * min(reach, rng.uniform(0, 0.5) * pose.size)
    pose.flap = cycle(phase * 2, 0.8)
    pose.tilt = pose.tilt + cycle(phase / 2, 0.1)
    return "hops along" if count > 1 else "hops"


def spin(pose: Pose, rng: Rng, u: Array, seconds: float, reach: float) -> str:
    """A somersault in the air."""
    start, land = rng.uniform(0.12, 0.25), rng.uniform(0.75, 0.88)
    t = np.clip((u - start) / (land - start), 0, 1)
    pose.lift = pose.lift + rng.uniform(0.3, 0.6) * pose.size * 4 * t * (1 - t)
    pose.spin = track(u, (start, 0), (land, 2 * np.pi * rng.choice([-1, 1])))
    pose.squash = pose.squash + track(
        u,
        (0, 0),
        (start * 0.8, 0.22),
        (start + 0.08, -0.12),
        (land, -0.05),
        (land + 0.06, 0.2),
        (1, 0, "elastic"),
    )
    pose.x = pose.x + pose.facing * (2 * t - 1) * min(reach, 0.3 * pose.size)
    return "does a somersault"


def roll(pose: Pose, rng: Rng, u: Array, seconds: float, reach: float) -> str:
    way = (
        track(u, (0, -1), (1, 1, str(rng.choice(["slow", "slow out", "slow in", "even"]))))
        * max(reach, 8)
        * pose.facing
    )
    pose.x = pose.x + way
    pose.spin = way / (0.5 * pose.size)
    return "rolls along"


def drop(pose: Pose, rng: Rng, u: Array, seconds: float, reach: float) -> str:
    """Falls, is flat for a moment, bounces lower and lower."""
    first, high = rng.uniform(0.25, 0.4), rng.uniform(0.7, 1.2) * pose.size
    second = first + rng.uniform(0.3, 0.36)
    t = np.clip((u - first) / (second - first), 0, 1)
    v = np.clip((u - second) / (1.02 - second), 0, 1)
    falling = high * (1 - np.clip(u / first, 0, 1) ** 2)
    pose.lift = pose.lift + np.where(
        u < first, falling, 0.45 * high * 4 * t * (1 - t) + 0.15 * high * 4 * v * (1 - v)
    )
    hits = np.maximum(1 - np.abs(u - first) / 0.09, 0) + 0.6 * np.maximum(
        1 - np.abs(u - second) / 0.09, 0
    )
    near = np.clip(pose.lift / high * 3, 0, 1)
    pose.squash = (
        pose.squash
        + 0.32 * hits * (1 - near)
        - 0.16
        * near
        * np.abs(np.gradient(pose.lift))
        / max(np.abs(np.gradient(pose.lift)).max(), 1e-6)
    )
    pose.x = pose.x + pose.facing * (2 * u - 1) * min(reach, rng.uniform(0, 0.6) * pose.size)
    pose.spin = pose.facing * rng.uniform(-0.5, 0.5) * (u - 0.5)
    return "drops down and bounces"


def floating(pose: Pose, rng: Rng, u: Array, seconds: float, reach: float) -> str:
    phase = rng.random() + u * cycles(rng, seconds, (1.2, 2.4))
    pose.lift = pose.lift + (0.2 + cycle(phase, 0.1)) * pose.size
    pose.lean = pose.lean + cycle(phase + 0.25, 0.12)
    pose.x = pose.x + pose.facing * track(u, (0, -1), (1, 1)) * min(
        reach, rng.uniform(0.1, 0.5) * pose.size
    )
    pose.squash = pose.squash + cycle(phase + 0.4, 0.05)
    pose.flap = cycle(phase)
    return "floats"


def swing(pose: Pose, rng: Rng, u: Array, seconds: float, reach: float) -> str:
    phase = rng.random() + u * cycles(rng, seconds, (0.9, 1.8))
    pose.lean = pose.lean + cycle(phase, rng.uniform(0.2, 0.5))
    pose.stride = u * rng.uniform(0.3, 1.0)
    return "swings from side to side"


def fly(pose: Pose, rng: Rng, u: Array, seconds: float, reach: float) -> str:
    phase = rng.random() + u * cycles(rng, seconds, (0.25, 0.45), 3)
    pose.flap = np.sin(2 * np.pi * phase)
    start = rng.uniform(0.2, 0.6)
    pose.lift = (
        pose.lift
        + (
            track(u, (0, start), (1, start + rng.uniform(-0.3, 0.6)))
            - 0.06 * np.cos(2 * np.pi * phase + 0.6)
        )
        * pose.size
    )
    pose.x = pose.x + pose.facing * track(u, (0, -1), (1, 1, "even")) * min(
        reach, rng.uniform(0.2, 0.9) * pose.size
    )
    pose.lean = pose.lean + 0.15
    return "flies with flapping wings"


def swim(pose: Pose, rng: Rng, u: Array, seconds: float, reach: float) -> str:
    phase = rng.random() + u * cycles(rng, seconds, (0.5, 0.9), 2)
    pose.flap = np.sin(2 * np.pi * phase)
    pose.x = pose.x + pose.facing * track(u, (0, -1), (1, 1)) * min(
        reach, rng.uniform(0.2, 0.8) * pose.size
    )
    rise = track(u, (0, 0), (1, rng.uniform(-0.3, 0.3)))
    pose.lift = pose.lift + rise * pose.size
    pose.lean = pose.lean - np.gradient(rise) * 2
    return "swims"


def drive(pose: Pose, rng: Rng, u: Array, seconds: float, reach: float) -> str:
    way = track(u, (0, -1), (1, 1, str(rng.choice(["slow", "slow out", "slow in", "even"])))) * max(
        min(reach, pose.size), 10
    )
    pose.x = pose.x + pose.facing * way
    pose.stride = way / (2 * np.pi * 0.16 * pose.size)
    quick = np.gradient(np.gradient(way))
    pose.lean = pose.lean - np.clip(quick * 0.6, -0.3, 0.3)
    pose.squash = cycle(u * 3, 0.03)
    return "drives by"
