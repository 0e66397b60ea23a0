"""What is staged at every level of difficulty, from one shape on a plain ground to whole scenes."""

from __future__ import annotations

import numpy as np

from train.data.puppets.biped import Biped
from train.data.puppets.bird import Bird
from train.data.puppets.blob import Blob
from train.data.puppets.fish import Fish
from train.data.puppets.foreground import Cover, Drift
from train.data.puppets.geometry import affine, flat
from train.data.puppets.outlines import egg, ellipse, lumpy, petals, squircle, star
from train.data.puppets.pose import Pose
from train.data.puppets.scenes import BODIES, Actor, Scene, a_or_an
from train.data.puppets.things import Thing
from train.data.puppets.timing import track

CALM = {"turn", "nod", "talk", "wave", "stretch"}


PLAIN = {"hop", "spin", "roll", "drop", "float", "swing", "swim", "jump"}


def shape(scene: Scene) -> str:
    """Level 0: one shape that moves, turns and grows, evenly or with slow out and slow in."""
    rng, u = scene.rng, scene.u
    noun = str(rng.choice(["disc", "box", "egg", "star", "blob", "flower"]))
    outline = {
        "disc": ellipse(),
        "box": squircle(5),
        "egg": egg(0.2),
        "star": star(5, 0.5),
        "blob": lumpy(rng, 0.2),
        "flower": petals(6, 0.3),
    }[noun]
    p, size = scene.palette(), rng.uniform(9, 24)
    a, b = rng.uniform(-32, 32, (2, 2))
    if rng.random() < 0.15:
        b = a
    ease = str(rng.choice(["even", "slow", "slow in", "slow out", "overshoot"]))
    way = track(u, (0, 0), (1, 1, ease))
    turn, grow = rng.uniform(-1.6, 1.6), rng.uniform(-0.35, 0.35)
    flatness = rng.uniform(0.7, 1.2)
    m = affine(
        a[0] + (b[0] - a[0]) * way,
        a[1] + (b[1] - a[1]) * way,
        rng.uniform(0, 6.3) + turn * way,
        size * np.exp(grow * way),
        size * np.exp(grow * way) * flatness,
    )
    form = flat(outline, m)
    scene.stage.inked([(form, p.main.rgb)], p.ink, p.weight)
    if rng.random() < 0.5:
        scene.stage.fill(flat(outline * 0.55, m), p.second.rgb, decor=True)
    return f"{a_or_an(p.main.name)} {noun} moves {scene.place.words}"


def thing(scene: Scene) -> str:
    """Level 1: one thing that rolls, bounces, spins or swings."""
    actor = scene.actor({Thing: 0.8, Blob: 0.2}, PLAIN)
    scene.perform(actor)
    return f"{a_or_an(actor.body.title)} {actor.words} {scene.place.words}"


def creature(scene: Scene) -> str:
    """Level 2: one simple creature, one act."""
    kinds = {"water": {Fish: 1.0}, "air": {Bird: 0.6, Thing: 0.4}}.get(
        scene.place.kind, {Blob: 0.4, Bird: 0.25, Thing: 0.2, Biped: 0.15}
    )
    actor = scene.actor(kinds, PLAIN | CALM | {"fly", "flap"})
    scene.perform(actor)
    return f"{a_or_an(actor.body.title)} {actor.words} {scene.place.words}"


def character(scene: Scene) -> str:
    """Level 3: one character of any kind, one act."""
    actor = scene.actor(BODIES[scene.place.kind], None)
    scene.perform(actor)
    return f"{a_or_an(actor.body.title)} {actor.words} {scene.place.words}"


def staged(scene: Scene) -> str:
    """Level 4: a character and one thing more: a cover before it, a ball, company, or a camera."""
    rng = scene.rng
    extra = str(
        rng.choice(
            ["behind", "appear", "throw", "camera", "drift", "enter"],
            p=[0.24, 0.2, 0.12, 0.2, 0.1, 0.14],
        )
    )
    if extra == "throw" and scene.grounded:
        return _throw(scene)
    if extra in ("behind", "appear"):
        return _covered(scene, extra)
    actor = scene.actor(BODIES[scene.place.kind], None)
    words = f"{a_or_an(actor.body.title)} {actor.words} {scene.place.words}"
    if extra == "enter":
        _enter(scene, actor)
        words = f"{a_or_an(actor.body.title)} comes in and {actor.words} {scene.place.words}"
    if extra == "drift":
        drift = Drift(rng, scene.place, scene.palette(), scene.seconds)
        drift.paint(scene.stage, scene.u, before=False)
        scene.perform(actor)
        drift.paint(scene.stage, scene.u, before=True)
        return f"{words}, {drift.noun} drift by"
    scene.perform(actor)
    return words if extra == "enter" else f"{words}, {scene.camera(1.0)}"


