"""How much a sketch of the middle frame pulls nano's lines, on eight clips of the project's cast.

    python benchmarks/nano_sketch.py

For lines by XDoG, which nano's encoder was trained on, and by Canny, as in the bundled workflow:
agreement F of that frame's edges with the lines, at strengths 0 (no sketch), 1 and 1.5.
"""

from __future__ import annotations

import statistics
import sys
from dataclasses import replace
from pathlib import Path

import torch
from kornia.filters import canny
from torch import Tensor

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import toon_core  # noqa: E402
from benchmarks import nano_cast  # noqa: E402
from toon_core.metrics.plain.sketch_agreement import sketch_agreement  # noqa: E402
from toon_core.model import ToonModel  # noqa: E402
from toon_core.pipeline import interpolate_any_size  # noqa: E402
from toon_core.presets import SMALL  # noqa: E402
from toon_core.sketch.control import SketchControl, place  # noqa: E402
from toon_core.sketch.encoder import SketchEncoder  # noqa: E402
from train.data.filters.sketches import xdog  # noqa: E402
from train.eval.systems import NANO  # noqa: E402
from train.eval.testset import Clip  # noqa: E402

STRENGTHS = (0.0, 1.0, 1.5)
# Of (1 3 h w) in [0, 1] to (1 1 h w), bright on black; Canny's thresholds are the workflow's.
LINES = {
    "XDoG": lambda frame: xdog(frame * 2 - 1),
    "Canny": lambda frame: canny(frame, 0.1, 0.3)[1],
}


def load() -> tuple[ToonModel, SketchEncoder]:
    """nano and its sketch encoder."""
    files = (NANO, NANO.with_name("nano_sketch.safetensors"))
    model, encoder = (toon_core.load(file, dtype=torch.float32) for file in files)
    return model, encoder


def agreement(
    model: ToonModel, encoder: SketchEncoder, clip: Clip, lines: Tensor, strength: float
) -> float:
    """F of the edges of nano's middle frame with the lines (1 h w), which it is given at that
    strength; 0 is no sketch."""
    placed = place({nano_cast.DRAWN: lines}, len(clip.frames), *clip.size)
    control = SketchControl(encoder, placed, scale=strength) if strength else None
    recipe = replace(SMALL, fps=clip.fps, replace_middle_frames=False)
    keys = torch.stack([clip.first, clip.last]) * 2 - 1
    made = interpolate_any_size(model, keys, clip.prompt, recipe, control=control)
    return float(sketch_agreement((made[nano_cast.DRAWN] + 1) / 2, lines).f_score)


@torch.inference_mode()
def main() -> None:
    (model, encoder), clips = load(), nano_cast.cast()
    print("lines", *(f"strength {s:g}" for s in STRENGTHS), sep="\t")
    for name, of in LINES.items():
        row = []
        for s in STRENGTHS:
            found = []
            for clip in clips:
                lines = of(clip.frames[nano_cast.DRAWN : nano_cast.DRAWN + 1])[0]
                found.append(agreement(model, encoder, clip, lines, s))
            row.append(statistics.fmean(found))
        print(name, *(f"{f:.3f}" for f in row), sep="\t", flush=True)


if __name__ == "__main__":
    main()
