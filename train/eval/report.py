"""Means with bootstrap intervals, and the table in Markdown."""

from dataclasses import dataclass
from statistics import fmean as mean

from .columns import NO_MODEL, TRUTH, Measure, Metric
from .intervals import EMPTY, Entry, interval
from .looks import network_frames
from .scores import Scored
from .sets import set_entry
from .systems import Sampling

# system -> clip -> what was scored; the truth's own is apart
Scores = dict[str, dict[str, Scored]]
Summary = dict[str, dict[str, Entry]]


@dataclass(frozen=True, kw_only=True)
class Run:
    """What the table says about how it was made. `truth` is {metric: value} of the truth."""

    testset: str
    clips: int
    frames: int
    size: int
    sampling: Sampling
    measure: Measure
    truth: dict[str, float]


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


def markdown(summary: Summary, run: Run) -> str:
    """The table with a line on each metric."""
    lines = [_line(m, run) for m in _shown(summary, run)]
    head = f"# {run.clips} clips of {run.testset}\n\n{told(run)}\n\n"
    return head + table(summary, run) + "\n" + "\n".join(lines) + "\n"


def told(run: Run) -> str:
    """How the figures were made."""
    return (
        f"{run.frames} frames a clip, shorter side {run.size} pixels, seed {run.sampling.seed}. "
        "Means over the clips with 95 % bootstrap intervals in brackets; the best mean is bold. "
        "Only inner frames are scored, except in the end-frame error. Every system was given the "
        "two keys at the size of the test set. " + _recipe(run.sampling)
    )


def table(summary: Summary, run: Run) -> str:
    metrics = _shown(summary, run)
    lines = [
        "| system | " + " | ".join(m.title for m in metrics) + " |",
        "| --- |" + " ---: |" * len(metrics),
    ]
    best = {m.key: _best(summary, m, run.truth) for m in metrics}
    for system, row in summary.items():
        cells = [_cell(row.get(m.key), m, system in best[m.key]) for m in metrics]
        lines.append(f"| {system} | " + " | ".join(cells) + " |")
    marks = [f"{run.truth[m.key]:.{m.digits}f}" if m.key in run.truth else "" for m in metrics]
    return "\n".join([*lines, "| *truth* | " + " | ".join(marks) + " |"]) + "\n"


def _shown(summary: Summary, run: Run) -> list[Metric]:
    return [m for m in run.measure.columns() if any(m.key in row for row in summary.values())]


def _recipe(sampling: Sampling) -> str:
    """In words: how our checkpoints sample."""
    changes = ", ".join(f"{name} = {value}" for name, value in sampling.changes)
    text = "Our checkpoints sample by the recipe in their file, which manifest.json lists"
    return text + (f"; all of them with {changes}." if changes else ".")


def _line(metric: Metric, run: Run) -> str:
    text = f"- **{metric.title}** ({metric.better}): {metric.meaning}"
    if metric.sampled and metric.model != NO_MODEL:
        chosen = network_frames(run.frames, run.measure.every_frame)
        text += f" Inner frames {', '.join(map(str, chosen))} of 0 to {run.frames - 1}."
    return text


def _cell(entry: Entry | None, metric: Metric, best: bool) -> str:
    if entry is None or entry["mean"] is None:
        return _why_empty(entry)
    middle, lo, hi = (f"{entry[k]:.{metric.digits}f}" for k in ("mean", "lo", "hi"))
    return f"{f'**{middle}**' if best else middle} [{lo}, {hi}]"


def _why_empty(entry: Entry | None) -> str:
    model = str(entry["model"]) if entry else ""
    if model == NO_MODEL:
        return NO_MODEL
    return model.split("; ")[-1] if "too few clips" in model else "-"


def _best(summary: Summary, metric: Metric, truth: dict[str, float]) -> set[str]:
    """The systems with the best mean at the digits shown."""
    means = {s: row[metric.key]["mean"] for s, row in summary.items() if metric.key in row}
    ranks = {s: _badness(m, metric, truth) for s, m in means.items() if m is not None}
    return {s for s, rank in ranks.items() if rank == min(ranks.values())}


def _badness(value: float, metric: Metric, truth: dict[str, float]) -> float:
    shown = round(value, metric.digits)
    if metric.better == TRUTH:
        return round(abs(shown - round(truth[metric.key], metric.digits)), metric.digits)
    return shown if metric.better.startswith("lower") else -shown
