"""What Toon Sample says in the log before it runs."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from . import compiled
from .run_check import KEY, LAYERS, owners
from .sketch_patch import OPTION

# What other nodes put into ComfyUI's types for its own samplers.
IN_MODEL = (
    *("sampler_cfg_function", "sampler_pre_cfg_function", "sampler_post_cfg_function"),
    *("sampler_calc_cond_batch_function", "model_function_wrapper", "denoise_mask_function"),
    *("context_handler", "wrappers"),
)
IN_LATENT = ("noise_mask",)
IN_CONDITIONING = (
    *("start_percent", "end_percent", "area", "mask", "strength"),
    *("control", "hooks", "gligen"),
)
IN = {"model": IN_MODEL, "latent": IN_LATENT}


def of_model(patcher: Any) -> dict[str, Any]:
    """What other nodes put into a MODEL, by name. This pack's wrappers are no other's, and what
    core's TorchCompileModel asks for is done."""
    layers = patcher.model_options["transformer_options"]
    kinds = [*patcher.wrappers.values(), *layers.get("wrappers", {}).values()]
    wrappers = [
        str(key) for keys in kinds for key in keys if key not in (OPTION, KEY, compiled.KEY)
    ]
    return {**patcher.model_options, **layers, "wrappers": wrappers or None}


def ignored(inputs: Mapping[str, Mapping[str, Any]]) -> str:
    """Of what each input carries, by name, what has no effect here; empty if there is none."""
    places = [(name, values, IN.get(name, IN_CONDITIONING)) for name, values in inputs.items()]
    known = [found for place in places for found in _carried(*place)]
    unread = _carried("model", inputs["model"], LAYERS)
    told = []
    if known:
        told.append(f"Toon Sample ignores {', '.join(known)}: ComfyUI's own samplers know these.")
    if unread:
        told.append(
            f"Toon Sample ignores {', '.join(unread)}: this model's layers take no patches, with "
            "any sampler."
        )
    return " ".join(told)


def _carried(name: str, values: Mapping[str, Any], keys: Iterable[str]) -> list[str]:
    return [_shown(key, values[key], name) for key in keys if values.get(key) is not None]


def _shown(key: str, value: Any, name: str) -> str:
    """With the nodes that it comes from, where that can be seen."""
    made = set(value) if key == "wrappers" else owners(key, value) - {key}
    return f"{key} ({', '.join(sorted(made))}) of {name}" if made else f"{key} of {name}"
