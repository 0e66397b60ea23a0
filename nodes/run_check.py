"""What a run of ComfyUI's samplers carries, looked at before it starts.

Other nodes put patches of many kinds into a MODEL. What would give wrong frames here is refused,
and what has no effect is said, once a run. docs/patches.md has each of ComfyUI's nodes, measured.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import comfy.patcher_extension
from torch import Tensor

from . import axes, host
from .model_sampling import sampling_of
from .sketch_patch import OPTION

KEY = "toon"  # of the wrapper, and of transformer_options: a `Watch`

# Of transformer_options, for layers of ComfyUI's own networks.
LAYERS = ("patches", "patches_replace", "optimized_attention_override", "rope_options")
NO_LAYERS = "this video model's layers take no patches"
NOT_LAYERS = {"wrappers", "callbacks", OPTION, KEY}

# Samplers of higher order, whose first step reaches from pure noise, where sigma is infinite and
# stands as a large number, to the second sigma. Where that is far, what they add up there outweighs
# the clip. STEEP is the first sigma over the second. nano on sgm_uniform: at 200, 12 steps, the
# contrast is 1.13 (heun) and 1.14 (dpm_fast) times DDIM's, at 111, 20 steps, 0.96 and 1.00.
FROM_NOISE = {"sample_heun": "heunpp2, dpmpp_2m or euler", "dpm_fast_function": "dpmpp_2m or euler"}
STEEP = 150

# A wrapper that reuses what a step added to X = x0 + sigma eps, whose size follows sigma.
REUSE = {"lazycache": "EasyCache, which compares what the model itself reads"}


class Watch:
    """Says of one run what its layers are given and do not read."""

    def __init__(self, others: bool) -> None:
        """others: wrappers of other nodes may read what the layers do not."""
        self.others = others
        self.said: set[str] = set()
        self.usual: set[str] | None = None

    def __deepcopy__(self, memo: Any) -> Watch:
        return self

    def see(self, options: Mapping[str, Any]) -> None:
        """The transformer_options of a call."""
        if self.usual is None:
            self.usual = set(options)
        found = [name for name in LAYERS if options.get(name)]
        if not self.others:  # added for passes of its own by a guidance function
            found += sorted(set(options) - self.usual - set(LAYERS))
        self.say({owner for name in found for owner in owners(name, options[name])})

    def say(self, names: Iterable[str]) -> None:
        for name in sorted(set(names) - self.said):
            self.said.add(name)
            host.say(f"{name}: no effect, {NO_LAYERS}. Remove it.", level=logging.WARNING)


def owners(name: str, value: Any) -> set[str]:
    """The nodes whose functions a value of transformer_options holds; else its own name."""
    if name in LAYERS[2:]:
        return {name}
    if isinstance(value, Mapping):
        return {o for v in value.values() for o in owners(name, v)} or {name}
    if isinstance(value, (list, tuple)):
        return {o for v in value for o in owners(name, v)} or {name}
    return {owner(value)} if callable(value) else {name}


def owner(function: Any) -> str:
    """A node's class, from the name of the function it made."""
    name = getattr(function, "__qualname__", type(function).__qualname__)
    return name.split(".")[0]


def install(patcher: Any) -> None:
    """Into a MODEL of this pack: every guider that samples it, or a clone, begins here."""
    kind = comfy.patcher_extension.WrappersMP.OUTER_SAMPLE
    patcher.add_wrapper_with_key(kind, KEY, _begin)


def _begin(executor: Any, noise: Any, latent: Any, sampler: Any, sigmas: Tensor, *args, **kwargs):
    guider = executor.class_obj
    patcher, options = guider.model_patcher, guider.model_options
    sampling_of(patcher)
    _check_conditioning(guider.conds)
    _check_options(options)
    _check_sampler(sampler, sigmas)
    host.say()
    _check_guidance(options, noise.shape, float(sigmas[0]))
    _name_unread(guider, options)
    inner = options.setdefault("transformer_options", {})
    watch = inner[KEY] = Watch(others=bool(wrapper_keys(options)))
    static = [k for k in inner if k in LAYERS or not (watch.others or k in NOT_LAYERS)]
    watch.say({o for k in static if inner[k] for o in owners(k, inner[k])})
    return executor(noise, latent, sampler, sigmas, *args, **kwargs)


