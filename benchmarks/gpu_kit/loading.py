"""From the start of a process to all weights on the device, of a full file with random weights; and
by the release's way: networks with initial values in fp32, each tensor read, then all moved.

    python -m benchmarks.gpu_kit.loading WAY FILE DEVICE
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import torch
from safetensors.torch import load_file

import toon_core
from benchmarks.gpu_kit.results import Figures, Item
from benchmarks.gpu_kit.scale import Scale
from toon_core.model import ToonModel
from toon_core.weights.keys import PREFIXES
from toon_core.weights.save import save

ROOT = Path(__file__).resolve().parents[2]


def items(scale: Scale) -> Iterator[Item]:
    yield Item("cold", lambda: cold(scale), 90)


def cold(scale: Scale) -> Figures:
    """The file is in the page cache for both."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "model.safetensors"
        save(scale.model(scale.half), file)
        found: Figures = {"file_gb": file.stat().st_size / 1e9}
        for way in ("naive",) if scale.small else ("ours", "naive"):
            command = [sys.executable, "-m", "benchmarks.gpu_kit.loading", way, str(file)]
            begin = time.monotonic()
            done = subprocess.run(
                [*command, scale.device], cwd=ROOT, capture_output=True, text=True, timeout=300
            )
            if done.returncode:
                raise RuntimeError(f"{way}: {done.stderr.strip().splitlines()[-1:]}")
            found[way] = time.monotonic() - begin
            found[f"{way}_load"] = json.loads(done.stdout.splitlines()[-1])
    return found


def main(words: Sequence[str]) -> None:
    way, file, device = words
    begin = time.monotonic()
    if way == "ours":
        model = toon_core.load(file, device=device)
    else:
        tensors = load_file(file)
        small = tensors["model.diffusion_model.out.0.weight"].numel() < 320
        model = ToonModel(Scale(device, small).config)
        for part, prefix in PREFIXES.items():
            own = {k[len(prefix) :]: v.float() for k, v in tensors.items() if k.startswith(prefix)}
            getattr(model, part).load_state_dict(own, strict=False)
        model.to(device)
    if device == "cuda":
        torch.cuda.synchronize()
    else:
        sum(float(p.sum()) for p in model.parameters())  # mapped pages are read here
    print(json.dumps(time.monotonic() - begin))


if __name__ == "__main__":
    main(sys.argv[1:])
