"""nano's figures on eight clips of the project's own cast, which it was never trained on.

    python benchmarks/nano_cast.py [--record]

Prints the mean of each measure over the clips and its noise, the standard deviation of that mean
over three seeds. --record writes both to weights/nano_cast.json, beside which
tests/train/test_nano.py holds later versions.
"""

from __future__ import annotations

import json
import statistics
import sys
from pathlib import Path

import numpy as np
import torch
from PIL import Image, ImageSequence
from torch import Tensor

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from toon_core.metrics.crossfade_residual import crossfade_residual  # noqa: E402
from toon_core.metrics.hed import load_lpips_hed  # noqa: E402
from toon_core.metrics.line_sharpness import line_sharpness_kept  # noqa: E402
from toon_core.metrics.motion_ratio import motion_ratio  # noqa: E402
from toon_core.metrics.psnr import psnr  # noqa: E402
from train.eval.clips import Clip  # noqa: E402
from train.eval.looks import network_frames  # noqa: E402
from train.eval.systems import NANO, Checkpoint, Sampling, System, run_system  # noqa: E402

RECORD = ROOT / "weights" / "nano_cast.json"
SEEDS = (123, 124, 125)
CLIPS, SIDE = 8, 128


def cast() -> list[Clip]:
    """The cast's first clips by name, their central squares at nano's size."""
    index = json.loads((ROOT / "cast" / "index.json").read_text(encoding="utf-8"))
    return [
        Clip(name=name, frames=frames(name), prompt=entry["prompt"], fps=entry["fps"])
        for name, entry in sorted(index.items())[:CLIPS]
    ]


def frames(name: str) -> Tensor:
    """All frames of a clip, (f 3 128 128) in [0, 1]."""
    with Image.open(ROOT / "cast" / "clips" / f"{name}.webp") as image:
        pictures = [_square(frame.convert("RGB")) for frame in ImageSequence.Iterator(image)]
    return torch.from_numpy(np.stack(pictures)).permute(0, 3, 1, 2).float() / 255


def _square(picture: Image.Image) -> np.ndarray:
    width, height = picture.size
    left = (width - height) // 2
    square = picture.crop((left, 0, left + height, height))
    return np.asarray(square.resize((SIDE, SIDE), Image.Resampling.LANCZOS))


def measure(system: System, clips: list[Clip], seed: int) -> dict[str, float]:
    """Mean of each measure over the clips."""
    lpips = load_lpips_hed()
    sampling = Sampling(seed=seed)
    found: dict[str, list[float]] = {}
    for clip in clips:
        whole, seen = run_system(system, clip, sampling), network_frames(len(clip.frames))
        made, truth = whole[1:-1], clip.frames[1:-1]
        values = {
            "lpips_hed": lpips(whole[seen], clip.frames[seen]).mean().item(),
            "psnr": psnr(made, truth).mean().item(),
            "motion_ratio": motion_ratio(made, truth),
            "crossfade_residual": crossfade_residual(made, clip.first, clip.last).mean().item(),
            "line_sharpness": line_sharpness_kept(made, truth).nanmean().item(),
        }
        for name, value in values.items():
            found.setdefault(name, []).append(value)
    return {name: statistics.fmean(values) for name, values in found.items()}


def main() -> None:
    system, clips = Checkpoint("nano", NANO), cast()
    runs = [measure(system, clips, seed) for seed in SEEDS]
    figures = {
        name: {"value": runs[0][name], "noise": statistics.stdev(run[name] for run in runs)}
        for name in runs[0]
    }
    for name, entry in figures.items():
        print(f"{name:20} {entry['value']:8.4f}  noise {entry['noise']:.4f}")
    if "--record" in sys.argv[1:]:
        record = {"clips": [clip.name for clip in clips], "seed": SEEDS[0], "figures": figures}
        RECORD.write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
