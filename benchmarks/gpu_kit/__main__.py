"""What there is to measure on a GPU, in stages that each have their minutes.

    python -m benchmarks.gpu_kit [stage ...] [--minutes 9] [--out runs/gpu.json]
    python -m benchmarks.gpu_kit --small
    python -m benchmarks.gpu_kit --table [--out FILE]

Stages, in order: parity, speed, memory, kernels, training, windows, compiled, loading;
docs/performance.md says what each measures. Every figure is written as soon as it is there, a
second call goes on with what is left, and what failed is tried again. A call ends by itself within
--minutes. --small: the same code on a CPU with tiny networks, to see that it runs; its times mean
nothing. --table: the results as Markdown. Exit status 1 where something failed.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from importlib import import_module
from pathlib import Path

# Minutes of each stage on an H200; what a stage leaves is the next one's.
STAGES = {
    "parity": 1.5,
    "speed": 4.0,
    "memory": 1.5,
    "kernels": 1.5,
    "training": 4.0,
    "windows": 1.0,
    "compiled": 6.0,
    "loading": 2.0,
}


def main(words: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("stages", nargs="*", choices=[*STAGES, []], metavar="stage")
    parser.add_argument("--minutes", type=float, default=9.0)
    parser.add_argument("--out", type=Path, default=Path("runs") / "gpu.json", metavar="FILE")
    parser.add_argument("--small", action="store_true")
    parser.add_argument("--table", action="store_true")
    options = parser.parse_args(words)
    if options.table:
        from benchmarks.gpu_kit.tables import tables

        print("\n".join(tables(options.out)))
        return 0

    import torch

    from benchmarks.gpu_kit.results import FAILED, Clock, Results, perform
    from benchmarks.gpu_kit.scale import Scale

    if not options.small and not torch.cuda.is_available():
        parser.error("this torch sees no CUDA GPU; --small runs the same code on a CPU")
    scale = Scale("cpu" if options.small else "cuda", options.small)
    try:
        results = Results(options.out, scale.about())
    except ValueError as error:
        parser.error(str(error))
    whole, left = Clock(options.minutes), []
    for stage in options.stages or STAGES:
        items = import_module(f"benchmarks.gpu_kit.{stage}").items(scale)
        left += perform(stage, items, results, Clock(STAGES[stage], whole))
    for name in results.failed:
        print(f"failed: {name}: {results.items[name][FAILED]}")
    if left:
        print(f"no time for {', '.join(left)}: the same command goes on with them")
    return 1 if results.failed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
