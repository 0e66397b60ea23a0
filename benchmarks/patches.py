"""Every patch, guider, sampler and scheduler of ComfyUI on the native MODEL, measured on nano.

    python benchmarks/patches.py [--only NODE ...] [--print]

Writes docs/patches/VERSION.json of the ComfyUI it ran in ($TOONTWEEN_COMFYUI, or that of
`make setup`), and docs/patches.md of all such files; with --only anew for these nodes alone.
TorchCompileModel is measured by --only, since it takes minutes.
--print: only prints the rows.
"""

from __future__ import annotations

import argparse
import json
import logging
import sys
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent))

import patch_trials as trials  # noqa: E402
from patch_bench import Bench, Outcome, started, version  # noqa: E402
from patch_page import page  # noqa: E402

ROOT = Path(__file__).resolve().parents[1]
FOLDER, PAGE = ROOT / "docs" / "patches", ROOT / "docs" / "patches.md"
STEPS = 6  # of samplers and schedulers


def tables(bench: Bench, only: list[str]) -> Iterator[tuple[str, dict[str, Any]]]:
    """(table, row), as they are made."""

    @cache
    def kept(settings: str) -> Outcome:
        changes = json.loads(settings)
        if "latent_image" in changes:
            changes["latent_image"] = trials.masked(bench)
        return bench.sample(**changes)

    def base(**settings: Any) -> Outcome:
        return kept(json.dumps(settings, sort_keys=True, default=lambda _: "masked"))

    for node in only or bench.patches():
        slow = node in trials.SLOW and not only
        rows = [trials.not_now(node)] if slow else trials.patch_rows(bench, node, base)
        for row in rows:
            yield "patches", row
    if only:
        return
    reference, short = base(steps=30), base(steps=STEPS)
    made: dict[str, Callable[[], Iterator[dict[str, Any]]]] = {
        "conditioning": lambda: trials.conditioning_rows(bench, base()),
        "guiders": lambda: trials.guider_rows(bench, base()),
        "samplers": lambda: trials.sampler_rows(bench, reference, short, STEPS),
        "schedulers": lambda: trials.scheduler_rows(bench, reference, short, STEPS),
        "weights": lambda: trials.weight_rows(bench, base()),
    }
    for name, rows in made.items():
        for row in rows():
            yield name, row


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--only", nargs="+", default=[])
    parser.add_argument("--print", action="store_true")
    args = parser.parse_args()
    bench = started()
    logging.disable(logging.WARNING)
    found: dict[str, Any] = {"comfyui": version()}
    for table, row in tables(bench, args.only):
        found.setdefault(table, []).append(row)
        print(json.dumps({table: row}), flush=True)
    if not args.print:
        write(found, args.only)


def keeps(node: str, only: list[str]) -> bool:
    """Whether an earlier run's rows of a node stay."""
    return node not in only if only else node in trials.SLOW


def write(found: dict[str, Any], only: list[str]) -> None:
    file = FOLDER / f"{found['comfyui']}.json"
    if file.exists():
        before = json.loads(file.read_text(encoding="utf-8"))
        kept = [r for r in before["patches"] if keeps(r["name"].split(" (")[0], only)]
        rows = {r["name"]: r for r in [*found["patches"], *kept]}
        found = {**before, **found, "patches": [rows[name] for name in sorted(rows)]}
    FOLDER.mkdir(exist_ok=True)
    file.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
    PAGE.write_text(page(FOLDER), encoding="utf-8")


if __name__ == "__main__":
    main()
