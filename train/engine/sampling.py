"""The clip that a model makes between two keys: for sample sheets, evaluation and ablations."""

from __future__ import annotations

from torch import Tensor

from toon_core.images import Fit
from toon_core.model import ToonModel
from toon_core.pipeline import interpolate
from toon_core.recipe import Recipe
from toon_core.sketch.control import SketchControl


def sample_clip(
    model: ToonModel,
    keys: Tensor,
    prompt: str,
    recipe: Recipe,
    *,
    control: SketchControl | None = None,
    semantic: Tensor | None = None,
    lean: bool = False,
) -> Tensor:
    """keys (2 3 h w) in [-1, 1] -> `recipe.frames` frames, ends included, (f 3 h w) in [-1, 1] on
    the CPU.

    Keys whose size is no multiple of 64 get bars, which are cut off again; `control` is of the size
    with bars. semantic (1 3 h w): what the image tower sees in place of the first key. lean: one
    guidance branch and one frame at a time, slower and in less memory.
    """
    fit = Fit.nearest((keys.shape[-2], keys.shape[-1]), "pad")
    first, last = fit.apply(keys.to(next(model.unet.parameters()).device)).split(1)
    made = interpolate(
        model,
        first,
        last,
        prompt,
        recipe=recipe,
        control=control,
        semantic=semantic,
        batched=not lean,
        frames_at_once=1 if lean else None,
    )
    return fit.undo(made[0].transpose(0, 1)).float().clamp(-1, 1).cpu()
