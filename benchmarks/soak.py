"""Many runs and cancels in one ComfyUI server: memory, handles and temporary files must not grow.

    python benchmarks/soak.py [--runs 200] [--cancels 50]     (make soak)

Every run has seeds of its own, so that all nodes work each time; prompts alternate between Toon
Sample, ComfyUI's samplers and sketches. A cancel comes at a run's first step. Prints the figures
and ends with 1 where one grew beyond its bound between the end of the warm-up and the end.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
import time
from itertools import count, cycle
from pathlib import Path
from typing import Any, NamedTuple

import psutil

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT / "scripts"), str(ROOT / "tests" / "comfy")]

from headless import Event, Headless  # noqa: E402
from place import comfyui_folder, make_base  # noqa: E402

PROMPTS = ROOT / "tests" / "comfy" / "prompts"
NAMES = ("interpolate_nano", "interpolate_ksampler", "sketch_guided_nano")
WARM_UP = 20  # runs: each prompt several times, all modules imported, all buffers at their size
SHOWN = (0, WARM_UP, 50, 100, 200)
# A clip of nano's frames is 3 MB: one kept for each of 180 runs would be 560.
MORE_MEMORY = 200  # MB
MORE_HANDLES = 5
MORE_FILES = 0


class Figures(NamedTuple):
    """Of the server's process: resident MB, open files and sockets, files in temporary folders."""

    memory: float
    handles: int
    files: int


def prompts() -> list[dict[str, Any]]:
    """The bundled workflows at few steps, without what keeps its pictures in ComfyUI's temp."""
    found = []
    for name in NAMES:
        prompt = json.loads((PROMPTS / f"{name}.json").read_text())
        kept = {k: v for k, v in prompt.items() if v["class_type"] != "PreviewImage"}
        for node in kept.values():
            if node["class_type"] == "LoadImage":
                raise ValueError(f"{name} loads a picture, which a bare server does not have")
            if "steps" in node["inputs"]:
                node["inputs"]["steps"] = 2
            if "replace_middle_frames" in node["inputs"]:
                node["inputs"]["replace_middle_frames"] = "off"
        found.append(kept)
    return found


def seeded(prompt: dict[str, Any], seed: int, steps: int | None = None) -> dict[str, Any]:
    prompt = json.loads(json.dumps(prompt))
    for node in prompt.values():
        inputs = node["inputs"]
        inputs |= {k: seed for k in ("seed", "noise_seed") if isinstance(inputs.get(k), int)}
        if steps and "steps" in inputs:
            inputs["steps"] = steps
    return prompt


class Soak:
    def __init__(self, server: Headless, folders: list[Path]) -> None:
        self.server, self.folders = server, folders
        self.process = psutil.Process(server.pid)
        self.seeds = count(1)
        self.prompts = cycle(prompts())
        self.table: list[tuple[str, Figures]] = []

    def measure(self) -> Figures:
        files = sum(1 for folder in self.folders for p in folder.rglob("*") if p.is_file())
        handles = getattr(self.process, "num_fds", None) or self.process.num_handles
        return Figures(self.process.memory_info().rss / 2**20, handles(), files)

    def note(self, name: str) -> Figures:
        figures = self.measure()
        self.table.append((name, figures))
        memory, handles, files = figures
        print(f"| {name} | {memory:.0f} MB | {handles} | {files} |", flush=True)
        return figures

    def run(self) -> None:
        result = self.server.run(seeded(next(self.prompts), next(self.seeds)))
        if result.status != "success":
            raise RuntimeError(f"a run ended with {result.status}: {result.answer}")

    def cancel(self) -> float:
        """-> seconds from the cancel to the run's end."""
        asked: list[float] = []

        def at_first_step(event: Event) -> None:
            if event.kind == "progress" and not asked and event.data["max"] > 20:
                asked.append(time.monotonic())
                self.server.interrupt()

        prompt = seeded(next(self.prompts), next(self.seeds), steps=40)
        result = self.server.run(prompt, at_first_step)
        if result.status != "interrupted":
            raise RuntimeError(f"a cancelled run ended with {result.status}: {result.answer}")
        return time.monotonic() - asked[0]


def grown(before: Figures, after: Figures) -> list[str]:
    """What grew beyond its bound."""
    bounds = Figures(MORE_MEMORY, MORE_HANDLES, MORE_FILES)
    differences = [b - a for a, b in zip(before, after, strict=True)]
    return [
        f"{name}: {more:+.0f}, and {bound:+.0f} is allowed"
        for name, more, bound in zip(Figures._fields, differences, bounds, strict=True)
        if more > bound
    ]


def soak(server: Headless, folders: list[Path], runs: int, cancels: int) -> list[str]:
    work, begin = Soak(server, folders), time.monotonic()
    print("| After | Memory | Handles | Temporary files |\n|---|---|---|---|")
    warm = work.note("the start")
    for number in range(1, runs + 1):
        work.run()
        if number in SHOWN or number == runs:
            figures = work.note(f"{number} runs")
            warm = figures if number <= WARM_UP else warm
    seconds = sorted(work.cancel() for _ in range(cancels))
    work.note(f"{cancels} cancels")
    work.run()
    end = work.note("one more run")
    spent = time.monotonic() - begin
    if seconds:
        middle, most = seconds[len(seconds) // 2], seconds[-1]
        print(f"\n{spent:.0f} s; cancels took {middle:.2f} s, at most {most:.2f} s")
    return grown(warm, end)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--runs", type=int, default=200)
    parser.add_argument("--cancels", type=int, default=50)
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        base, own = make_base(Path(folder) / "base"), Path(folder) / "tmp"
        own.mkdir()
        os.environ["TMPDIR"] = os.environ["TEMP"] = str(own)  # for the server
        with Headless(comfyui_folder(), base, base / "server.log") as server:
            faults = soak(server, [base / "temp", base / "input", own], args.runs, args.cancels)
    for fault in faults:
        print(f"grew: {fault}", file=sys.stderr)
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
