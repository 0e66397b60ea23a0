"""Filters that need no model: black, still, blurred and flickering clips."""

from dataclasses import dataclass

import numpy as np

from train.data.filters.base import Piece, Verdict

LUMA = np.array([0.299, 0.587, 0.114], np.float32)
SAMPLES = 8  # frames that sharpness is measured on
WINDOW = 16
STEADY = 6.0  # of 255: smaller changes are no flicker


@dataclass(frozen=True)
class Black:
    """Cuts black frames out; a clip of nothing else is dropped. Characters are never black."""

    limit: float
    name: str = "black"
    model: str = "brightness"

    def __call__(self, piece: Piece) -> Verdict:
        if piece.alpha:
            return Verdict()
        dark = (piece.rgb[:, ::4, ::4] @ LUMA).mean((1, 2)) < self.limit  # every 16th pixel will do
        if dark.all():
            return Verdict(reason="black picture")
        edges = np.flatnonzero(np.diff(dark)) + 1
        return Verdict(cuts=tuple(int(i) for i in edges), again=True)


@dataclass(frozen=True)
class Static:
    """Drops what holds still; measures how much moves, in units of 255 a second."""

    limit: float
    name: str = "static"
    model: str = "change"

    def __call__(self, piece: Piece) -> Verdict:
        steps = piece.motion.change[:-1, 1]
        window = np.ones(min(WINDOW - 1, len(steps)))
        most = float(np.convolve(steps, window, "valid").max()) if len(steps) else 0.0
        scores = {"motion": round(float(steps.mean()) * piece.fps, 2) if len(steps) else 0.0}
        if most >= self.limit:
            return Verdict(scores=scores)
        return Verdict(reason=f"still: changes by {most:.1f} in 16 frames", scores=scores)


@dataclass(frozen=True)
class Blurred:
    """Drops what has no sharp edge: the steepest step of a thousand against the contrast."""

    limit: float
    name: str = "blurred"
    model: str = "edges"

    def __call__(self, piece: Piece) -> Verdict:
        luma = piece.sample(SAMPLES) @ LUMA
        value = float(np.median([_sharpness(picture) for picture in luma]))
        scores = {"sharpness": round(value, 3)}
        if value >= self.limit:
            return Verdict(scores=scores)
        return Verdict(reason=f"blurred: sharpness {value:.2f}", scores=scores)


def _sharpness(luma: np.ndarray) -> float:
    contrast = float(np.ptp(np.percentile(luma, (1, 99))))
    across, down = np.abs(np.diff(luma, axis=1)), np.abs(np.diff(luma, axis=0))
    steepest = max(float(np.percentile(side, 99.9)) for side in (across, down))
    return steepest / max(contrast, 16.0)


@dataclass(frozen=True)
class Flicker:
    """Drops clips where many frames differ from both neighbours, which resemble each other."""

    limit: float
    name: str = "flicker"
    model: str = "change"

    def __call__(self, piece: Piece) -> Verdict:
        if len(piece) < 3:
            return Verdict()
        step, over = piece.motion.change[:-1, 1], piece.motion.change[:-2, 2]
        least = np.minimum(step[:-1], step[1:])
        share = float(((least > STEADY) & (over < 0.4 * least)).mean())
        scores = {"flicker": round(share, 3)}
        if share <= self.limit:
            return Verdict(scores=scores)
        return Verdict(reason=f"flickers in {share:.0%} of its frames", scores=scores)
