"""Tables of systems by metrics, as Markdown, CSV and JSON."""

import csv
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from train.data.names import printable

from .intervals import Entry
from .metric import NO_MODEL, TRUTH, Metric
from .report import Summary
from .store import write_json

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
        return {s: row[metric.key] for s, row in self.summary.items() if metric.key in row}


def markdown(table: Table) -> str:
    metrics = table.metrics
    lines = [
        "| system | " + " | ".join(m.title + counted(table, m) for m in metrics) + " |",
        "| --- |" + " ---: |" * len(metrics),
    ]
    best = {m.key: _best(table, m) for m in metrics}
    for system, row in table.summary.items():
        cells = [_cell(row.get(m.key), m, system in best[m.key]) for m in metrics]
        lines.append(f"| {as_text(system)} | " + " | ".join(cells) + " |")
    marks = {m.key: f"{table.truth[m.key]:.{m.digits}f}" for m in metrics if m.key in table.truth}
    if marks:
        lines.append("| *truth* | " + " | ".join(marks.get(m.key, "") for m in metrics) + " |")
    return "\n".join(lines) + "\n"


def as_text(name: str) -> str:
    """A name in Markdown: its characters mean nothing there, and end no cell of a table."""
    return re.sub(r"[\\`*|<>\[\]#&]", r"\\\g<0>", printable(name))


def counted(table: Table, metric: Metric) -> str:
    """ " (n 7)" where the means are not over all clips, " (n 5 to 7)" where systems differ."""
    counts = {e["n"] for e in table.entries(metric).values() if e["mean"] is not None}
    if counts <= {table.clips}:
        return ""
    return f" (n {' to '.join(str(n) for n in sorted({min(counts), max(counts)}))})"


def write_table(path: Path, table: Table, before: str = "", after: str = "") -> None:
    """`path` as .md, with text before and after the rows, .csv and .json."""
    parts = [f"# {table.title}", table.note, before, markdown(table) + after]
    text = "\n\n".join(part for part in parts if part)
    path.with_suffix(".md").write_text(text, encoding="utf-8")
    keys = [metric.key for metric in table.metrics]
    rows = {s: {k: row[k] for k in keys if k in row} for s, row in table.summary.items()}
    write_json(path.with_suffix(".json"), {"clips": table.clips, "systems": rows})
    with path.with_suffix(".csv").open("w", newline="", encoding="utf-8") as stream:
        writer = csv.writer(stream)
        writer.writerow(["system", "metric", *ENTRY])
        for system, row in rows.items():
            for metric, entry in row.items():
                writer.writerow([system, metric, *(entry[k] for k in ENTRY)])


def _cell(entry: Entry | None, metric: Metric, best: bool) -> str:
    if entry is None or entry["mean"] is None:
        return _why_empty(entry)
    middle, lo, hi = (f"{entry[k]:.{metric.digits}f}" for k in ("mean", "lo", "hi"))
    return f"{f'**{middle}**' if best else middle} [{lo}, {hi}]"


def _why_empty(entry: Entry | None) -> str:
    model = str(entry["model"]) if entry else ""
    if model == NO_MODEL:
        return NO_MODEL
    return model.split("; ")[-1] if "; too few " in model else "-"


def _best(table: Table, metric: Metric) -> set[str]:
    """The systems with the best mean at the digits shown."""
    means = {system: entry["mean"] for system, entry in table.entries(metric).items()}
    ranks = {s: _badness(m, metric, table.truth) for s, m in means.items() if m is not None}
    return {s for s, rank in ranks.items() if rank == min(ranks.values())}


def _badness(value: float, metric: Metric, truth: Mapping[str, float]) -> float:
    shown = round(value, metric.digits)
    if metric.better == TRUTH:
        return round(abs(shown - round(truth[metric.key], metric.digits)), metric.digits)
    return shown if metric.better.startswith("lower") else -shown
