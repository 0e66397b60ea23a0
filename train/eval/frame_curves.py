"""Metrics over the frame index, as Markdown, CSV and JSON."""

import csv
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean

from .metric import Metric
from .store import write_json
from .tables import as_text


@dataclass(frozen=True, kw_only=True)
class Curve:
    """systems: {name: mean over the clips at each frame number}; `title` says of what."""

    title: str
    metric: Metric
    systems: Mapping[str, Sequence[float]]


def frame_means(clips: Sequence[Sequence[float]]) -> list[float]:
    """clips x frames -> the mean at each frame number that all clips have."""
    return [fmean(values) for values in zip(*clips, strict=False)]


def write_curves(path: Path, curves: Sequence[Curve]) -> None:
    """`path` as .md, .csv (a line for each value) and .json {metric: {system: values}}."""
    path.with_suffix(".md").write_text(_markdown(curves), encoding="utf-8")
    held = {c.metric.key: {s: list(v) for s, v in c.systems.items()} for c in curves}
    write_json(path.with_suffix(".json"), held)
    with path.with_suffix(".csv").open("w", newline="", encoding="utf-8") as stream:
        writer = csv.writer(stream)
        writer.writerow(["metric", "system", "frame", "value"])
        for metric, systems in held.items():
            for system, values in systems.items():
                writer.writerows([metric, system, i, value] for i, value in enumerate(values))


def _markdown(curves: Sequence[Curve]) -> str:
    """A table for each metric: a line for each system, a column for each frame."""
    parts = []
    for curve in curves:
        count = max((len(values) for values in curve.systems.values()), default=0)
        lines = [f"# {curve.title}", "", f"| system | {' | '.join(map(str, range(count)))} |"]
        lines.append("| --- |" + " ---: |" * count)
        for system, values in curve.systems.items():
            shown = " | ".join(f"{value:.{curve.metric.digits}f}" for value in values)
            lines.append(f"| {as_text(system)} | {shown} |")
        parts.append("\n".join(lines) + "\n")
    return "\n".join(parts)
