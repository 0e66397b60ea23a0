"""Whether a clip jumps: beside a key, or all of it in one step."""

import math

import torch
from torch import Tensor

from ..frames import check_frames

ROUNDING = 1.5 / 255  # a colour that differs by less may be the same before 8 bits
STILL = 2e-5  # change below which two frames are one drawing held: a fraction of a pixel
MOST = 100.0  # more is not told apart: next to a still clip any change is endlessly larger
FEW = 4  # steps of which the largest says something


def jump(frames: Tensor) -> tuple[float, float]:
    """Change beside the first and beside the last frame over the usual change between frames.

    frames (f 3 h w) in [0, 1] in the order shown, keys included. J = d(0, 1) / max(median, next), d
    the mean absolute difference, of which differences of 1 in 255 do not count; median that of the
    changes d(t, t + 1) inside, without those beside the keys, and next the larger of the first two
    of them; the same from the end. By the median alone a drawing that starts fast would jump. About
    1 is even motion, below 1 it eases. Held drawings (no change) are left out, so that frames on
    twos have the J of their drawings. 0 where the clip holds at that key. NaN where there is
    nothing to compare with: fewer than four frames, or nothing moves. 100 at most, as where a key
    differs from a clip that stands still inside. ValueError for other shapes and values.
    """
    check_frames(frames)
    if len(frames) < 4:
        return math.nan, math.nan
    steps = _steps(frames)
    if not (steps > STILL).any():
        return math.nan, math.nan
    return _beside(steps), _beside(steps.flip(0))


def _beside(steps: Tensor) -> float:
    """J of the first of the steps."""
    inside = steps[1:-1]
    moving = inside[inside > STILL]
    usual = max(moving.quantile(0.5).item(), moving[:2].max().item()) if len(moving) else STILL
    return min(MOST, steps[0].item() / usual) if steps[0] > STILL else 0.0


def largest_step(frames: Tensor) -> float:
    """Share of all change between neighbours that the largest one makes, in (0, 1].

    frames (f 3 h w) in [0, 1] in the order shown, keys included. 1 / (f - 1) is even motion; near 1
    the clip is two held drawings with a cut. NaN where nothing moves, for fewer than four frames,
    and where two or three steps move: of so few drawings any step is large. ValueError for other
    shapes and values.
    """
    check_frames(frames)
    steps = _steps(frames)
    moving = int((steps > STILL).sum())
    if len(frames) < 4 or moving == 0 or 1 < moving < FEW:
        return math.nan
    return (steps.max() / steps.sum()).item()


def _steps(frames: Tensor) -> Tensor:
    change = (frames[1:].double() - frames[:-1].double()).abs()
    return torch.where(change > ROUNDING, change, 0).mean(dim=(1, 2, 3))