def wrapper_keys(options: Mapping[str, Any]) -> list[str]:
    """Of wrappers that are not this pack's."""
    kinds = options.get("transformer_options", {}).get("wrappers", {}).values()
    return [str(k) for keys in kinds for k, made in keys.items() if made and k not in (KEY, OPTION)]


def _check_conditioning(conds: Mapping[str, Any]) -> None:
    for name, entries in conds.items():
        if entries is not None and len(entries) == 0:
            raise ValueError(f"{name} is an empty CONDITIONING: connect Toon Encode Keys.")
        if any(entry.get("control") is not None for entry in entries or ()):
            raise ValueError(
                f"{name} carries a ControlNet of ComfyUI, which does not fit this video model: "
                "remove it, and use Toon Apply Sketch for line drawings."
            )


def _check_options(options: Mapping[str, Any]) -> None:
    if options.get("context_handler") is not None:
        raise ValueError(
            "This MODEL has context windows, which do not fit a model between two keys: a window "
            "has one key or none, and image tokens that belong to other frames. Remove that node; "
            "for longer clips join segments, each between two keys of its own."
        )
    for key in wrapper_keys(options):
        if key in REUSE:
            raise ValueError(
                f"This MODEL has {key}, which adds what an earlier step changed although the noise "
                f"has another size by then, and gives wrong frames. Take {REUSE[key]}."
            )
    layers = options.get("transformer_options", {})
    patched = {f.__module__ for name in LAYERS[:2] for f in _functions(layers.get(name))}
    for function in guidance(options):
        if function.__module__ in patched:
            raise ValueError(
                f"{owner(function)} needs patches in layers, and {NO_LAYERS}: remove it."
            )


def _functions(value: Any) -> Iterator[Any]:
    if isinstance(value, Mapping):
        value = list(value.values())
    if isinstance(value, list):
        for inner in value:
            yield from _functions(inner)
    elif hasattr(value, "__module__"):
        yield value


def guidance(options: Mapping[str, Any]) -> Iterator[Any]:
    for kind in axes.KINDS:
        yield from _functions(options.get(kind))


def _check_sampler(sampler: Any, sigmas: Tensor) -> None:
    name = getattr(getattr(sampler, "sampler_function", None), "__name__", "")
    if name not in FROM_NOISE or len(sigmas) < 3 or float(sigmas[0]) < STEEP * float(sigmas[1]):
        return
    raise ValueError(
        f"{name.removeprefix('sample_').removesuffix('_function')} does not fit so few steps of "
        f"this model, whose first step begins at pure noise (sigma {float(sigmas[0]):.4g}, then "
        f"{float(sigmas[1]):.4g}): the frames would be wrong. Take more steps, or "
        f"{FROM_NOISE[name]}."
    )


def _check_guidance(options: Mapping[str, Any], shape: Any, sigma: float) -> None:
    for kind in axes.KINDS:
        for function in _functions(options.get(kind)):
            trial = axes.tried(function, kind, shape, sigma)
            if trial is None or not trial.fault:
                continue
            text = f"{owner(function)} does not fit this video model: {trial.fault}."
            if not host.is_core(function):
                host.say(f"{text} Ask its author about video.", level=logging.WARNING)
                continue
            raise ValueError(
                f"{text} Remove it; against the contrast of a high cfg take Toon Rescale Guidance."
            )


def _name_unread(guider: Any, options: Mapping[str, Any]) -> None:
    unread = [owner(f) for k in getattr(guider, "UNREAD", ()) for f in _functions(options.get(k))]
    for name in unread:
        host.say(f"{name}: no effect with Toon Guide Branches.", level=logging.WARNING)
