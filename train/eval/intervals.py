"""Bootstrap intervals over clips (Efron, "Bootstrap methods", 1979)."""

import math
from collections.abc import Sequence

import numpy as np

RESAMPLES = 2000

# mean, lo, hi, n, model
Entry = dict[str, float | int | str | None]
EMPTY: Entry = {"mean": None, "lo": None, "hi": None, "n": 0}


def draws(n: int, resamples: int = RESAMPLES) -> np.ndarray:
    """Which of n clips are in each draw: (resamples n); the same for every system of n clips, so
    that their intervals are comparable."""
    return np.random.default_rng(0).integers(n, size=(resamples, n))


def interval(values: Sequence[float]) -> Entry:
    """Mean of the finite values and the 2.5 and 97.5 % points of the means of resampled ones."""
    kept = np.array([value for value in values if math.isfinite(value)])
    if not len(kept):
        return dict(EMPTY)
    lo, hi = np.percentile(kept[draws(len(kept))].mean(axis=1), [2.5, 97.5])
    return {"mean": float(kept.mean()), "lo": float(lo), "hi": float(hi), "n": len(kept)}
