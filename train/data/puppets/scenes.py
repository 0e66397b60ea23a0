"""What is staged at every level of difficulty, from one shape on a plain ground to whole scenes."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from train.data.puppets import acts
from train.data.puppets.backdrops import Place, paint_place
from train.data.puppets.beasts import Bird, Fish, Quadruped
from train.data.puppets.biped import Biped
from train.data.puppets.foreground import Cover, Drift
from train.data.puppets.geometry import Array, affine, flat
from train.data.puppets.outlines import Rng, egg, ellipse, lumpy, petals, squircle, star
from train.data.puppets.palette import Colour, Palette, draw_ink, draw_palette
from train.data.puppets.pose import Pose
from train.data.puppets.stage import Camera, Stage
from train.data.puppets.things import Blob, Thing, Vehicle
from train.data.puppets.timing import track

LEVELS = 6
BODIES = {  # kind of place -> bodies and their shares
    "land": {Biped: 0.44, Quadruped: 0.22, Bird: 0.1, Blob: 0.12, Vehicle: 0.07, Thing: 0.05},
    "room": {Biped: 0.5, Quadruped: 0.18, Bird: 0.05, Blob: 0.15, Thing: 0.12},
    "flat": {Biped: 0.44, Quadruped: 0.17, Bird: 0.12, Blob: 0.17, Thing: 0.1},
    "water": {Fish: 0.75, Blob: 0.25},
    "air": {Bird: 0.5, Blob: 0.2, Thing: 0.3},
}
SIZES = {Biped: (50, 74), Quadruped: (38, 54), Bird: (38, 60), Blob: (36, 60), Vehicle: (30, 42), Fish: (30, 46), Thing: (28, 50)}
WIDTHS = {Biped: 0.62, Quadruped: 1.25, Bird: 1.1, Blob: 0.9, Vehicle: 1.6, Fish: 1.5, Thing: 0.95}  # of the height
CALM = {"turn", "nod", "talk", "wave", "stretch"}
PLAIN = {"hop", "spin", "roll", "drop", "float", "swing", "swim", "jump"}


@dataclass
class Actor:
    """A character in its pose, ready to be painted."""

    body: object
    pose: Pose
    words: str


@dataclass
class Scene:
    """What a level stages: the stage painted on so far, and what it says of itself."""

    rng: Rng
    stage: Stage
    place: Place
    u: Array
    seconds: float
    aspect: float
    ink: Colour | None
    weight: float

    def palette(self) -> Palette:
        return draw_palette(self.rng, self.ink, self.weight, self.place.tone)

    def actor(self, kinds: dict, allowed: set[str] | None, x: float | None = None, scale: float = 1.0) -> Actor:
        """A character that performs one act, and blinks and looks about meanwhile."""
        rng, u = self.rng, self.u
        shares = np.array(list(kinds.values()))
        kind = list(kinds)[rng.choice(len(kinds), p=shares / shares.sum())]
        body = kind(rng, self.palette())
        size = rng.uniform(*SIZES[kind]) * scale
        pose = Pose(len(u), size, facing=float(rng.choice([-1, 1])))
        room = max(50 * max(self.aspect, 1) - 0.5 * size * WIDTHS[kind], 6)
        at = rng.uniform(-0.35, 0.35) * room if x is None else x
        reach = max(min(room - abs(at), 34), 5)
        deep = rng.uniform(-2, 8) if self.place.kind in ("land", "room", "flat") else rng.uniform(-30, 12) + size / 2
        pose.x = pose.x + at
        pose.y = pose.y + (self.place.ground + deep if self.place.kind in ("land", "room", "flat") else deep)
        names = [a for a in body.acts if allowed is None or a in allowed] or list(body.acts)
        if self.place.kind == "air":
            names = [a for a in names if a in ("fly", "float", "spin", "flap")] or ["float"]
        words = acts.ACTS[str(rng.choice(names))](pose, rng, u, self.seconds, reach)
        room = pose.y + 54 * max(1 / self.aspect, 1) - size  # up to the frame's edge
        pose.lift = pose.lift * min(1.0, max(float(room.min()), 6.0) / max(float(pose.lift.max()), 1e-6))
        pose.yaw = np.clip(pose.yaw + rng.uniform(-0.2, 0.3), -0.62, 0.62)
        pose.smile = pose.smile + rng.uniform(-0.2, 0.8)
        pose.brow = pose.brow + rng.uniform(0.2, 1)
        if rng.random() < 0.6:
            acts.blink(pose, rng, u, self.seconds)
        if rng.random() < 0.5 and not pose.look_x.any():
            acts.glance(pose, rng, u, self.seconds)
        return Actor(body, pose, words)

    def shadow(self, pose: Pose, width: float = 0.34) -> None:
        """A flat shadow below, smaller when what casts it is high."""
        if self.place.kind not in ("land", "room", "flat"):
            return
        high = np.clip(pose.lift / pose.size, 0, 1.2)
        size = pose.size * width * (1 - 0.5 * high) * np.maximum(1 + pose.grow, 0.02)
        a = affine(pose.x, pose.y, 0, size, size * 0.18)
        self.stage.fill(flat(ellipse(), a), self.place.tone.shade, pose.shown)

    def perform(self, actor: Actor) -> None:
        width = 0.34 if not isinstance(actor.body, (Quadruped, Vehicle)) else 0.6
        self.shadow(actor.pose, width)
        actor.body.paint(self.stage, actor.pose)

    def camera(self, strength: float) -> str:
        """Pans, zooms, follows or shakes; its words."""
        rng, u, c = self.rng, self.u, self.stage.camera
        kind = str(rng.choice(["pan", "zoom in", "zoom out", "both", "tilt"]))
        ease = str(rng.choice(["slow", "even", "slow in"]))
        way = rng.uniform(8, 24) * strength * rng.choice([-1, 1])
        if kind in ("pan", "both"):
            c.x += track(u, (0, -way / 2), (1, way / 2, ease))
        if kind == "tilt":
            c.y += track(u, (0, -way / 3), (1, way / 3, ease))
        if kind != "pan" and kind != "tilt":
            near = 1 + rng.uniform(0.12, 0.4) * strength
            a, b = (1, near) if kind != "zoom out" else (near, 1)
            c.zoom *= track(u, (0, a), (1, b, ease))
        if rng.random() < 0.15:
            c.roll += track(u, (0, 0), (1, rng.uniform(-0.12, 0.12), ease))
        side = "right" if way > 0 else "left"
        return {"pan": f"the camera pans {side}", "zoom in": "the camera zooms in", "zoom out": "the camera zooms out", "both": f"the camera pans {side} and zooms in", "tilt": "the camera tilts " + ("down" if way > 0 else "up")}[kind]


def a_or_an(words: str) -> str:
    return f"{'an' if words[0] in 'aeiou' else 'a'} {words}"


def open_scene(rng: Rng, frames: int, aspect: float, scale: float, kind: str, texture: bool, fps: float) -> Scene:
    place = paint_place(rng, kind, aspect, scale, texture)
    zero = np.zeros(frames)
    stage = Stage(frames, Camera(zero.copy(), zero.copy(), np.ones(frames), zero.copy()), place.backdrop)
    ink, weight = draw_ink(rng)
    return Scene(rng, stage, place, np.linspace(0, 1, frames), frames / fps, aspect, ink, weight)


def shape(scene: Scene) -> str:
    """Level 0: one shape that moves, turns and grows, evenly or with slow out and slow in."""
    rng, u = scene.rng, scene.u
    noun = str(rng.choice(["disc", "box", "egg", "star", "blob", "flower"]))
    outline = {"disc": ellipse(), "box": squircle(5), "egg": egg(0.2), "star": star(5, 0.5), "blob": lumpy(rng, 0.2), "flower": petals(6, 0.3)}[noun]
    p, size = scene.palette(), rng.uniform(9, 24)
    a, b = rng.uniform(-32, 32, (2, 2))
    if rng.random() < 0.15:
        b = a
    ease = str(rng.choice(["even", "slow", "slow in", "slow out", "overshoot"]))
    way = track(u, (0, 0), (1, 1, ease))
    turn, grow = rng.uniform(-1.6, 1.6), rng.uniform(-0.35, 0.35)
    flatness = rng.uniform(0.7, 1.2)
    m = affine(a[0] + (b[0] - a[0]) * way, a[1] + (b[1] - a[1]) * way, rng.uniform(0, 6.3) + turn * way, size * np.exp(grow * way), size * np.exp(grow * way) * flatness)
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
    kinds = {"water": {Fish: 1.0}, "air": {Bird: 0.6, Thing: 0.4}}.get(scene.place.kind, {Blob: 0.4, Bird: 0.25, Thing: 0.2, Biped: 0.15})
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
    extra = str(rng.choice(["behind", "appear", "throw", "camera", "drift", "enter"], p=[0.24, 0.2, 0.12, 0.2, 0.1, 0.14]))
    if extra == "throw" and scene.place.kind in ("land", "room", "flat"):
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
    spots = np.linspace(-0.52, 0.52, count) * half * rng.uniform(0.8, 1.1) + rng.uniform(-6, 6, count)
    covers = [(float(rng.uniform(-0.8, 0.8) * half), 0.0) for _ in range(int(rng.choice([0, 1, 2], p=[0.3, 0.5, 0.2])))]
    order = np.argsort(rng.random(count))
    for k in order:
        crossing = rng.random() < 0.45
        actor = scene.actor(kinds, None, float(spots[k]), 0.8 if count == 2 else 0.68)
        pose = actor.pose
        if crossing:
            way = track(u, (0, -1), (1, 1, str(rng.choice(["slow", "even", "slow in"])))) * rng.uniform(10, 26)
            pose.x = pose.x + way * (pose.facing if actor.body.acts[0] in ("walk", "drive", "swim") else rng.choice([-1, 1]))
            if "walk" in actor.body.acts and not pose.step.any():
                pose.stride, pose.step = way / (0.84 * pose.size) * pose.facing, np.full_like(u, 0.9)
        elif rng.random() < 0.2:
            _pop(scene, pose)
        if rng.random() < 0.3 and covers:
            self_at, _ = covers.pop()
            Cover(rng, scene.place, scene.palette(), rng.uniform(26, 46)).paint(scene.stage, self_at, scene.place.ground + rng.uniform(-4, 2), u)
        scene.perform(actor)
        said.append(f"{a_or_an(actor.body.title)} {actor.words}")
    for at, _ in covers:
        scene.stage.near = float(rng.uniform(1.0, 1.25))
        Cover(rng, scene.place, scene.palette(), rng.uniform(30, 52)).paint(scene.stage, at, scene.place.ground + rng.uniform(7, 16), u)
        scene.stage.near = 1.0
    if drift:
        drift.paint(scene.stage, u, before=True)
    words = " and ".join(said) + f" {scene.place.words}"
    return f"{words}, {scene.camera(rng.uniform(0.5, 1.1))}" if rng.random() < 0.65 else words


def _enter(scene: Scene, actor: Actor) -> None:
    """From outside of the picture to its place, with a stop that overshoots."""
    rng, pose = scene.rng, actor.pose
    outside = pose.facing * (50 * max(scene.aspect, 1) + pose.size * 0.4)
    stop = rng.uniform(0.6, 0.9)
    way = track(scene.u, (0, 1), (stop, 0, str(rng.choice(["overshoot", "slow in"]))))
    pose.x = pose.x - way * outside * rng.uniform(0.7, 1.0)
    pose.lean = pose.lean + 0.25 * pose.facing * np.gradient(way) * 10 * pose.facing * -0.3
    if not pose.step.any():
        pose.stride = -way * outside / (0.84 * pose.size) * pose.facing
        pose.step = np.clip(np.abs(np.gradient(pose.stride)) * 12, 0, 0.9)


def _pop(scene: Scene, pose: Pose) -> str:
    """Appears out of nothing or vanishes into it, with an overshoot."""
    rng = scene.rng
    begin = rng.uniform(0.1, 0.4)
    grow = track(scene.u, (begin, -1), (begin + rng.uniform(0.25, 0.45), 0, "overshoot"))
    if rng.random() < 0.35:
        grow = grow[::-1].copy()
    pose.grow = pose.grow + grow
    pose.shown = pose.shown & (pose.grow > -0.93)
    return "pops up"


def _covered(scene: Scene, kind: str) -> str:
    """Passes behind a cover, or comes up from behind it."""
    rng, u = scene.rng, scene.u
    actor = scene.actor(BODIES[scene.place.kind], None, x=0.0, scale=0.9)
    pose, at = actor.pose, float(rng.uniform(-14, 14))
    noun = actor.body.title
    if kind == "behind":
        cover = Cover(rng, scene.place, scene.palette(), rng.uniform(0.6, 1.05) * pose.size)
        way = track(u, (0, -1), (1, 1, str(rng.choice(["slow", "even", "slow in", "slow out"])))) * rng.uniform(22, 40)
        pose.x = pose.x - pose.x.mean() + pose.facing * way
        if "walk" in actor.body.acts:
            pose.stride, pose.step = way / (0.84 * pose.size), np.full_like(u, 0.9)
        words = f"{a_or_an(noun)} passes behind a {cover.noun}"
    else:
        cover = Cover(rng, scene.place, scene.palette(), rng.uniform(0.62, 0.8) * pose.size, low=True)
        begin = rng.uniform(0.08, 0.35)
        up = track(u, (begin, -0.7), (begin + rng.uniform(0.3, 0.5), 0, "overshoot"))
        out = rng.random() < 0.3
        pose.grow = pose.grow + (up[::-1] if out else up)
        pose.x = pose.x - pose.x + at
        words = a_or_an(noun) + " " + ("hides" if out else "pops up") + f" behind a {cover.noun}"
    scene.perform(actor)
    low = float(pose.y.mean()) + (rng.uniform(1, 5) if scene.place.kind not in ("air", "water") else 0.1 * pose.size)
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
    pose.arms[:, side] = track(u, (0, 0.3), (back, 2.2), (go + 0.02, 1.5, "slow out"), (go + 0.14, 0.3, "slow in"), (1, 0.1))
    pose.lean = pose.lean + track(u, (0, 0), (back, -0.22), (go + 0.05, 0.26, "slow out"), (1, 0.05, "elastic"))
    pose.squash = pose.squash + track(u, (0, 0), (back, 0.12), (go, -0.06), (1, 0))
    pose.yaw, pose.nod = np.full_like(u, 0.4), np.zeros_like(u)
    ball = Thing(rng, scene.palette(), noun=str(rng.choice(["ball", "apple", "star", "stone", "cookie"])))
    ball.face = None
    scene.perform(actor)
    held = actor.body.hand_at
    first = np.argmax(u >= go)
    t = np.maximum(u - u[first], 0)
    speed = rng.uniform((90, -60), (170, -25))
    path = held[first] + t[:, None] * speed + np.stack([0 * t, 130 * t**2], -1)
    fly = Pose(len(u), rng.uniform(9, 14))
    at = np.where((u >= go)[:, None], path, held)
    fly.x, fly.y = at[:, 0], at[:, 1] + fly.size / 2
    fly.spin = t * rng.uniform(6, 16)
    ball.paint(scene.stage, fly)
    return f"{a_or_an(actor.body.title)} throws {a_or_an(ball.title)} {scene.place.words}"


STAGED = (shape, thing, creature, character, staged, whole)
