"""Hostile input against the product, each case in a process of its own (`make fuzz`).

python tests/fuzz                        all areas
python tests/fuzz weights inputs         these
python tests/fuzz weights --one-in 20    the part that `make test` runs
python tests/fuzz weights --only NAME    cases whose name contains NAME, with their messages
"""

from __future__ import annotations

import argparse
import importlib
import logging
import os
import shutil
import sys
import tempfile
import zlib
from pathlib import Path

ROOT = Path(__file__).parents[2]
for folder in (ROOT, ROOT / "tests/comfy", ROOT / "tests/train"):
    sys.path.append(str(folder))

from case import AREAS  # noqa: E402
from runner import run  # noqa: E402


def main() -> int:
    """The number of cases that the product took badly, at most 100."""
    parser = argparse.ArgumentParser(prog="tests/fuzz")
    parser.add_argument("areas", nargs="*", metavar="AREA", help=f"of {', '.join(AREAS)}")
    parser.add_argument(
        "--one-in", type=int, default=1, metavar="N", help="a fixed Nth of the cases"
    )
    parser.add_argument("--only", metavar="NAME", help="cases whose name contains NAME")
    parser.add_argument("--jobs", type=int, default=os.cpu_count(), help="processes at a time")
    options = parser.parse_args()
    if unknown := set(options.areas) - set(AREAS):
        parser.error(f"no such area: {', '.join(sorted(unknown))} (known: {', '.join(AREAS)})")
    return min(100, sum(_area(name, options) for name in options.areas or AREAS))


def _area(name: str, options: argparse.Namespace) -> int:
    logging.disable(logging.CRITICAL)
    area = importlib.import_module(name)
    cases = area.cases()
    if len({case.name for case in cases}) < len(cases):
        raise RuntimeError(f"{name}: two cases have one name")
    # By name, so that a new case moves no other.
    cases = [case for case in cases if zlib.crc32(case.name.encode()) % options.one_in == 0]
    if options.only:
        cases = [case for case in cases if options.only in case.name]
    folder, bad, refused = Path(tempfile.mkdtemp(prefix="toontween-fuzz-")), 0, 0
    try:
        for outcome in run(cases, area.good, folder, jobs=options.jobs):
            refused += bool(outcome.message)
            if outcome.fault:
                bad += 1
                print(f"{name} {outcome.case.name}: {outcome.fault}\n{outcome.log}", flush=True)
            elif options.only:
                cost = f"{outcome.seconds:.1f} s, {outcome.peak >> 20} MB"
                print(f"{name} {outcome.case.name} ({cost}): {outcome.message or 'accepted'}")
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    print(f"{name}: {len(cases)} cases, {refused} refused, {bad} bad", flush=True)
    return bad


if __name__ == "__main__":
    sys.exit(main())
