"""What a finished segment looks like, judged without the truth."""

from __future__ import annotations

import math
from dataclasses import dataclass

from torch import Tensor

from ..metrics.frames import check_frames, check_keys, scaled_down
from ..metrics.plain.double_edges import double_edges
from ..metrics.plain.fade_score import fade_score
from ..metrics.plain.jump import jump, largest_step
from ..metrics.plain.key_drift import key_drift
from ..metrics.plain.temporal_flicker import temporal_flicker

ROWS = 128  # shorter side at which frames are judged, as the thresholds were made
# From benchmarks/guards.py: docs/guards.md has the share of true and of broken clips above each.
JUMP, CUT, FADE, GHOST, DRIFT, FLICKER = 1.25, 0.35, 0.1, 0.05, 2.0, 0.006


@dataclass(frozen=True, kw_only=True)
class Judgement:
    """Figures of one segment; NaN where there is nothing to measure, which is no fault.

    jump_first, jump_last: change beside the key over the usual change (`metrics.jump`).
    cut: share of all change that the largest step makes (`metrics.jump.largest_step`).
    fade: mean share of the changed blocks that are a blend of the keys (`metrics.fade_score`).
    ghost: mean share of both keys' lines shown at once (`metrics.double_edges`).
    drift: largest difference of still colours from the keys', in delta E (`metrics.key_drift`).
    flicker: mean change of pixels that come back, in [0, 1] (`metrics.temporal_flicker`).
    warnings: a sentence for each figure above its threshold: what was found and what to do.
    """

    jump_first: float
    jump_last: float
    cut: float
    fade: float
    ghost: float
    drift: float
    flicker: float
    warnings: tuple[str, ...]


def judge(frames: Tensor, first: Tensor, last: Tensor) -> Judgement:
    """Judge the frames of a segment in the order shown, both keys among them.

    frames (f 3 h w), f >= 2, first and last (3 h w), in [0, 1]. They are scaled down to 128 rows or
    columns, whichever is fewer. Warnings are suggestions: drawings may blend, flash and jump on
    purpose. ValueError for other shapes and values, NaN among them.
    """
    check_frames(frames)
    check_keys(frames, first, last)
    if len(frames) < 2:
        raise ValueError(f"{len(frames)} frame given; a segment has its two keys at least")
    shown = scaled_down(frames, ROWS)
    begin, end = (scaled_down(key[None], ROWS)[0] for key in (first, last))
    inner = shown[1:-1]
    jumps = jump(shown)
    figures = {
        "jump_first": jumps[0],
        "jump_last": jumps[1],
        "cut": largest_step(shown),
        "fade": _mean(fade_score(inner, begin, end)) if len(inner) else math.nan,
        "ghost": _mean(double_edges(inner, begin, end)) if len(inner) else math.nan,
        "drift": _largest(key_drift(shown, begin, end)),
        "flicker": _mean(temporal_flicker(shown)) if len(inner) else math.nan,
    }
    return Judgement(**figures, warnings=_warnings(figures))


def _warnings(figures: dict[str, float]) -> tuple[str, ...]:
    """NaN is above no threshold."""
    fade, ghost, drift = figures["fade"], figures["ghost"], figures["drift"]
    found = []
    for name, which in (("jump_first", "leaves its first"), ("jump_last", "reaches its last")):
        if figures[name] > JUMP:
            found.append(
                f"The picture jumps where it {which} key: {figures[name]:.1f} times the usual "
                "change. Try another seed, or hold that key a frame longer."
            )
    if figures["cut"] > CUT:
        found.append(
            f"{figures['cut']:.0%} of all change falls on one frame, as in a cut. Try another "
            "seed, or draw a breakdown at the middle."
        )
    if fade > FADE:
        found.append(
            f"{fade:.0%} of the changed parts are one key faded into the other. Try another seed, "
            "or draw a breakdown at the middle."
        )
    if ghost > GHOST:
        found.append(
            f"{ghost:.0%} of the lines of both keys are seen at once. Try another seed, or draw a "
            "breakdown at the middle."
        )
    if drift > DRIFT:
        found.append(
            f"Colours that both keys share drift by {drift:.1f} (about 2 is seen). Match "
            "the colours to the keys."
        )
    if figures["flicker"] > FLICKER:
        found.append(
            f"What does not move flickers by {255 * figures['flicker']:.1f} of 255. Try "
            "keep_still where the node has it, another seed, or more steps."
        )
    return tuple(found)


def _mean(values: Tensor) -> float:
    return values.nanmean().item()


def _largest(values: Tensor) -> float:
    known = values[~values.isnan()]
    return known.max().item() if len(known) else math.nan
