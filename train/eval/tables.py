"""Tables of systems by metrics and curves over the frame index, as Markdown, CSV and JSON."""

import csv
import io
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from toon_core.metrics.metric import NO_MODEL, TRUTH, Metric
from train.engine.files import printable, write_text

from .cache import write_json
from .statistics import Entry, Summary

ENTRY = ("mean", "lo", "hi", "n", "model")


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


def write_csv(path: Path, header: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    text = io.StringIO(newline="")
    writer = csv.writer(text)
    writer.writerow(header)
    writer.writerows(rows)
    write_text(path, text.getvalue())
