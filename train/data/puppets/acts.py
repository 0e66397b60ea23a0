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
SHARES = {  # how often one is chosen, 1 where it is not named
    **{"walk": 2.0, "run": 1.3, "jump": 1.4, "turn": 1.5, "wave": 1.5, "swim": 2.5, "fly": 1.5},
    **{"spin": 0.35, "swing": 0.6, "nod": 0.6},
}
BESIDE = {  # acts that leave room for a gesture, and which
    **dict.fromkeys(("walk", "run", "hop", "float"), ("wave", "turn", "talk")),
    **dict.fromkeys(("swim", "fly", "swing"), ("turn", "talk")),
    **dict.fromkeys(("wave", "wag"), ("talk",)),
}
