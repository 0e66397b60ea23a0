"""FVD and KVD of all clips of a system against the truth, with intervals."""

import numpy as np
import torch
from torch import Tensor

from toon_core.metrics.fvd import clips_needed, frechet_distance
from toon_core.metrics.kvd import (
    kernel_distance,
    kernel_matrices,
    median_distance,
    resampled_distances,
)

from .columns import Measure
from .intervals import EMPTY, RESAMPLES, Entry, draws
from .metric import Metric

FVD_RESAMPLES = 200  # each takes two decompositions of a covariance

# clip -> features
Features = dict[str, list[float]]


def set_entry(measure: Measure, metric: Metric, made: Features, truth: Features) -> Entry:
    """The entry of FVD or KVD over the clips that both hold.

    With too few clips, or clips that are all too short for the network, it has no mean, and its
    `model` says so.
    """
    names = sorted(name for name in made if made[name] and truth.get(name))
    n = len(names)
    if not n:
        return EMPTY | {"model": f"{metric.model}; too few frames in every clip"}
    a, b = (torch.tensor([held[name] for name in names]) for held in (made, truth))
    is_fvd = metric.of_set == "fvd"
    needed = clips_needed(a.shape[1]) if is_fvd else 2
    if n < needed:
        return EMPTY | {"n": n, "model": f"{metric.model}; too few clips: {n} of {needed} needed"}
    found = _fvd(a, b) if is_fvd else _kvd(measure, a, b, metric.of_set == "kvd_paired")
    return found | {"n": n, "model": metric.model}


def _kvd(measure: Measure, a: Tensor, b: Tensor, paired: bool) -> Entry:
    # Of the truth's features alone, so that every system is measured with the same kernel.
    sigma = median_distance(b) if measure.kernel == "gaussian" else None
    value = kernel_distance(a, b, measure.kernel, sigma, paired)
    counts = torch.from_numpy(_counts(len(a), RESAMPLES))
    drawn = resampled_distances(kernel_matrices(a, b, measure.kernel, sigma), counts, paired)
    lo, hi = np.percentile(drawn.numpy(), [2.5, 97.5])
    return {"mean": value, "lo": float(lo), "hi": float(hi)}


def _fvd(a: Tensor, b: Tensor) -> Entry:
    """Repeated clips make FVD larger, so the draws are moved back to the value itself."""
    value = frechet_distance(a, b)
    drawn = np.array([frechet_distance(a[i], b[i]) for i in draws(len(a), FVD_RESAMPLES)])
    lo, hi = np.percentile(drawn - drawn.mean(), [2.5, 97.5])
    return {"mean": value, "lo": value + float(lo), "hi": value + float(hi)}


def _counts(n: int, resamples: int) -> np.ndarray:
    """How often each of n clips is in each draw: (resamples n)."""
    return np.stack([np.bincount(row, minlength=n) for row in draws(n, resamples)])
