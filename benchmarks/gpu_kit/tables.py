"""Results as Markdown, a table a stage, for docs/performance.md."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any


def tables(path: Path) -> Iterator[str]:
    kept = json.loads(path.read_text(encoding="utf-8"))
    yield ", ".join(f"{name} {value}" for name, value in kept["about"].items())
    stages: dict[str, list[tuple[str, dict[str, Any]]]] = {}
    for name, figures in kept["items"].items():
        stage, _, item = name.partition("/")
        rows = {k: v for k, v in figures.items() if not isinstance(v, dict)}
        plain = [(item, rows)] if len(rows) > 1 else []  # what it took is always there
        parts = [(f"{item}: {k}", v) for k, v in figures.items() if isinstance(v, dict)]
        stages.setdefault(stage, []).extend(plain + parts)
    for stage, rows in stages.items():
        heads = list(dict.fromkeys(key for _, row in rows for key in row))
        yield ""
        yield f"| {stage} | {' | '.join(heads)} |"
        yield "|---" * (len(heads) + 1) + "|"
        for item, row in rows:
            yield f"| {item} | {' | '.join(_cell(row.get(head)) for head in heads)} |"


def _cell(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, list):
        return ", ".join(map(_cell, value))
    return f"{value:.4g}" if isinstance(value, float) else str(value).replace("|", "\\|")
