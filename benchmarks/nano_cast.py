"""nano's figures on eight clips of the project's own cast, which it was never trained on.

    python benchmarks/nano_cast.py [--record]

Prints the mean of each of train.evaluate's figures of a clip over the clips, its noise, the
standard deviation of that mean over three seeds, and what the true frames get. --record writes
them to weights/nano_cast.json, beside which tests/train/test_nano.py holds later versions.
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

from toon_core.metrics.registry import columns, networks_in  # noqa: E402
from train.data.filters.sketches import xdog  # noqa: E402
from train.eval.scores import Scored, Scorer  # noqa: E402
from train.eval.systems import NANO, Checkpoint, Sampling, System, run_system  # noqa: E402
from train.eval.testset import Clip  # noqa: E402

RECORD = ROOT / "weights" / "nano_cast.json"
SEEDS = (123, 124, 125)
CLIPS, SIDE = 8, 128
DRAWN = 7  # the frame whose true lines nano's are compared with
# From packages alone, so that the figures do not change with what lies in a models folder.
NETWORKS = networks_in(ROOT, only=("hed", "vgg_heads", "rife"))
COLUMNS = columns(NETWORKS.labels)


def cast() -> list[Clip]:
    """The cast's first clips by name, their central squares at nano's size, each with a sketch."""
    index = json.loads((ROOT / "cast" / "index.json").read_text(encoding="utf-8"))
    return [_clip(name, entry) for name, entry in sorted(index.items())[:CLIPS]]


def _clip(name: str, entry: dict) -> Clip:
    true = frames(name)
    lines = xdog(true[DRAWN : DRAWN + 1] * 2 - 1)[0]
    return Clip(
        name=name,
        frames=true,
        prompt=entry["prompt"],
        fps=entry["fps"],
        sketches={DRAWN: lines.expand(3, -1, -1)},
    )


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
    """Mean of each figure over the clips, by the keys of train.evaluate."""
    scorer, sampling = Scorer(COLUMNS, NETWORKS), Sampling(seed=seed)
    return _means([scorer.score(clip, run_system(system, clip, sampling)) for clip in clips])


def _means(scored: list[Scored]) -> dict[str, float]:
    return {
        name: statistics.fmean(clip.values[name] for clip in scored) for name in scored[0].values
    }


def main() -> None:
    system, clips = Checkpoint("nano", NANO), cast()
    runs = [measure(system, clips, seed) for seed in SEEDS]
    scorer = Scorer(COLUMNS, NETWORKS)
    truth = _means([scorer.score_truth(clip) for clip in clips])
    figures = {
        name: {
            "value": runs[0][name],
            "noise": statistics.stdev(run[name] for run in runs),
            "truth": truth.get(name),
        }
        for name in runs[0]
    }
    for name, entry in figures.items():
        print(f"{name:20} {entry['value']:8.4f}  noise {entry['noise']:.4f}  {entry['truth']}")
    if "--record" in sys.argv[1:]:
        record = {"clips": [clip.name for clip in clips], "seed": SEEDS[0], "figures": figures}
        RECORD.write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
