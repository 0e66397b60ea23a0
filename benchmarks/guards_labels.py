"""Clips and pairs of keys whose fault is known, since it was put there: what guards.py fits on."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "benchmarks")]

from nano_cast import frames as cast_frames  # noqa: E402

from train.data.puppets.clip import clip as puppet  # noqa: E402
from train.data.puppets.levels import LEVELS  # noqa: E402

FRAMES = 16
LONG = 61  # frames of a clip that pairs 8 to 60 apart are taken from
FAULTS = ("fade", "half fade", "nearest", "cut", "tint", "noise", "brightness", "shift", "late")


def puppets(seed: int, count: int, frames: int = FRAMES) -> Iterator[Tensor]:
    """`count` clips of each level: (f 3 128 128) in [0, 1]. Some stand still; these are shown too,
    as they come."""
    for level in range(LEVELS):
        for index in range(count):
            made = puppet(seed, index, level, frames)
            yield torch.from_numpy(made.frames).permute(0, 3, 1, 2).float() / 255


def cast() -> Iterator[Tensor]:
    for file in sorted((ROOT / "cast" / "clips").glob("*.webp")):
        yield cast_frames(file.stem)


def broken(clip: Tensor, fault: str, rng: np.random.Generator) -> Tensor:
    """The clip with a fault on its inner frames; both ends stay as they are.

    fade: the keys' cross-fade. half fade: the cross-fade in a half of the picture. nearest: each
    frame is the nearer key. cut: each frame is true, but from the middle on of the clip's end.
    tint: 4 to 10 % more or less of each colour. noise: new noise on each frame. brightness: each
    frame up to 3 % lighter or darker. shift: all inner frames lie 2 to 4 pixels beside their place.
    late: the inner frames are three drawings late or early.
    """
    count, height, width = len(clip), *clip.shape[-2:]
    place = torch.linspace(0, 1, count).view(-1, 1, 1, 1)
    fade = clip[:1].lerp(clip[-1:], place)
    made = clip.clone()
    if fault == "fade":
        made = fade
    elif fault == "half fade":
        half = torch.zeros(height, width, dtype=torch.bool)
        if rng.random() < 0.5:
            half[:, : width // 2] = True
        else:
            half[:, width // 2 :] = True
        made = torch.where(half, fade, clip)
    elif fault == "nearest":
        made = torch.where(place < 0.5, clip[:1], clip[-1:])
    elif fault == "cut":
        order = torch.arange(count)
        half = count // 2
        order[:half] = order[:half] // 3
        order[half:] = count - 1 - (count - 1 - order[half:]) // 3
        made = clip[order]
    elif fault == "tint":
        size = rng.uniform(0.04, 0.10, 3) * rng.choice([-1, 1], 3)
        made = made * (1 + torch.tensor(size).float().view(3, 1, 1))
    elif fault == "noise":
        noise = rng.normal(0, rng.uniform(0.01, 0.04), clip.shape)
        made = made + torch.from_numpy(noise).float()
    elif fault == "brightness":
        made = made * (1 + torch.tensor(rng.uniform(-0.03, 0.03, (count, 1, 1, 1))).float())
    elif fault == "shift":
        down, right = (int(n) for n in rng.integers(2, 5, 2) * rng.choice([-1, 1], 2))
        made = clip.roll((down, right), dims=(-2, -1))
    elif fault == "late":
        late = torch.arange(count) + 3 * (1 if rng.random() < 0.5 else -1)
        made = clip[late.clamp(1, count - 2)]
    else:
        raise ValueError(f"fault={fault}: expected one of {', '.join(FAULTS)}")
    made = torch.cat([clip[:1], made[1:-1], clip[-1:]])
    return made.clamp(0, 1)


def pairs(seed: int, count: int) -> Iterator[tuple[Tensor, Tensor, str]]:
    """Two keys and what they are. Of each clip: "one shot", 8 to 60 frames apart; "other angle",
    the second mirrored and cut out at half to four fifths of its size, which keeps the colours as
    cuts inside a scene do; and "other clip", with another puppet, mostly of the same level."""
    rng = np.random.default_rng(seed)
    before = None
    for clip in puppets(seed, count, LONG):
        gap = int(rng.integers(8, LONG))
        at = int(rng.integers(0, LONG - gap))
        begin, end = clip[at], clip[at + gap]
        yield begin, end, "one shot"
        yield begin, other_angle(end, rng), "other angle"
        if before is not None:
            yield before, begin, "other clip"
        before = end


def other_angle(picture: Tensor, rng: np.random.Generator) -> Tensor:
    """A mirrored close-up of the picture (3 h w), at its size."""
    height, width = picture.shape[-2:]
    scale = rng.uniform(0.5, 0.8)
    rows, columns = round(height * scale), round(width * scale)
    top, left = int(rng.integers(0, height - rows)), int(rng.integers(0, width - columns))
    part = picture[:, top : top + rows, left : left + columns].flip(-1)
    return F.interpolate(part[None], (height, width), mode="bilinear", antialias=True)[0]


def cast_pairs() -> Iterator[tuple[Tensor, Tensor, str]]:
    """As `pairs`, of the cast: keys 8, 11 and 15 frames apart."""
    rng, clips = np.random.default_rng(0), list(cast())
    for i, clip in enumerate(clips):
        for gap in (8, 11, 15):
            yield clip[0], clip[gap], "one shot"
            yield clip[0], other_angle(clip[gap], rng), "other angle"
        for away in (1, 2, 4):
            yield clip[0], clips[(i + away) % len(clips)][-1], "other clip"
