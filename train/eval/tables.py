"""Tables of systems by metrics (means over the clips with bootstrap intervals: Efron, "Bootstrap
methods", 1979) and curves over the frame index, as Markdown, CSV and JSON."""

import math
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from statistics import fmean

import numpy as np
import torch
from scipy import stats

from toon_core.metrics.metric import NO_MODEL, TRUTH, Metric, SetMetric
from train.engine.files import printable, write_csv, write_text

from .cache import write_json
from .scores import Scored

ENTRY = ("mean", "lo", "hi", "n", "model")
# mean, lo, hi, n, model
Entry = dict[str, float | int | str | None]
EMPTY: Entry = {"mean": None, "lo": None, "hi": None, "n": 0}
Summary = dict[str, dict[str, Entry]]  # system -> metric -> entry
Scores = Mapping[str, Mapping[str, Scored]]  # system -> clip -> what was scored


@dataclass(frozen=True, kw_only=True)
class Table:
    """Rows are the systems of `summary`, columns are `metrics`. truth: {metric: what the true
    frames of the same clips get}; clips: how many they are."""

    title: str
    note: str = ""
    metrics: Sequence[Metric]
    summary: Summary
    clips: int
    truth: Mapping[str, float] = field(default_factory=dict)

    def entries(self, metric: Metric) -> dict[str, Entry]:
        """{system: its entry}, of the systems with a mean."""
        rows = {s: row[metric.key] for s, row in self.summary.items() if metric.key in row}
        return {s: entry for s, entry in rows.items() if entry["mean"] is not None}

    def best(self, metric: Metric) -> str | None:
        """The system whose interval lies apart from every other's and is better; None where there
        is no such, or nothing to compare."""
        entries = self.entries(metric)
        if len(entries) < 2 or min(int(e["n"]) for e in entries.values()) < 2:
            return None
        spans = {s: _badness(entry, metric, self.truth) for s, entry in entries.items()}
        first, *others = sorted(spans, key=spans.__getitem__)
        return first if spans[first][1] < min(spans[other][0] for other in others) else None

    def counted(self, metric: Metric) -> str:
        """ " (n 7)" where the means are not over all clips, " (n 5 to 7)" where systems differ."""
        counts = {int(entry["n"]) for entry in self.entries(metric).values()}
        if counts <= {self.clips}:
            return ""
        return f" (n {' to '.join(str(n) for n in sorted({min(counts), max(counts)}))})"


@dataclass(frozen=True, kw_only=True)
class Curve:
    """systems: {name: mean over the clips at each frame number}, of which the first and the last
    are keys; `title` says of what."""

    title: str
    metric: Metric
    systems: Mapping[str, Sequence[float]]


def tabulate(
    title: str,
    scores: Scores,
    truth: Mapping[str, Scored],
    columns: Sequence[Metric],
    note: str = "",
) -> Table:
    """{system: {metric: {mean, lo, hi, n, model}}} over the clips, with 95 % intervals.

    Clips for which a metric has no meaning lower n. `model` names the network a metric was
    measured with, None where there is none, "no model" (and n 0) where it is absent. A metric that
    no clip has, as that of the sketches on a set without any, is left out.
    """
    held = {key for clips in scores.values() for c in clips.values() for key in c.values}
    shown = [m for m in columns if isinstance(m, SetMetric) or m.model == NO_MODEL or m.key in held]
    marks = {key for scored in truth.values() for key in scored.values}
    return Table(
        title=title,
        note=note,
        metrics=shown,
        summary={
            system: {metric.key: _entry(metric, clips, truth) for metric in shown}
            for system, clips in scores.items()
        },
        clips=max(map(len, scores.values())),
        truth={
            k: fmean(s.values[k] for s in truth.values() if k in s.values) for k in sorted(marks)
        },
    )


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


def mean_curve(title: str, metric: Metric, scores: Scores) -> Curve:
    rows = {s: [c.over_time[metric.key] for c in clips.values()] for s, clips in scores.items()}
    means = {s: frame_means(clips) for s, clips in rows.items()}
    return Curve(title=title, metric=metric, systems=means)


def frame_means(clips: Sequence[Sequence[float]]) -> list[float]:
    """clips x frames -> the mean at each frame number that all clips have."""
    return [fmean(values) for values in zip(*clips, strict=False)]


