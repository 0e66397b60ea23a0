"""What one look at a clip and at the systems' frames of it leaves; no picture stays in memory."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from torch import Tensor

from toon_core.metrics.colour_drift import colour_drift
from toon_core.metrics.psnr import psnr

from .clips import Clip, pixels
from .columns import COLOUR_DRIFT, PSNR
from .groups import crosses_border

OVER_TIME = {PSNR: psnr, COLOUR_DRIFT: colour_drift}


@dataclass(frozen=True, kw_only=True)
class Seen:
    """frames: {system: sha256 of its frames}; curves: {metric: {system: one value a frame}}."""

    folder: Path
    digest: str
    size: tuple[int, int]
    prompt: str
    fps: int | None
    passing: bool
    frames: Mapping[str, str]
    curves: Mapping[str, Mapping[str, list[float]]]


def look(folder: Path, clip: Clip, made: Mapping[str, Tensor]) -> Seen:
    """made: {system: its frames (f 3 h w) in [0, 1]}."""
    return Seen(
        folder=folder,
        digest=clip.digest(),
        size=clip.size,
        prompt=clip.prompt,
        fps=clip.fps,
        passing=crosses_border(clip.frames),
        frames={s: hashlib.sha256(pixels(x).tobytes()).hexdigest() for s, x in made.items()},
        curves={
            metric.key: {s: of(x, clip.frames).tolist() for s, x in made.items()}
            for metric, of in OVER_TIME.items()
        },
    )
