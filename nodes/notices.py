"""What Toon Sample says in the log before it runs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..toon_core.presets import RELEASED
from ..toon_core.recipe import Recipe

# What other nodes put into ComfyUI's types for its own samplers.
IN_MODEL = (
    *("sampler_cfg_function", "sampler_pre_cfg_function", "sampler_post_cfg_function"),
    *("sampler_calc_cond_batch_function", "model_function_wrapper"),
)
IN_LATENT = ("noise_mask",)
IN_CONDITIONING = (
    *("start_percent", "end_percent", "area", "mask", "strength"),
    *("control", "hooks", "gligen"),
)
IN = {"model": IN_MODEL, "latent": IN_LATENT}


def ignored(inputs: Mapping[str, Mapping[str, Any]]) -> str:
    """Of what each input carries, by name, what has no effect here; empty if there is none."""
    found = [
        f"{key} of {name}"
        for name, values in inputs.items()
        for key in IN.get(name, IN_CONDITIONING)
        if values.get(key) is not None
    ]
    if not found:
        return ""
    return f"Toon Sample ignores {', '.join(found)}: ComfyUI's own samplers know these."


def off_recipe(recipe: Recipe, given: Mapping[str, Any]) -> str:
    """Where the model asks for other values than the release's and was given others; empty where
    it was not, or is sampled as the release is."""
    found = [
        f"{name} {wanted} (here {value})"
        for name, value in given.items()
        if (wanted := getattr(recipe, name)) not in (value, getattr(RELEASED, name))
    ]
    if not found:
        return ""
    return f"Toon Sample: this model's own recipe is {', '.join(found)}; try it if frames are poor."
