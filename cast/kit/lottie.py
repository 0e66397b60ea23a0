"""Bakes the frames of a puppet into Lottie JSON: one group a slot, path keys where it moves."""

from __future__ import annotations

import json
from collections.abc import Sequence

import numpy as np

from cast.kit.paths import Path
from cast.kit.rigid import keyed, rigid_moves
from cast.kit.sheet import Slot

WIDTH, HEIGHT, FPS = 512, 320, 24
SCALE = 4  # paths are stored in quarter pixels, as integers
TOLERANCE = 3.6  # of a straight run of keys, in quarter pixels


def bake(frames: Sequence[Sequence[Slot]], name: str) -> str:
    """Lottie text of the frames. ValueError when they do not paint the same slots."""
    counts = {len(frame) for frame in frames}
    if len(counts) != 1:
        raise ValueError(
            f"{name}: frames paint {sorted(counts)} slots; paint as many in each, "
            "with path None for what is not there"
        )
    columns = enumerate(zip(*frames, strict=True))
    groups = [_group(slots, f"{name} slot {k}") for k, slots in columns]
    shapes = [g for g in reversed(groups) if g is not None]
    layer = {
        "ty": 4,
        "nm": name,
        "ind": 1,
        "ip": 0,
        "op": len(frames),
        "st": 0,
        "sr": 1,
        "bm": 0,
        "ks": _transform(100 / SCALE),
        "shapes": shapes,
    }
    clip = {
        "v": "5.7.0",
        "nm": name,
        "fr": FPS,
        "ip": 0,
        "op": len(frames),
        "w": WIDTH,
        "h": HEIGHT,
        "ddd": 0,
        "assets": [],
        "layers": [layer],
    }
    return json.dumps(clip, separators=(",", ":")) + "\n"


def _transform(percent: float) -> dict:
    return {
        "o": _fixed(100),
        "r": _fixed(0),
        "p": _fixed([0, 0]),
        "a": _fixed([0, 0]),
        "s": _fixed([percent, percent]),
    }


def _fixed(value: object) -> dict:
    return {"a": 0, "k": value}


def _rgb(colour: str) -> list[float]:
    return [round(int(colour[k : k + 2], 16) / 255, 4) for k in (1, 3, 5)] + [1]


def _group(slots: Sequence[Slot], label: str) -> dict | None:
    looks = {(s.fill, s.line, s.weight) for s in slots}
    if len(looks) != 1:
        raise ValueError(f"{label}: colours or weight change over time ({sorted(map(str, looks))})")
    if all(s.path is None for s in slots):
        return None
    path, move = _shape(slots, label)
    items: list[dict] = [{"ty": "sh", "ks": path}]
    first = slots[0]
    if first.fill:
        items.append({"ty": "fl", "c": _fixed(_rgb(first.fill)), "o": _fixed(100), "r": 1})
    if first.line:
        items.append(
            {
                "ty": "st",
                "c": _fixed(_rgb(first.line)),
                "o": _fixed(100),
                "w": _fixed(first.weight * SCALE),
                "lc": 2,
                "lj": 2,
            }
        )
    items.append({"ty": "tr", **move, "o": _shown_keys(slots)})
    return {"ty": "gr", "it": items}


def _shown_keys(slots: Sequence[Slot]) -> dict:
    shown = [0 if s.path is None else 100 for s in slots]
    starts = [f for f in range(len(shown)) if f == 0 or shown[f] != shown[f - 1]]
    if len(starts) == 1:
        return _fixed(shown[0])
    return {"a": 1, "k": [{"t": f, "s": [shown[f]], "h": 1} for f in starts]}


def _filled(slots: Sequence[Slot]) -> list[Path]:
    """Every frame's path; a hidden frame borrows the nearest shown one."""
    shown = [f for f, s in enumerate(slots) if s.path is not None]
    return [slots[min(shown, key=lambda g: abs(g - f))].path for f in range(len(slots))]


def _shape(slots: Sequence[Slot], label: str) -> tuple[dict, dict]:
    """The path property of a slot and the transform that goes with it."""
    paths = _filled(slots)
    if len({p.v.shape for p in paths}) != 1:
        raise ValueError(f"{label}: its number of vertices changes over time")
    table = np.stack([np.stack([p.i, p.o, p.v]) for p in paths])
    table = np.rint(np.round(table * SCALE, 6)).astype(int)  # ties alike on all CPUs
    closed = paths[0].closed
    moves = rigid_moves(table, bool(slots[0].line))
    if moves is None:
        return keyed(table, TOLERANCE, lambda f: [_bezier(table[f], closed)]), _transform(100)
    if (table == table[0]).all():
        return _fixed(_bezier(table[0], closed)), _transform(100)
    move = {
        "a": _fixed(moves.anchor.tolist()),
        "p": keyed(moves.position, TOLERANCE / 2, lambda f: moves.position[f].tolist()),
        "r": keyed(moves.turn, 0.15, lambda f: [float(moves.turn[f])]),
        "s": keyed(moves.scale, 0.7, lambda f: moves.scale[f].tolist()),
    }
    return _fixed(_bezier(table[0], closed)), {**_transform(100), **move}


def _bezier(ion: np.ndarray, closed: bool) -> dict:
    i, o, v = ion.tolist()
    return {"c": closed, "i": i, "o": o, "v": v}
