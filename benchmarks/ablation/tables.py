"""Tables over variants and seeds: mean and spread, as Markdown and CSV."""

from __future__ import annotations

import math
import statistics
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from toon_core.metrics.metric import HIGHER, LOWER, Metric
from train.engine.files import write_csv as write_rows
from train.engine.files import write_text
from train.eval.tables import markdown

Values = Mapping[str, Sequence[float]]  # variant -> one value a seed


@dataclass(frozen=True, kw_only=True)
class Column:
    """`better` is 1 where more is better, -1 where less is, 0 where neither is said."""

    key: str
    title: str
    digits: int
    better: int
    paper: Mapping[str, float] | None = None  # what the paper measured, on its own data


def column(metric: Metric, published: Mapping[str, Mapping[str, float]]) -> Column:
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
    # In the brackets of a title is the network that measured here.
    header = [
        t
        for c in columns
        for t in (c.title, *([f"{c.title.split(' (')[0]}, paper"] if c.paper else []))
    ]
    lines, records = [], []
    for variant, words in rows.items():
        values = {c.key: found.get(c.key, {}).get(variant, ()) for c in columns}
        seeds = max(map(len, values.values()), default=0)
        cells = [
            cell
            for c in columns
            for cell in (
                spread(values[c.key], c.digits),
                *([f"{c.paper[variant]:g}"] if c.paper else []),
            )
        ]
        lines.append([words, *cells, str(seeds)])
        for seed in range(seeds):
            held = {key: row[seed] if seed < len(row) else "" for key, row in values.items()}
            records.append({"variant": variant, "seed": seed, **held})
    orders = "".join(_orders(c, found.get(c.key, {})) for c in columns)
    text = markdown(["", *header, "seeds"], lines) + f"\n{orders}"
    write_text(path.with_suffix(".md"), text)
    write_csv(path.with_suffix(".csv"), records)
    return text


def spread(values: Sequence[float], digits: int) -> str:
    """Mean and standard deviation over the seeds; the mean alone of one."""
    kept = [v for v in values if math.isfinite(v)]
    if not kept:
        return "-"
    mean = f"{statistics.fmean(kept):.{digits}f}"
    return mean if len(kept) == 1 else f"{mean} \u00b1 {statistics.stdev(kept):.{digits}f}"


def _orders(column: Column, found: Values) -> str:
    """Best first, here and in the paper."""

    def order(values: Mapping[str, float]) -> str:
        return ", ".join(sorted(values, key=lambda name: -column.better * values[name]))

    means = {k: statistics.fmean(v) for k, v in found.items() if v}
    means = {k: mean for k, mean in means.items() if math.isfinite(mean)}
    if not column.better or len(means) < 2:
        return ""
    paper = f"; in the paper: {order(column.paper)}" if column.paper else ""
    return f"- {column.title}, best first: {order(means)}{paper}.\n"


def write_csv(path: Path, records: Sequence[Mapping[str, object]]) -> None:
    """Nothing where there are no records."""
    if records:
        rows: Iterable[list[object]] = (list(record.values()) for record in records)
        write_rows(path, list(records[0]), rows)
