"""The kit's results in one JSON file, item by item, and the time that is left."""

from __future__ import annotations

import gc
import json
import time
import traceback
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from train.engine.files import write_text

Figures = dict[str, Any]
FAILED = "failed"


@dataclass(frozen=True)
class Item:
    """One thing to measure: its name, what measures it, and the seconds that must be left for it
    to begin, which are those of an H200 and some more."""

    name: str
    run: Callable[[], Figures]
    seconds: float = 15


class Results:
    """`about`: what was measured on; `items`: the figures of each. On the disk after every item."""

    def __init__(self, path: Path, about: Figures) -> None:
        """Goes on with the file where there is one; ValueError where it is of another machine,
        torch or size."""
        self.path, self.about = path, about
        self.items: dict[str, Figures] = {}
        if path.is_file():
            kept = json.loads(path.read_text(encoding="utf-8"))
            if kept["about"] != about:
                told = [k for k, v in about.items() if kept["about"].get(k) != v]
                raise ValueError(
                    f"{path} was measured with another {', '.join(told)}: give another --out"
                )
            self.items = kept["items"]

    def done(self, name: str) -> bool:
        """Whether it was measured; what failed is tried again."""
        return FAILED not in self.items.get(name, {FAILED: ""})

    def keep(self, name: str, figures: Figures) -> None:
        self.items[name] = figures
        kept = {"about": self.about, "items": self.items}
        write_text(self.path, json.dumps(kept, indent=1) + "\n")

    @property
    def failed(self) -> list[str]:
        return [name for name in self.items if not self.done(name)]


class Clock:
    """Seconds that are left of so many minutes."""

    def __init__(self, minutes: float, outer: Clock | None = None) -> None:
        self.end = time.monotonic() + 60 * minutes
        if outer:
            self.end = min(self.end, outer.end)

    @property
    def left(self) -> float:
        return self.end - time.monotonic()


def perform(stage: str, items: Iterable[Item], results: Results, clock: Clock) -> list[str]:
    """Measure the items that are not done, as far as the time goes, and keep each at once; names of
    those that are left."""
    left = []
    for item in items:
        name = f"{stage}/{item.name}"
        if results.done(name):
            continue
        if clock.left < item.seconds:
            left.append(name)
            continue
        begin = time.monotonic()
        try:
            figures = item.run()
        except Exception as error:  # the others are worth their minutes all the same
            traceback.print_exc()
            lines = str(error).strip().splitlines() or [""]
            figures = {FAILED: f"{type(error).__name__}: {lines[0]}"}
        took = round(time.monotonic() - begin, 2)
        results.keep(name, {**figures, "took": took})
        print(f"{name}  {took:.1f} s  {shown(figures)}", flush=True)
        give_back()
    return left


def give_back() -> None:
    """What an item held, to the device."""
    torch.clear_autocast_cache()
    gc.collect()
    if torch.cuda.is_available():
        torch.cuda.empty_cache()


def shown(figures: Figures) -> str:
    """In a line."""
    parts = []
    for key, value in figures.items():
        parts.append(f"{key} {value:.4g}" if isinstance(value, float) else f"{key} {value}")
    return ", ".join(parts)
