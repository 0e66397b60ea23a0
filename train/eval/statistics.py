"""Means with bootstrap intervals over clips (Efron, "Bootstrap methods", 1979)."""

import math
from collections.abc import Callable, Mapping, Sequence
from statistics import fmean

import numpy as np
import torch
from scipy import stats

from toon_core.metrics.metric import NO_MODEL, Metric, SetMetric

from .scores import Scored

# mean, lo, hi, n, model
Entry = dict[str, float | int | str | None]
EMPTY: Entry = {"mean": None, "lo": None, "hi": None, "n": 0}
Summary = dict[str, dict[str, Entry]]  # system -> metric -> entry
Scores = Mapping[str, Mapping[str, Scored]]  # system -> clip -> what was scored


def bootstrap(
    statistic: Callable[[np.ndarray], np.ndarray], n: int, resamples: int = 2000
) -> tuple[np.ndarray, np.ndarray]:
    """The 2.5 and 97.5 % points of a statistic over draws of n things with replacement.

    `statistic` takes draws (r n) of the numbers 0 to n - 1 and gives (..., r). The draws are the
    same in every call with one n, so that the intervals of several systems are comparable.
    """
    if n == 1:
        only = statistic(np.zeros((1, 1), int))[..., 0]
        return only, only
    limits = stats.bootstrap(
        (np.arange(n),),
        lambda draws, axis: statistic(draws),
        n_resamples=resamples,
        vectorized=True,
        method="percentile",
        rng=np.random.default_rng(0),
    ).confidence_interval
    return limits.low, limits.high


def interval(values: Sequence[float]) -> Entry:
    """Mean and interval of the finite values."""
    kept = np.array([value for value in values if math.isfinite(value)])
    if not len(kept):
        return dict(EMPTY)
    lo, hi = bootstrap(lambda draws: kept[draws].mean(axis=-1), len(kept))
    return {"mean": float(kept.mean()), "lo": float(lo), "hi": float(hi), "n": len(kept)}


def summarise(scores: Scores, truth: Mapping[str, Scored], columns: Sequence[Metric]) -> Summary:
    """{system: {metric: {mean, lo, hi, n, model}}} over the clips, with 95 % intervals.

    Clips for which a metric has no meaning lower n. `model` names the network a metric was
    measured with, None where there is none, "no model" (and n 0) where it is absent. A metric that
    no clip has, as that of the sketches on a set without any, is left out.
    """
    held = {key for clips in scores.values() for c in clips.values() for key in c.values}
    shown = [m for m in columns if isinstance(m, SetMetric) or m.model == NO_MODEL or m.key in held]
    return {
        system: {metric.key: _entry(metric, clips, truth) for metric in shown}
        for system, clips in scores.items()
    }


def _entry(metric: Metric, clips: Mapping[str, Scored], truth: Mapping[str, Scored]) -> Entry:
    if metric.model == NO_MODEL:
        return EMPTY | {"model": NO_MODEL}
    if isinstance(metric, SetMetric):
        return set_entry(metric, clips, truth)
    values = [c.values[metric.key] for c in clips.values() if metric.key in c.values]
    return interval(values) | {"model": metric.model}


def set_entry(metric: SetMetric, made: Mapping[str, Scored], truth: Mapping[str, Scored]) -> Entry:
    """The entry of FVD or KVD over the clips that both have features of.

    With too few clips, or clips that are all too short for the network, it has no mean, and its
    `model` says so.
    """
    [network] = metric.networks
    features = [{n: s.features.get(network) for n, s in held.items()} for held in (made, truth)]
    names = sorted(n for n in features[0] if features[0][n] and features[1].get(n))
    n = len(names)
    if not n:
        return EMPTY | {"model": f"{metric.model}; too few frames in every clip"}
    a, b = (torch.tensor([held[name] for name in names]) for held in features)
    if n < (needed := metric.fewest(a.shape[1])):
        return EMPTY | {"n": n, "model": f"{metric.model}; too few clips: {n} of {needed} needed"}
    lo, hi = bootstrap(
        lambda draws: metric.resample(a, b, torch.from_numpy(draws)).numpy(), n, metric.draws
    )
    entry = {"mean": metric.compute(a, b), "lo": float(lo), "hi": float(hi)}
    return entry | {"n": n, "model": metric.model}


def truth_means(truth: Mapping[str, Scored]) -> dict[str, float]:
    """Means of the truth's own values, the marks of the table."""
    keys = {key for scored in truth.values() for key in scored.values}
    return {k: fmean(s.values[k] for s in truth.values() if k in s.values) for k in sorted(keys)}