def whole(scene: Scene) -> str:
    """Level 5: two or three characters, covers before and between them, and mostly a camera."""
    rng, u = scene.rng, scene.u
    kinds, said = BODIES[scene.place.kind], []
    half = 50 * max(scene.aspect, 1)
    count = int(rng.choice([2, 3], p=[0.7, 0.3]))
    drift = Drift(rng, scene.place, scene.palette(), scene.seconds) if rng.random() < 0.35 else None
    if drift:
        drift.paint(scene.stage, u, before=False)
    spots = np.linspace(-0.52, 0.52, count) * half * rng.uniform(0.8, 1.1)
    spots = spots + rng.uniform(-6, 6, count)
    covers = list(rng.uniform(-0.8, 0.8, int(rng.choice([0, 1, 2], p=[0.3, 0.5, 0.2]))) * half)
    for k in np.argsort(rng.random(count)):
        actor = scene.actor(kinds, None, float(spots[k]), 0.8 if count == 2 else 0.68)
        words = actor.words
        if rng.random() < 0.45:
            _cross(scene, actor)
        elif rng.random() < 0.2:
            words = f"{_pop(scene, actor.pose)} and {words}"
        if rng.random() < 0.3 and covers:
            cover = Cover(rng, scene.place, scene.palette(), rng.uniform(24, 40))
            low = scene.place.ground + rng.uniform(-4, 2)
            cover.paint(scene.stage, covers.pop(), low, u)
        scene.perform(actor)
        said.append(f"{a_or_an(actor.body.title)} {words}")
    for at in covers:
        scene.stage.near = float(rng.uniform(1.0, 1.25))
        cover = Cover(rng, scene.place, scene.palette(), rng.uniform(22, 42))
        cover.paint(scene.stage, at, scene.place.ground + rng.uniform(7, 16), u)
        scene.stage.near = 1.0
    if drift:
        drift.paint(scene.stage, u, before=True)
    words = " and ".join(said) + f" {scene.place.words}"
    return f"{words}, {scene.camera(rng.uniform(0.5, 1.1))}" if rng.random() < 0.65 else words


def _cross(scene: Scene, actor: Actor) -> None:
    """Through the picture while it performs, so that it passes others; on foot where it can."""
    rng, pose = scene.rng, actor.pose
    ease = str(rng.choice(["slow", "even", "slow in"]))
    way = track(scene.u, (0, -1), (1, 1, ease)) * rng.uniform(10, 26)
    ahead = actor.body.acts[0] in ("walk", "drive", "swim")
    pose.x = pose.x + way * (pose.facing if ahead else rng.choice([-1, 1]))
    if "walk" in actor.body.acts and not pose.step.any():
        pose.stride = way / (0.84 * pose.size) * pose.facing
        pose.step = np.full_like(way, 0.9)


def _enter(scene: Scene, actor: Actor) -> None:
    """From outside of the picture to its place, with a stop that overshoots."""
    rng, pose = scene.rng, actor.pose
    outside = pose.facing * (50 * max(scene.aspect, 1) + pose.size * 0.4)
    stop = rng.uniform(0.6, 0.9)
    way = track(scene.u, (0, 1), (stop, 0, str(rng.choice(["overshoot", "slow in"]))))
    pose.x = pose.x - way * outside * rng.uniform(0.7, 1.0)
    pose.lean = pose.lean - 0.75 * np.gradient(way)
    if not pose.step.any():
        pose.stride = -way * outside / (0.84 * pose.size) * pose.facing
        pose.step = np.clip(np.abs(np.gradient(pose.stride)) * 12, 0, 0.9)


