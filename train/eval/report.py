"""Means with bootstrap intervals, and the table in Markdown."""

import math
from dataclasses import dataclass, fields

import numpy as np

from toon_core.presets import RELEASED, Recipe

from .scores import METRICS, TRUTH, Metric, perceptual_frames

RESAMPLES = 2000

# system -> clip -> metric -> value
Scores = dict[str, dict[str, dict[str, float]]]
Summary = dict[str, dict[str, dict[str, object]]]


@dataclass(frozen=True, kw_only=True)
class Run:
    """What the table says about how it was made. `truth` is {metric: value} of the truth."""

    testset: str
    clips: int
    frames: int
    size: int
    recipe: Recipe
    truth: dict[str, float]


def summarise(scores: Scores, models: dict[str, str]) -> Summary:
    """{system: {metric: {mean, lo, hi, n, model}}} over the clips, with 95 % intervals.

    Values that have no meaning for a clip (NaN) are left out and lower n. `model` names the
    network a metric was measured with, None where there is none.
    """
    return {
        system: {
            metric.key: _interval([c[metric.key] for c in clips.values() if metric.key in c])
            | {"model": models.get(metric.key)}
            for metric in METRICS
            if any(metric.key in c for c in clips.values())
        }
        for system, clips in scores.items()
    }


def _interval(values: list[float]) -> dict[str, object]:
    """Mean and the 2.5 and 97.5 % points of the means of resampled clips (Efron, 1979)."""
    kept = np.array([v for v in values if math.isfinite(v)])
    if not len(kept):
        return {"mean": None, "lo": None, "hi": None, "n": 0}
    # The same draws for every system, so that their intervals are comparable.
    draws = np.random.default_rng(0).integers(len(kept), size=(RESAMPLES, len(kept)))
    lo, hi = np.percentile(kept[draws].mean(axis=1), [2.5, 97.5])
    return {"mean": float(kept.mean()), "lo": float(lo), "hi": float(hi), "n": len(kept)}


def markdown(summary: Summary, run: Run) -> str:
    """The table with a line on each metric."""
    metrics = [m for m in METRICS if any(m.key in row for row in summary.values())]
    lines = [
        f"# {run.clips} clips of {run.testset}",
        "",
        f"{run.frames} frames a clip, shorter side {run.size} pixels, seed {run.recipe.seed}. "
        "Means over the clips with 95 % bootstrap intervals in brackets; the best mean is bold. "
        "Only inner frames are scored, except in the end-frame error. Every system was given the "
        "two keys at the size of the test set. " + _recipe(run.recipe),
        "",
        "| system | " + " | ".join(m.title for m in metrics) + " |",
        "| --- |" + " ---: |" * len(metrics),
    ]
    best = {m.key: _best(summary, m, run.truth) for m in metrics}
    for system, row in summary.items():
        cells = [_cell(row.get(m.key), m, system in best[m.key]) for m in metrics]
        lines.append(f"| {system} | " + " | ".join(cells) + " |")
    marks = [f"{run.truth[m.key]:.{m.digits}f}" if m.key in run.truth else "" for m in metrics]
    lines += ["| *truth* | " + " | ".join(marks) + " |", ""]
    return "\n".join(lines + [_line(m, run) for m in metrics]) + "\n"


def _recipe(recipe: Recipe) -> str:
    """In words: the sampling of our checkpoints where it is not the released recipe."""
    changed = {
        f.name: getattr(recipe, f.name)
        for f in fields(recipe)
        if f.name != "seed" and getattr(recipe, f.name) != getattr(RELEASED, f.name)
    }
    if not changed:
        return "Our checkpoints sample by the released recipe."
    told = ", ".join(f"{name} = {value}" for name, value in changed.items())
    return f"Our checkpoints sample by the released recipe but for {told}."


def _line(metric: Metric, run: Run) -> str:
    text = f"- **{metric.title}** ({metric.better}): {metric.meaning}"
    if metric.key == "lpips_hed":
        chosen = ", ".join(str(i) for i in perceptual_frames(run.frames))
        text += f" Inner frames {chosen} of 0 to {run.frames - 1}."
    return text


def _cell(entry: dict[str, object] | None, metric: Metric, best: bool) -> str:
    if entry is None or entry["mean"] is None:
        return "-"
    mean, lo, hi = (f"{entry[k]:.{metric.digits}f}" for k in ("mean", "lo", "hi"))
    return f"{f'**{mean}**' if best else mean} [{lo}, {hi}]"


def _best(summary: Summary, metric: Metric, truth: dict[str, float]) -> set[str]:
    """The systems with the best mean at the digits shown."""
    means = {s: row[metric.key]["mean"] for s, row in summary.items() if metric.key in row}
    ranks = {s: _badness(m, metric, truth) for s, m in means.items() if m is not None}
    return {s for s, rank in ranks.items() if rank == min(ranks.values())}


def _badness(mean: float, metric: Metric, truth: dict[str, float]) -> float:
    shown = round(mean, metric.digits)
    if metric.better == TRUTH:
        return round(abs(shown - round(truth[metric.key], metric.digits)), metric.digits)
    return shown if metric.better.startswith("lower") else -shown
