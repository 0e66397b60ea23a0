"""What characters do: every act fills in a pose over the clip and says what happens.

`u` runs from 0 to 1 over the clip (f); an act is (pose, rng, u, seconds, reach), where `reach` is
how far it may go in stage units, and returns its words, as "jumps over" or "waves".
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from train.data.puppets.geometry import Array
from train.data.puppets.outlines import Rng
from train.data.puppets.pose import Pose
from train.data.puppets.timing import cycle, late, track


def _cycles(rng: Rng, seconds: float, period: tuple[float, float], most: float = 1.6) -> float:
    return float(np.clip(seconds / rng.uniform(*period), 0.35, most))


def walk(pose: Pose, rng: Rng, u: Array, seconds: float, reach: float, quick: float = 1.0) -> str:
    count = _cycles(rng, seconds * quick, (0.7, 1.1))
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
        u, (0, 0), (start * 0.75, deep), (start + 0.06, -deep * 0.9, "slow in"),
        (top, -0.02), (land - 0.03, -deep * 0.6, "slow out"), (land + 0.05, deep * 1.1, "slow in"), (1, 0, "elastic"),
    )  # fmt: skip
    way = track(u, (start, -1), (land, 1, "even")) * min(reach, pose.size * rng.uniform(0, 0.45))
    pose.x = pose.x + pose.facing * way
    arms = track(u, (0, 0), (start * 0.8, -0.3), (top, rng.uniform(1.2, 2.2), "slow in"), (land + 0.08, 0.2), (1, 0))
    pose.arms = pose.arms + arms[:, None]
    pose.lid = np.maximum(pose.lid, track(u, (0, 0), (start * 0.7, 0.5), (start + 0.08, 0)))
    pose.mouth = track(u, (start, 0), (top, rng.uniform(0.4, 1)), (land, 0.2), (1, 0))
    pose.flap = track(u, (0, 0), (start, -0.4), (top, 1.0), (land, -0.4), (1, 0))
    pose.look_y = track(u, (0, 0.4), (start, -0.6), (top, 0), (land, 0.7), (1, 0))
    return "jumps into the air"


def hop(pose: Pose, rng: Rng, u: Array, seconds: float, reach: float) -> str:
    count = max(round(_cycles(rng, seconds, (0.35, 0.7), 3)), 1)
    phase = u * count + rng.uniform(0, 0.3)
    bounce = np.abs(np.sin(np.pi * phase))
    pose.lift = pose.lift + bounce * rng.uniform(0.12, 0.3) * pose.size
    pose.squash = pose.squash + 0.2 * (1 - bounce) ** 3 - 0.1 * bounce * (1 - bounce) * 2
    pose.x = pose.x + pose.facing * (2 * u - 1) * min(reach, rng.uniform(0, 0.5) * pose.size)
    pose.flap = cycle(phase * 2, 0.8)
    pose.tilt = pose.tilt + cycle(phase / 2, 0.1)
    return "hops along" if count > 1 else "hops"


def wave(pose: Pose, rng: Rng, u: Array, seconds: float, reach: float) -> str:
    side = int(rng.integers(2))
    up = rng.uniform(1.6, 2.3)
    begin, there = rng.uniform(0, 0.2), rng.uniform(0.35, 0.5)
    raised = track(u, (0, 0), (begin + 0.06, -0.25), (there, up, "overshoot"), (1, up * rng.uniform(0.85, 1)))
    pose.arms[:, side] += raised
    swing = track(u, (there - 0.15, 0), (there, 1)) * cycle(np.maximum(u - there, 0) * _cycles(rng, seconds, (0.35, 0.5), 3.2) * 1.4)
    pose.elbows[:, side] += 0.4 + 0.55 * swing
    sign = 1 if side else -1
    pose.tilt = pose.tilt + track(u, (begin, 0), (there, 0.12 * sign, "overshoot"))
    pose.lean = pose.lean + track(u, (0, 0), (begin + 0.08, 0.06 * sign), (there, -0.06 * sign, "overshoot"))
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
    pose.look_x = track(u, (begin - 0.08, np.sign(a) * 0.6), (mid - 0.05, np.sign(b)), (1, np.sign(b) * 0.5))
    pose.lid = np.maximum(pose.lid, track(u, (begin, 0), (mid - 0.02, 1), (mid + 0.14, 0)))
    pose.tilt = pose.tilt + track(u, (begin, np.sign(a) * 0.06), (end, np.sign(b) * 0.06, "overshoot"))
    pose.lean = pose.lean + track(u, (begin, np.sign(a) * 0.04), (end, np.sign(b) * 0.05))
    return "turns the head"


def nod(pose: Pose, rng: Rng, u: Array, seconds: float, reach: float) -> str:
    count = _cycles(rng, seconds, (0.5, 0.8), 2)
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
    count = _cycles(rng, seconds, (0.7, 1.2))
    phase = rng.random() + count * u
    pose.lean = pose.lean + cycle(phase, rng.uniform(0.15, 0.3))
    pose.squash = pose.squash + cycle(2 * phase + 0.25, 0.1)
    pose.tilt = pose.tilt - cycle(phase - 0.1, 0.16)
    pose.arms = pose.arms + np.stack([1.2 + cycle(phase, 0.8), 1.2 - cycle(phase, 0.8)], -1)
    pose.elbows = pose.elbows + np.stack([0.6 + cycle(phase + 0.2, 0.5), 0.6 - cycle(phase + 0.2, 0.5)], -1)
    pose.x = pose.x + cycle(phase, min(0.1 * pose.size, reach))
    pose.stride, pose.step = phase, np.full_like(u, 0.35)
    pose.mouth = np.clip(0.4 + cycle(2 * phase, 0.3), 0, 1)
    pose.flap = cycle(phase, 0.8)
    return "dances"


def cheer(pose: Pose, rng: Rng, u: Array, seconds: float, reach: float) -> str:
    hop(pose, rng, u, seconds, 0)
    pose.arms = pose.arms + track(u, (0, 0.2), (0.35, 2.3, "overshoot"))[:, None] + cycle(u * 2, 0.2)[:, None]
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


def spin(pose: Pose, rng: Rng, u: Array, seconds: float, reach: float) -> str:
    """A somersault in the air."""
    start, land = rng.uniform(0.12, 0.25), rng.uniform(0.75, 0.88)
    t = np.clip((u - start) / (land - start), 0, 1)
    pose.lift = pose.lift + rng.uniform(0.3, 0.6) * pose.size * 4 * t * (1 - t)
    pose.spin = track(u, (start, 0), (land, 2 * np.pi * rng.choice([-1, 1])))
    pose.squash = pose.squash + track(u, (0, 0), (start * 0.8, 0.22), (start + 0.08, -0.12), (land, -0.05), (land + 0.06, 0.2), (1, 0, "elastic"))
    pose.x = pose.x + pose.facing * (2 * t - 1) * min(reach, 0.3 * pose.size)
    return "does a somersault"


def roll(pose: Pose, rng: Rng, u: Array, seconds: float, reach: float) -> str:
    way = track(u, (0, -1), (1, 1, str(rng.choice(["slow", "slow out", "slow in", "even"])))) * max(reach, 8) * pose.facing
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
    pose.lift = pose.lift + np.where(u < first, falling, 0.45 * high * 4 * t * (1 - t) + 0.15 * high * 4 * v * (1 - v))
    hits = np.maximum(1 - np.abs(u - first) / 0.09, 0) + 0.6 * np.maximum(1 - np.abs(u - second) / 0.09, 0)
    near = np.clip(pose.lift / high * 3, 0, 1)
    pose.squash = pose.squash + 0.32 * hits * (1 - near) - 0.16 * near * np.abs(np.gradient(pose.lift)) / max(np.abs(np.gradient(pose.lift)).max(), 1e-6)
    pose.x = pose.x + pose.facing * (2 * u - 1) * min(reach, rng.uniform(0, 0.6) * pose.size)
    pose.spin = pose.facing * rng.uniform(-0.5, 0.5) * (u - 0.5)
    return "drops down and bounces"


def floating(pose: Pose, rng: Rng, u: Array, seconds: float, reach: float) -> str:
    phase = rng.random() + u * _cycles(rng, seconds, (1.2, 2.4))
    pose.lift = pose.lift + (0.2 + cycle(phase, 0.1)) * pose.size
    pose.lean = pose.lean + cycle(phase + 0.25, 0.12)
    pose.x = pose.x + pose.facing * track(u, (0, -1), (1, 1)) * min(reach, rng.uniform(0.1, 0.5) * pose.size)
    pose.squash = pose.squash + cycle(phase + 0.4, 0.05)
    pose.flap = cycle(phase)
    return "floats"


def swing(pose: Pose, rng: Rng, u: Array, seconds: float, reach: float) -> str:
    phase = rng.random() + u * _cycles(rng, seconds, (0.9, 1.8))
    pose.lean = pose.lean + cycle(phase, rng.uniform(0.2, 0.5))
    pose.stride = u * rng.uniform(0.3, 1.0)
    return "swings from side to side"


def fly(pose: Pose, rng: Rng, u: Array, seconds: float, reach: float) -> str:
    phase = rng.random() + u * _cycles(rng, seconds, (0.25, 0.45), 3)
    pose.flap = np.sin(2 * np.pi * phase)
    start = rng.uniform(0.2, 0.6)
    pose.lift = pose.lift + (track(u, (0, start), (1, start + rng.uniform(-0.3, 0.6))) - 0.06 * np.cos(2 * np.pi * phase + 0.6)) * pose.size
    pose.x = pose.x + pose.facing * track(u, (0, -1), (1, 1, "even")) * min(reach, rng.uniform(0.2, 0.9) * pose.size)
    pose.lean = pose.lean + 0.15
    return "flies with flapping wings"


def flap(pose: Pose, rng: Rng, u: Array, seconds: float, reach: float) -> str:
    phase = u * _cycles(rng, seconds, (0.3, 0.5), 2.5)
    pose.flap = np.sin(2 * np.pi * phase)
    pose.squash = pose.squash - 0.07 * np.sin(2 * np.pi * phase - 0.8)
    pose.mouth = np.clip(cycle(phase / 2), 0, 1)
    return "flaps its wings"


def swim(pose: Pose, rng: Rng, u: Array, seconds: float, reach: float) -> str:
    phase = rng.random() + u * _cycles(rng, seconds, (0.5, 0.9), 2)
    pose.flap = np.sin(2 * np.pi * phase)
    pose.x = pose.x + pose.facing * track(u, (0, -1), (1, 1)) * min(reach, rng.uniform(0.2, 0.8) * pose.size)
    rise = track(u, (0, 0), (1, rng.uniform(-0.3, 0.3)))
    pose.lift = pose.lift + rise * pose.size
    pose.lean = pose.lean - np.gradient(rise) * 2
    return "swims"


def wag(pose: Pose, rng: Rng, u: Array, seconds: float, reach: float) -> str:
    phase = rng.random() + u * _cycles(rng, seconds, (0.25, 0.5), 3)
    pose.flap = cycle(phase)
    pose.lean = pose.lean + cycle(phase - 0.2, 0.05)
    pose.tilt = track(u, (0.1, -0.1), (0.8, 0.25, "overshoot"))
    pose.mouth = track(u, (0, 0), (0.5, 0.7))
    return "wags the tail"


def drive(pose: Pose, rng: Rng, u: Array, seconds: float, reach: float) -> str:
    way = track(u, (0, -1), (1, 1, str(rng.choice(["slow", "slow out", "slow in", "even"])))) * max(min(reach, pose.size), 10)
    pose.x = pose.x + pose.facing * way
    pose.stride = way / (2 * np.pi * 0.16 * pose.size)
    quick = np.gradient(np.gradient(way))
    pose.lean = pose.lean - np.clip(quick * 0.6, -0.3, 0.3)
    pose.squash = cycle(u * 3, 0.03)
    return "drives by"


def blink(pose: Pose, rng: Rng, u: Array, seconds: float) -> None:
    middle, half = rng.uniform(0.1, 0.95), np.clip(0.11 / max(seconds, 0.1), 0.05, 0.2)
    pose.lid = np.maximum(pose.lid, np.clip(1.4 - np.abs(u - middle) / half, 0, 1))


def glance(pose: Pose, rng: Rng, u: Array, seconds: float) -> None:
    """The eyes dart from one place to another."""
    when = rng.uniform(0.2, 0.7)
    a, b = rng.uniform(-1, 1, (2, 2))
    pose.look_x = pose.look_x + track(u, (when, a[0]), (when + 0.12, b[0]))
    pose.look_y = pose.look_y + track(u, (when, a[1] * 0.6), (when + 0.12, b[1] * 0.6))


ACTS: dict[str, Callable[..., str]] = {
    "walk": walk, "run": run, "jump": jump, "hop": hop, "wave": wave, "turn": turn, "nod": nod,
    "talk": talk, "dance": dance, "cheer": cheer, "stretch": stretch, "spin": spin, "roll": roll,
    "drop": drop, "float": floating, "swing": swing, "fly": fly, "flap": flap, "swim": swim,
    "wag": wag, "drive": drive,
}  # fmt: skip
