"""A scene: a place, who may be there, shadows and the camera."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from train.data.puppets import gestures
from train.data.puppets.acts import ACTS, BESIDE, SHARES
from train.data.puppets.backdrops import Place, paint_place
from train.data.puppets.biped import Biped
from train.data.puppets.bird import Bird
from train.data.puppets.blob import Blob
from train.data.puppets.fish import Fish
from train.data.puppets.geometry import Array, affine, flat
from train.data.puppets.outlines import Rng, ellipse
from train.data.puppets.palette import Colour, Palette, draw_ink, draw_palette
from train.data.puppets.pose import Pose
from train.data.puppets.quadruped import Quadruped
from train.data.puppets.stage import Camera, Stage
from train.data.puppets.things import Thing
from train.data.puppets.timing import track
from train.data.puppets.vehicle import Vehicle

BODIES = {  # kind of place -> bodies and their shares
    "land": {Biped: 0.44, Quadruped: 0.22, Bird: 0.1, Blob: 0.12, Vehicle: 0.07, Thing: 0.05},
    "room": {Biped: 0.5, Quadruped: 0.18, Bird: 0.05, Blob: 0.15, Thing: 0.12},
    "flat": {Biped: 0.44, Quadruped: 0.17, Bird: 0.12, Blob: 0.17, Thing: 0.1},
    "water": {Fish: 0.75, Blob: 0.25},
    "air": {Bird: 0.5, Blob: 0.2, Thing: 0.3},
}


SIZES = {
    Biped: (50, 74),
    Quadruped: (38, 54),
    Bird: (38, 60),
    Blob: (36, 60),
    Vehicle: (30, 42),
    Fish: (30, 46),
    Thing: (28, 50),
}


WIDTHS = {
    Biped: 0.62,
    Quadruped: 1.25,
    Bird: 1.1,
    Blob: 0.9,
    Vehicle: 1.6,
    Fish: 1.5,
    Thing: 0.95,
}  # of the height


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

    @property
    def grounded(self) -> bool:
        """Whether one stands here, as against swimming or flying."""
        return self.place.kind in ("land", "room", "flat")

    def palette(self) -> Palette:
        return draw_palette(self.rng, self.ink, self.weight, self.place.tone)

    def actor(
        self, kinds: dict, allowed: set[str] | None, x: float | None = None, scale: float = 1.0
    ) -> Actor:
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
        if self.grounded:
            low = self.place.ground + rng.uniform(-2, 8)
        else:
            low = rng.uniform(-30, 12) + size / 2
        pose.x, pose.y = pose.x + at, pose.y + low
        names = [a for a in body.acts if allowed is None or a in allowed] or list(body.acts)
        if self.place.kind == "air":
            names = [a for a in names if a in ("fly", "float", "spin", "flap")] or ["float"]
        shares = np.array([SHARES.get(a, 1.0) for a in names])
        name = str(rng.choice(names, p=shares / shares.sum()))
        words = ACTS[name](pose, rng, u, self.seconds, reach)
        beside = [g for g in BESIDE.get(name, ()) if g in body.acts and allowed is None]
        if beside and rng.random() < 0.35:
            gesture = ACTS[str(rng.choice(beside))](pose, rng, u, self.seconds, reach)
            words = f"{words} and {gesture}"
        room = pose.y + 54 * max(1 / self.aspect, 1) - size  # up to the frame's edge
        highest = max(float(pose.lift.max()), 1e-6)
        pose.lift = pose.lift * min(1.0, max(float(room.min()), 6.0) / highest)
        pose.yaw = np.clip(pose.yaw + rng.uniform(-0.2, 0.3), -0.62, 0.62)
        pose.smile = pose.smile + rng.uniform(-0.2, 0.8)
        pose.brow = pose.brow + rng.uniform(0.2, 1)
        if rng.random() < 0.6:
            gestures.blink(pose, rng, u, self.seconds)
        if rng.random() < 0.5 and not pose.look_x.any():
            gestures.glance(pose, rng, u, self.seconds)
        return Actor(body, pose, words)

    def shadow(self, pose: Pose, width: float = 0.34) -> None:
        """A flat shadow below, smaller when what casts it is high."""
        if not self.grounded:
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
        """Pans, tilts, zooms, at times rolls; its words."""
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
        return {
            "pan": f"the camera pans {side}",
            "zoom in": "the camera zooms in",
            "zoom out": "the camera zooms out",
            "both": f"the camera pans {side} and zooms in",
            "tilt": "the camera tilts " + ("down" if way > 0 else "up"),
        }[kind]


def a_or_an(words: str) -> str:
    return f"{'an' if words[0] in 'aeiou' else 'a'} {words}"


def open_scene(
    rng: Rng, frames: int, aspect: float, scale: float, kind: str, texture: bool, fps: float
) -> Scene:
    place = paint_place(rng, kind, aspect, scale, texture)
    zero = np.zeros(frames)
    stage = Stage(
        frames, Camera(zero.copy(), zero.copy(), np.ones(frames), zero.copy()), place.backdrop
    )
    ink, weight = draw_ink(rng)
    return Scene(rng, stage, place, np.linspace(0, 1, frames), frames / fps, aspect, ink, weight)