def markdown(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table; its first column is text, the others are numbers."""
    head, *body = [
        "|" + "|".join(f" {c} " if c else " " for c in row) + "|" for row in (header, *rows)
    ]
    rule = "| --- |" + " ---: |" * (len(header) - 1)
    return "\n".join([head, rule, *body]) + "\n"


def as_text(name: str) -> str:
    """A name in Markdown: its characters mean nothing there, and end no cell of a table."""
    return re.sub(r"[\\`*|<>\[\]#&]", r"\\\g<0>", printable(name))


def table_markdown(table: Table) -> str:
    metrics, best = table.metrics, {m.key: table.best(m) for m in table.metrics}
    rows = [
        [as_text(system), *(_cell(row.get(m.key), m, best[m.key] == system) for m in metrics)]
        for system, row in table.summary.items()
    ]
    marks = {m.key: f"{table.truth[m.key]:.{m.digits}f}" for m in metrics if m.key in table.truth}
    if marks:
        rows.append(["*truth*", *(marks.get(m.key, "") for m in metrics)])
    return markdown(["system", *(m.title + table.counted(m) for m in metrics)], rows)


def _cell(entry: Entry | None, metric: Metric, best: bool) -> str:
    if entry is None or entry["mean"] is None:
        model = str(entry["model"]) if entry else ""
        if model == NO_MODEL:
            return NO_MODEL
        return model.split("; ")[-1] if "; too few " in model else "-"
    middle, lo, hi = (f"{entry[k]:.{metric.digits}f}" for k in ("mean", "lo", "hi"))
    return f"{f'**{middle}**' if best else middle} [{lo}, {hi}]"


def _badness(entry: Entry, metric: Metric, truth: Mapping[str, float]) -> tuple[float, float]:
    """The entry's interval at the digits shown, as ends of which less is better."""
    low, high = (round(float(entry[k] or 0), metric.digits) for k in ("lo", "hi"))
    if metric.better == TRUTH:
        mark = round(truth[metric.key], metric.digits)
        ends = sorted(round(abs(end - mark), metric.digits) for end in (low, high))
        return (0.0 if low <= mark <= high else ends[0]), ends[1]
    return (low, high) if metric.better.startswith("lower") else (-high, -low)


def write_table(path: Path, table: Table, before: str = "", after: str = "") -> None:
    """`path` as .md, with text before and after the rows, .csv and .json."""
    parts = [f"# {table.title}", table.note, before, table_markdown(table) + after]
    write_text(path.with_suffix(".md"), "\n\n".join(part for part in parts if part))
    keys = [metric.key for metric in table.metrics]
    rows = {s: {k: row[k] for k in keys if k in row} for s, row in table.summary.items()}
    write_json(path.with_suffix(".json"), {"clips": table.clips, "systems": rows})
    entries = [
        [system, metric, *(entry[k] for k in ENTRY)]
        for system, row in rows.items()
        for metric, entry in row.items()
    ]
    write_csv(path.with_suffix(".csv"), ["system", "metric", *ENTRY], entries)


def write_curves(path: Path, curves: Sequence[Curve]) -> None:
    """`path` as .md (a row for each system, a column for each frame), .csv (a line for each value)
    and .json {metric: {system: values}}."""
    parts, lines = [], []
    for curve in curves:
        count = max((len(values) for values in curve.systems.values()), default=0)
        names = [f"{i} (key)" if i in (0, count - 1) else str(i) for i in range(count)]
        rows = [
            [as_text(system), *(f"{value:.{curve.metric.digits}f}" for value in values)]
            for system, values in curve.systems.items()
        ]
        parts.append(f"# {curve.title}\n\n{markdown(['system', *names], rows)}")
        for system, values in curve.systems.items():
            lines += [[curve.metric.key, system, i, value] for i, value in enumerate(values)]
    write_text(path.with_suffix(".md"), "\n".join(parts))
    held = {c.metric.key: {s: list(v) for s, v in c.systems.items()} for c in curves}
    write_json(path.with_suffix(".json"), held)
    write_csv(path.with_suffix(".csv"), ["metric", "system", "frame", "value"], lines)