def _pop(scene: Scene, pose: Pose) -> str:
    """Appears out of nothing or vanishes into it, with an overshoot; its words."""
    rng = scene.rng
    begin = rng.uniform(0.1, 0.4)
    grow = track(scene.u, (begin, -1), (begin + rng.uniform(0.25, 0.45), 0, "overshoot"))
    out = rng.random() < 0.35
    pose.grow = pose.grow + (grow[::-1] if out else grow)
    pose.shown = pose.shown & (pose.grow > -0.93)
    return "vanishes" if out else "pops up"


def _covered(scene: Scene, kind: str) -> str:
    """Passes behind a cover, or comes up from behind it."""
    rng, u = scene.rng, scene.u
    actor = scene.actor(BODIES[scene.place.kind], None, x=0.0, scale=0.9)
    pose, at = actor.pose, float(rng.uniform(-14, 14))
    noun = actor.body.title
    if kind == "behind":
        cover = Cover(rng, scene.place, scene.palette(), rng.uniform(0.45, 0.85) * pose.size)
        way = track(
            u, (0, -1), (1, 1, str(rng.choice(["slow", "even", "slow in", "slow out"])))
        ) * rng.uniform(22, 40)
        pose.x = pose.x - pose.x.mean() + pose.facing * way
        if "walk" in actor.body.acts:
            pose.stride, pose.step = way / (0.84 * pose.size), np.full_like(u, 0.9)
        words = f"{a_or_an(noun)} passes behind a {cover.noun}"
    else:
        cover = Cover(
            rng, scene.place, scene.palette(), rng.uniform(0.62, 0.8) * pose.size, low=True
        )
        begin = rng.uniform(0.08, 0.35)
        up = track(u, (begin, -0.7), (begin + rng.uniform(0.3, 0.5), 0, "overshoot"))
        out = rng.random() < 0.3
        pose.grow = pose.grow + (up[::-1] if out else up)
        pose.x = pose.x - pose.x + at
        words = a_or_an(noun) + " " + ("hides" if out else "pops up") + f" behind a {cover.noun}"
    scene.perform(actor)
    low = float(pose.y.mean()) + (
        rng.uniform(1, 5) if scene.place.kind not in ("air", "water") else 0.1 * pose.size
    )
    cover.paint(scene.stage, at, low, u)
    if rng.random() < 0.2:
        words += ", " + scene.camera(0.6)
        return f"{words}, {scene.place.words}"
    return f"{words} {scene.place.words}"


def _throw(scene: Scene) -> str:
    """Winds up, throws a ball that turns as it flies, and follows through."""
    rng, u = scene.rng, scene.u
    actor = scene.actor({Biped: 1.0}, {"nod"}, x=float(rng.uniform(-26, -14)), scale=0.85)
    pose = actor.pose
    pose.facing, side = 1.0, 1
    back, go = rng.uniform(0.22, 0.36), rng.uniform(0.42, 0.54)
    pose.arms[:, side] = track(
        u,
        (0, 0.3),
        (back, 2.2),
        (go + 0.02, 1.5, "slow out"),
        (go + 0.14, 0.3, "slow in"),
        (1, 0.1),
    )
    pose.lean = pose.lean + track(
        u, (0, 0), (back, -0.22), (go + 0.05, 0.26, "slow out"), (1, 0.05, "elastic")
    )
    pose.squash = pose.squash + track(u, (0, 0), (back, 0.12), (go, -0.06), (1, 0))
    pose.yaw, pose.nod = np.full_like(u, 0.4), np.zeros_like(u)
    ball = Thing(
        rng, scene.palette(), noun=str(rng.choice(["ball", "apple", "star", "stone", "cookie"]))
    )
    ball.face = None
    scene.perform(actor)
    held = actor.body.hand_at
    first = np.argmax(u >= go)
    t = np.maximum(u - u[first], 0)
    speed = rng.uniform((130, -110), (220, -60))
    path = held[first] + t[:, None] * speed + np.stack([0 * t, 200 * t**2], -1)
    fly = Pose(len(u), rng.uniform(9, 14))
    at = np.where((u >= go)[:, None], path, held)
    fly.x, fly.y = at[:, 0], at[:, 1] + fly.size / 2
    fly.spin = t * rng.uniform(6, 16)
    ball.paint(scene.stage, fly)
    return f"{a_or_an(actor.body.title)} throws {a_or_an(ball.title)} {scene.place.words}"


STAGED = (shape, thing, creature, character, staged, whole)
LEVELS = len(STAGED)
