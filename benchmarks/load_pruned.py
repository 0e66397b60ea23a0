"""How long a pruned file of full size takes to load, and how much memory.

    python benchmarks/load_pruned.py [--folder DIR] [--layout pruned|official-512-interp]

Makes the file (3.2 GB in fp16, random bits that are finite numbers) in a temporary folder, loads
it in a child process with `toon_core.load`, and deletes it. What is printed:

  load   the call alone: the model is built, every tensor is mapped, no data is read
  touch  the call and then a read of every weight, so that all pages of the file are in memory

The "again" line has the file in the page cache for certain (warm). Seconds exclude the import of
torch. Peak RSS is the child's, with the interpreter and torch in it and with the touched pages of
the mapped file, which the system can take back at any time.
"""

from __future__ import annotations

import argparse
import gzip
import json
import multiprocessing
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).parents[1]
MANIFESTS = ROOT / "tests" / "core" / "weights" / "manifests"
sys.path.insert(0, str(ROOT))


def make(path: Path, layout: str) -> None:
    """A safetensors file with the names and shapes of a released one, written in pieces."""
    import torch
    from safetensors.torch import save_file

    text = gzip.decompress((MANIFESTS / f"manifest-{layout}.json.gz").read_bytes())
    shapes = json.loads(text)
    block = torch.randn(1 << 20).half()
    state = {}
    for name, shape in shapes.items():
        size = torch.Size(shape).numel()
        state[name] = block.repeat(-(-size // len(block)))[:size].view(shape)
    state["scale_arr"] = torch.full([1400], 0.7).half()
    state["alphas_cumprod"] = torch.linspace(0.999, 0.0, 1000).half()
    save_file(state, path, metadata={"format": "pt"})


def measure(path: Path, touch: bool, answers: multiprocessing.Queue) -> None:
    import torch

    import toon_core
    import toon_core.model  # noqa: F401  (the import of torch and open_clip is not counted)
    from train.engine.estimate import SELDOM, track_peak

    with track_peak(torch.device("cpu"), SELDOM) as most:
        started, worked = time.perf_counter(), time.process_time()
        model = toon_core.load(path)
        if touch:
            for parameter in model.parameters():
                parameter.sum()
        seconds, worked = time.perf_counter() - started, time.process_time() - worked
    answers.put((seconds, worked, most.bytes))


def in_child(target, *args) -> None:
    """A fresh process, so that its peak memory is its own."""
    process = multiprocessing.get_context("spawn").Process(target=target, args=args)
    process.start()
    process.join()
    if process.exitcode:
        raise SystemExit(f"{target.__name__} failed")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--folder", help="where the file is made (default: the system's)")
    parser.add_argument("--layout", default="pruned", choices=["pruned", "official-512-interp"])
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=options.folder) as folder:
        path = Path(folder) / f"{options.layout}-fp16.safetensors"
        in_child(make, path, options.layout)
        size = path.stat().st_size
        print(f"{path.name}: {size / 1e9:.2f} GB")
        for name, touch in (("load", False), ("touch", True), ("touch again", True)):
            answers = multiprocessing.get_context("spawn").Queue()
            in_child(measure, path, touch, answers)
            seconds, worked, peak = answers.get()
            print(
                f"{name:12} {seconds:6.2f} s ({worked:.2f} s of CPU)   "
                f"peak RSS {peak / 1e9:.2f} GB, {peak / size:.2f} of the file"
            )


if __name__ == "__main__":
    main()
