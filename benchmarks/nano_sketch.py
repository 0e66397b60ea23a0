"""How much a sketch of the middle frame pulls nano's lines, on eight clips of the project's cast.

    python benchmarks/nano_sketch.py

For lines by XDoG, which nano's encoder was trained on, and by Canny, as in the bundled workflow:
agreement F of that frame's edges with the lines, at strengths 0 (no sketch), 1 and 1.5.
"""

from __future__ import annotations

import statistics
from dataclasses import replace

import nano_cast
import torch
from kornia.filters import canny
from torch import Tensor

import toon_core
from toon_core.metrics.sketch_agreement import sketch_agreement
from toon_core.model import ToonModel
from toon_core.pipeline import interpolate
from toon_core.presets import SMALL
from toon_core.sketch.control import SketchControl, place
from toon_core.sketch.encoder import SketchEncoder
from train.data.sketch import xdog
from train.eval.clips import Clip
from train.eval.systems import NANO

STRENGTHS = (0.0, 1.0, 1.5)
# Of (1 3 h w) in [0, 1] to (1 1 h w), bright on black; Canny's thresholds are the workflow's.
LINES = {
    "XDoG": lambda frame: xdog(frame * 2 - 1),
    "Canny": lambda frame: canny(frame, 0.1, 0.3)[1],
}


def drawn(model: ToonModel, encoder: SketchEncoder, clip: Clip, lines: Tensor, s: float) -> Tensor:
    """nano's middle frame (3 h w) in [0, 1], with the lines (1 h w) at strength s."""
    placed = place({nano_cast.DRAWN: lines}, len(clip.frames), *clip.size)
    control = SketchControl(encoder, placed, scale=s) if s else None
    recipe = replace(SMALL, fps=clip.fps, replace_middle_frames=False)
    keys = (key[None] * 2 - 1 for key in (clip.first, clip.last))
    made = interpolate(model, *keys, clip.prompt, recipe=recipe, control=control)
    return ((made[0, :, nano_cast.DRAWN] + 1) / 2).clamp(0, 1)


@torch.inference_mode()
def main() -> None:
    files = (NANO, NANO.with_name("nano_sketch.safetensors"))
    model, encoder = (toon_core.load(file, dtype=torch.float32) for file in files)
    clips = nano_cast.cast()
    print("lines", *(f"strength {s:g}" for s in STRENGTHS), sep="\t")
    for name, of in LINES.items():
        row = []
        for s in STRENGTHS:
            found = []
            for clip in clips:
                lines = of(clip.frames[nano_cast.DRAWN : nano_cast.DRAWN + 1])[0]
                made = drawn(model, encoder, clip, lines, s)
                found.append(sketch_agreement(made, lines).f_score)
            row.append(statistics.fmean(found))
        print(name, *(f"{f:.3f}" for f in row), sep="\t", flush=True)


if __name__ == "__main__":
    main()
