"""How near a dry run's estimate comes to the memory the run then takes, at nano's size.

    python benchmarks/training_memory.py [only=NAME] [run.device=cpu] [key=value ...]

A dry run and three steps of each recipe on the shipped model and clips made on the spot, each in a
process of its own; one row each: what was estimated, the peak then measured (the process's
resident memory on a CPU, torch's allocator on a GPU), and their ratio, for the whole and for what
training adds.
"""

from __future__ import annotations

import importlib
import json
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
from PIL import Image

ROOT = Path(__file__).parents[1]
NANO = ROOT / "weights" / "nano.safetensors"
COMMON = ["steps=3", "run.workers=0", "run.sheet_clips=1", "run.held_out=1", "optim.ema=0.999"]
COMMON += ["height=128", "width=128"]
DIFFUSION = ["batch=4", "sheet.steps=1"]
RUNS = {
    "pretrain": ("pretrain", DIFFUSION),
    "rectify": ("rectify", ["run.checkpointing=false", *DIFFUSION]),
    "rectify, checkpointing": ("rectify", ["run.checkpointing=true", *DIFFUSION]),
    "rectify, accumulate=2": (
        "rectify",
        ["run.checkpointing=false", "run.accumulate=2", *DIFFUSION],
    ),
    "rectify, bf16": ("rectify", ["run.checkpointing=false", "dtype=bf16", *DIFFUSION]),
    "decoder": ("decoder", ["batch=3", "gan_start=0", "perceptual.net=none"]),
    "sketch": ("sketch", ["run.checkpointing=false", *DIFFUSION]),
}
KINDS = {"sketch": ("SketchTrainConfig", "SketchRecipe")}


def clips(folder: Path) -> Path:
    for clip in range(3):
        (folder / f"clip{clip}").mkdir(parents=True)
        for i in range(24):
            picture = np.full((128, 128, 3), 200, np.uint8)
            picture[40:80, 10 + 3 * i : 40 + 3 * i] = 40 * clip
            Image.fromarray(picture).save(folder / f"clip{clip}" / f"frame_{i:03d}.png")
    return folder


def given(name: str, folder: Path) -> list[str]:
    """The options that name files."""
    base = f"base={NANO}"
    if name == "pretrain":
        from toon_core import load
        from train.engine.config import RunConfig
        from train.engine.export import save_part

        path = folder / "vae.safetensors"
        save_part(load(NANO).vae.float(), path, "vae", RunConfig(data="", out=""), {})
        base = f"autoencoder={path}"
    return [base, f"data={clips(folder / 'clips')}", f"out={folder}/run"]


def one(name: str, words: list[str]) -> None:
    """Run a recipe here and print what was estimated (of a dry run), or the peak."""
    from train.engine import loop
    from train.engine.config import parse

    module, title = importlib.import_module(f"train.recipes.{name}"), name.capitalize()
    config, recipe = KINDS.get(name, (f"{title}Config", f"{title}Recipe"))
    job = loop.run(getattr(module, recipe), parse(getattr(module, config), words, ""))
    found = job.expected
    print(json.dumps([found.present, found.total] if found else [job.peak.bytes]))


def measured(label: str, name: str, words: list[str]) -> list[int]:
    """What `one` prints, in a process of its own."""
    command = [sys.executable, __file__, "one", name, *words]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"{label}: {done.stderr[-2000:]}")
    return json.loads(done.stdout.splitlines()[-1])


def row(label: str, present: int, total: int, peak: int) -> str:
    cells = [label, *(f"{x / 2**20:.0f}" for x in (present, total, peak))]
    cells += [f"{total / peak:.2f}", f"{(total - present) / (peak - present):.2f}"]
    return f"| {' | '.join(cells)} |"


def main(words: list[str]) -> None:
    only = [w.removeprefix("only=") for w in words if w.startswith("only=")]
    extra = [w for w in words if not w.startswith("only=")]
    print("| run | before | estimate | peak, MiB | ratio | ratio of what is added |")
    print("|---|---|---|---|---|---|", flush=True)
    for label, (name, options) in RUNS.items():
        if only and label not in only:
            continue
        with tempfile.TemporaryDirectory() as folder:
            words = [*given(name, Path(folder)), *COMMON, *options, *extra]
            estimate = measured(label, name, [*words, "dry_run=true"])
            print(row(label, *estimate, *measured(label, name, words)), flush=True)


if __name__ == "__main__":
    sys.path.insert(0, str(ROOT))
    if sys.argv[1:2] == ["one"]:
        one(sys.argv[2], sys.argv[3:])
    else:
        main(sys.argv[1:])
