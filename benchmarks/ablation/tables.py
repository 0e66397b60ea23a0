"""Tables over variants and seeds: mean and spread, as Markdown and CSV."""

from __future__ import annotations

import csv
import io
import math
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from train.engine.files import write_text
from train.eval.metric import HIGHER, LOWER, Metric

NONE: Mapping[str, Mapping[str, float]] = {}
Values = Mapping[str, Sequence[float]]  # variant -> one value a seed


@dataclass(frozen=True, kw_only=True)
class Column:
    """`better` is 1 where more is better, -1 where less is, 0 where neither is said."""

    key: str
    title: str
    digits: int
    better: int
    paper: Mapping[str, float] | None = None  # what the paper measured, on its own data


def column(metric: Metric, published: Mapping[str, Mapping[str, float]] = NONE) -> Column:
    """A column of the evaluation. published: {key: what the paper measured}; a network that
    stands in for the paper's has a key of its own, and so no published values beside it."""
    better = {HIGHER: 1, LOWER: -1}.get(metric.better, 0)
    return Column(
        key=metric.key,
        title=metric.title,
        digits=metric.digits,
        better=better,
        paper=published.get(metric.key),
    )


def write_table(
    path: Path, rows: Mapping[str, str], columns: Sequence[Column], found: Mapping[str, Values]
) -> str:
    """`path` as .md and .csv of rows {variant: words for it}; found {column: {variant: values}}.
    Returns the Markdown."""
    lines = [
        "| | " + " | ".join(_titles(columns)) + " | seeds |",
        "| --- |" + " ---: |" * (len(_titles(columns)) + 1),
    ]
    for variant, words in rows.items():
        cells = [cell for c in columns for cell in _cells(c, variant, found.get(c.key, {}))]
        seeds = max((len(found.get(c.key, {}).get(variant, ())) for c in columns), default=0)
        lines.append(f"| {words} | " + " | ".join(cells) + f" | {seeds} |")
    lines += ["", *(line for c in columns for line in _orders(c, found.get(c.key, {})))]
    text = "\n".join(lines) + "\n"
    write_text(path.with_suffix(".md"), text)
    write_csv(path.with_suffix(".csv"), _records(rows, columns, found))
    return text


def _titles(columns: Sequence[Column]) -> list[str]:
    return [t for c in columns for t in (c.title, *([_published(c)] if c.paper else []))]


def _published(column: Column) -> str:
    # In brackets is the network that measured here.
    return f"{column.title.split(' (')[0]}, paper"


def _cells(column: Column, variant: str, found: Values) -> list[str]:
    paper = [f"{column.paper[variant]:g}"] if column.paper else []
    return [spread(found.get(variant, ()), column.digits), *paper]


def spread(values: Sequence[float], digits: int) -> str:
    """Mean and standard deviation over the seeds; the mean alone of one."""
    kept = [v for v in values if math.isfinite(v)]
    if not kept:
        return "-"
    mean = f"{statistics.fmean(kept):.{digits}f}"
    return mean if len(kept) == 1 else f"{mean} \u00b1 {statistics.stdev(kept):.{digits}f}"


def _orders(column: Column, found: Values) -> list[str]:
    """Best first, here and in the paper."""
    means = {k: statistics.fmean(v) for k, v in found.items() if v}
    here = order({k: m for k, m in means.items() if math.isfinite(m)}, column.better)
    if not column.better or len(here) < 2:
        return []
    text = f"- {column.title}, best first: {', '.join(here)}"
    if column.paper:
        text += f"; in the paper: {', '.join(order(column.paper, column.better))}"
    return [text + "."]


def order(values: Mapping[str, float], better: int) -> list[str]:
    return sorted(values, key=lambda name: -better * values[name])


def _records(
    rows: Mapping[str, str], columns: Sequence[Column], found: Mapping[str, Values]
) -> list[dict[str, object]]:
    """One line a variant and seed."""
    records = []
    for variant in rows:
        count = max((len(found.get(c.key, {}).get(variant, ())) for c in columns), default=0)
        for seed in range(count):
            values = {c.key: _at(found.get(c.key, {}).get(variant, ()), seed) for c in columns}
            records.append({"variant": variant, "seed": seed, **values})
    return records


def _at(values: Sequence[float], index: int) -> float | str:
    return values[index] if index < len(values) else ""


def write_csv(path: Path, records: Sequence[Mapping[str, object]]) -> None:
    """Nothing where there are no records."""
    if not records:
        return
    text = io.StringIO()
    writer = csv.DictWriter(text, list(records[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(records)
    write_text(path, text.getvalue())
