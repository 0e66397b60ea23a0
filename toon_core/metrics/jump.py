"""Whether a clip jumps: beside a key, or all of it in one step."""

import math

from torch import Tensor

from .frames import check_frames

STILL = 0.5 / 255  # mean absolute difference below which two frames are one drawing held


def jump(frames: Tensor) -> tuple[float, float]:
    """Change beside the first and beside the last frame over the usual change between frames.

    frames (f 3 h w) in [0, 1] in the order shown, keys included. J = d(0, 1) / median of the
    changes d(t, t + 1) inside, without those beside the keys, with d the mean absolute difference;
    the same from the end. About 1 is even motion, above 2 a jump is seen, below 1 it eases. Held
    drawings (no change) are left out of the median, so that frames on twos have the J of their
    drawings. 0 where the clip holds at that key. NaN where there is nothing to compare with:
    fewer than four frames, or nothing moves. Where only the key moves, the change inside counts as
    the smallest that is no hold, and J is large. ValueError for other shapes and values.
    """
    check_frames(frames)
    if len(frames) < 4:
        return math.nan, math.nan
    steps = _steps(frames)
    if not (steps > STILL).any():
        return math.nan, math.nan
    inside = steps[1:-1]
    moving = inside[inside > STILL]
    usual = moving.quantile(0.5).item() if len(moving) else STILL
    return tuple(_over(steps[at].item(), usual) for at in (0, -1))  # type: ignore[return-value]


def largest_step(frames: Tensor) -> float:
    """Share of all change between neighbours that the largest one makes, in (0, 1].

    frames (f 3 h w) in [0, 1] in the order shown, keys included. 1 / (f - 1) is even motion; near 1
    the clip is two held drawings with a cut. NaN for fewer than four frames and where nothing
    moves. ValueError for other shapes and values.
    """
    check_frames(frames)
    steps = _steps(frames)
    if len(frames) < 4 or not (steps > STILL).any():
        return math.nan
    return (steps.max() / steps.sum()).item()


def _steps(frames: Tensor) -> Tensor:
    return (frames[1:].double() - frames[:-1].double()).abs().mean(dim=(1, 2, 3))


def _over(step: float, usual: float) -> float:
    return step / usual if step > STILL else 0.0
