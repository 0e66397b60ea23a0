"""All acts by name, see `moves` and `gestures`."""

from __future__ import annotations

from collections.abc import Callable

from train.data.puppets import gestures, moves

ACTS: dict[str, Callable[..., str]] = {
    "walk": moves.walk,
    "run": moves.run,
    "jump": moves.jump,
    "hop": moves.hop,
    "spin": moves.spin,
    "roll": moves.roll,
    "drop": moves.drop,
    "float": moves.floating,
    "swing": moves.swing,
    "fly": moves.fly,
    "swim": moves.swim,
    "drive": moves.drive,
    "wave": gestures.wave,
    "turn": gestures.turn,
    "nod": gestures.nod,
    "talk": gestures.talk,
    "dance": gestures.dance,
    "cheer": gestures.cheer,
    "stretch": gestures.stretch,
    "flap": gestures.flap,
    "wag": gestures.wag,
}
