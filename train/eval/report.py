"""Means with bootstrap intervals, and what is said about how they were made."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from statistics import fmean as mean

from .columns import Measure
from .intervals import EMPTY, Entry, interval
from .looks import network_frames
from .metric import NO_MODEL, Metric
from .scores import Scored
from .sets import set_entry
from .systems import Sampling

# system -> clip -> what was scored; the truth's own is apart
Scores = dict[str, dict[str, Scored]]
Summary = dict[str, dict[str, Entry]]


@dataclass(frozen=True, kw_only=True)
class Run:
    """How the figures were made. `frames`: the numbers of frames that clips have; `sizes`: their
    heights and widths in pixels."""

    testset: str
    clips: int
    frames: frozenset[int]
    sizes: frozenset[tuple[int, int]]
    sampling: Sampling
    measure: Measure

    @property
    def size(self) -> int:
        """Shorter side in pixels, the least of all clips."""
        return min(min(size) for size in self.sizes)


def summarise(scores: Scores, truth: dict[str, Scored], measure: Measure) -> Summary:
    """{system: {metric: {mean, lo, hi, n, model}}} over the clips, with 95 % intervals.

    Clips for which a metric has no meaning lower n. `model` names the network a metric was
    measured with, None where there is none, "no model" (and n 0) where it is absent. A metric that
    no clip has, as that of the sketches on a set without any, is left out.
    """
    columns = measure.columns()
    held = {key for clips in scores.values() for c in clips.values() for key in c.values}
    shown = [m for m in columns if m.of_set or m.model == NO_MODEL or m.key in held]
    return {
        system: {metric.key: _entry(metric, clips, truth, measure) for metric in shown}
        for system, clips in scores.items()
    }


def _entry(
    metric: Metric, clips: dict[str, Scored], truth: dict[str, Scored], measure: Measure
) -> Entry:
    if metric.model == NO_MODEL:
        return EMPTY | {"model": NO_MODEL}
    if metric.of_set:
        made, true = ({n: c.features for n, c in held.items()} for held in (clips, truth))
        return set_entry(measure, metric, made, true)
    values = [c.values[metric.key] for c in clips.values() if metric.key in c.values]
    return interval(values) | {"model": metric.model}


def truth_means(truth: dict[str, Scored]) -> dict[str, float]:
    """Means of the truth's own values, the marks of the table."""
    keys = {key for scored in truth.values() for key in scored.values}
    return {k: mean(s.values[k] for s in truth.values() if k in s.values) for k in sorted(keys)}


def told(run: Run) -> str:
    """How the figures were made."""
    return (
        f"{of_clips(run)} Seed {run.sampling.seed}. Only inner frames are scored, except in the "
        "end-frame error. Every system that ran here was given the two keys at "
        f"{_sizes(run)} pixels; what a system gives in another size, and frames made elsewhere, "
        f"are resized to it. {_recipe(run.sampling)}"
    )


def of_clips(run: Run) -> str:
    frames = " to ".join(map(str, _ends(run.frames)))
    return (
        f"{run.clips} clips of {run.testset}, {frames} frames each, {_sizes(run)} pixels. Means "
        "over the clips with 95 % bootstrap intervals in brackets; the best mean is bold; n counts "
        "the clips where not all of them are in the mean."
    )


def _sizes(run: Run) -> str:
    return " to ".join(f"{width}x{height}" for height, width in _ends(run.sizes))


def explained(metrics: Sequence[Metric], run: Run) -> str:
    """A line on each metric."""
    return "".join(f"{_line(metric, run)}\n" for metric in metrics)


def _ends(values: Iterable) -> list:
    """The least and the greatest; one where they are equal."""
    return sorted({min(values), max(values)})


def _recipe(sampling: Sampling) -> str:
    """In words: how our checkpoints sample."""
    changes = ", ".join(f"{name} = {value}" for name, value in sampling.changes)
    text = "Our checkpoints sample by the recipe in their file, which manifest.json lists"
    return text + (f"; all of them with {changes}." if changes else ".")


def _line(metric: Metric, run: Run) -> str:
    text = f"- **{metric.title}** ({metric.better}): {metric.meaning}"
    if metric.sampled and metric.model != NO_MODEL and len(run.frames) == 1:
        [count] = run.frames
        chosen = network_frames(count, run.measure.every_frame)
        text += f" Inner frames {', '.join(map(str, chosen))} of 0 to {count - 1}."
    return text
