"""A staged clip as Lottie: the painted background as a picture inside, the rest as vectors."""

from __future__ import annotations

import base64
import io
import json

import numpy as np
from PIL import Image

from cast.kit.lottie import bake
from cast.kit.paths import Path
from cast.kit.sheet import Slot
from train.data.puppets.geometry import Array
from train.data.puppets.stage import BITS, Stage

FINE = 512


def lottie_text(stage: Stage, fps: int, height: int, width: int, name: str) -> str:
    """Lottie JSON of a stage, of an aspect as height and width; its frames are the stage's. The
    canvas is at least FINE high and wide, since the cast's kit rounds to quarters of its pixels."""
    times = max(-(-FINE // min(height, width)), 1)
    height, width = height * times, width * times
    placed = stage.placed(height, width, 1)
    frames: list[list[Slot]] = [[] for _ in range(stage.frames)]
    for mark, (fixed, inside) in zip(stage.marks, placed, strict=True):
        if not inside.any():
            continue
        points = fixed / 2**BITS + 0.5
        still, fill = np.zeros_like(points[0]), "#{:02x}{:02x}{:02x}".format(*mark.colour)
        for f, frame in enumerate(frames):
            path = Path(points[f], still, still) if inside[f] else None
            frame.append(Slot(path, fill))
    clip = json.loads(bake(frames, name))
    clip |= {"fr": fps, "w": width, "h": height}
    asset, layer = _background(stage, height, width)
    clip["assets"] = [asset]
    clip["layers"].append(layer)
    return json.dumps(clip, separators=(",", ":")) + "\n"


def _background(stage: Stage, height: int, width: int) -> tuple[dict, dict]:
    """The picture, and the layer that moves it as the camera does."""
    picture = stage.backdrop.picture
    png = io.BytesIO()
    Image.fromarray(picture).save(png, "PNG")
    link = "data:image/png;base64," + base64.b64encode(png.getvalue()).decode()
    asset = {
        "id": "background",
        "w": picture.shape[1],
        "h": picture.shape[0],
        "u": "",
        "p": link,
        "e": 1,
    }
    maps = np.broadcast_to(stage.backdrop_maps(height, width), (stage.frames, 2, 3))
    zoom = np.hypot(maps[:, 0, 0], maps[:, 1, 0])
    turn = np.degrees(np.arctan2(maps[:, 1, 0], maps[:, 0, 0]))
    moved = {
        "o": {"a": 0, "k": 100},
        "a": {"a": 0, "k": [0, 0]},
        "p": _keys(maps[..., 2].round(3)),
        "r": _keys(turn[:, None].round(4)),
        "s": _keys(np.stack([zoom, zoom], -1).round(6) * 100),
    }
    layer = {
        "ty": 2,
        "nm": "background",
        "refId": "background",
        "ind": 2,
        "ip": 0,
        "op": stage.frames,
    }
    return asset, layer | {"st": 0, "sr": 1, "bm": 0, "ks": moved}


def _keys(values: Array) -> dict:
    """A property held in every frame."""
    if (values == values[0]).all():
        return {"a": 0, "k": values[0].tolist() if len(values[0]) > 1 else float(values[0, 0])}
    return {"a": 1, "k": [{"t": f, "s": v.tolist(), "h": 1} for f, v in enumerate(values)]}
