"""How each kind of case is run, with the classes and functions that the nodes and train use."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import torch
from parity_index import Case
from parity_models import Models
from parity_taps import observe_decoder, observe_pipeline
from torch import Tensor

from toon_core import official
from toon_core.conditioning.encode import grey_image
from toon_core.conditioning.preprocess import clip_pixels
from toon_core.conditioning.towers import tokenize
from toon_core.config import ScheduleConfig
from toon_core.denoiser import Denoiser
from toon_core.guidance import Branches, Guidance
from toon_core.images import resize_and_crop
from toon_core.pipeline import interpolate
from toon_core.presets import Recipe, released_for
from toon_core.samplers.ddim import ddim
from toon_core.schedule import Schedule
from toon_core.sketch.control import SketchControl
from toon_core.vae.autoencoder import stack_references

Outputs = dict[str, Any]
CONTROL_CONTEXT = {"full": "full", "text77": "text"}


def run(case: Case, models: Models, kind: str) -> Outputs:
    """All outputs that a case of this kind can have; ValueError where the form is unknown."""
    with torch.inference_mode(), torch.device(case.device):
        return RUNNERS[kind](case, models)


def _batch(case: Case, name: str, like: Tensor, default: float) -> Tensor:
    """A scalar of the case for every clip of the batch."""
    values = torch.tensor(case.scalar(name, default)).reshape(-1)
    return values.expand(like.shape[0]) if len(values) == 1 else values


def unet(case: Case, models: Models) -> Outputs:
    model, x = models.get("unet", case), case.input("x")
    t = torch.tensor(case.scalar("timesteps")).reshape(-1).expand(x.shape[0])
    fs = None if case.scalar("fs") is None else _batch(case, "fs", x, 0)
    extra = {name: case.numbered(name) or None for name in ("adapter", "control")}
    return {"out": model(x, t, case.input("context"), fs, **extra)}


def resampler(case: Case, models: Models) -> Outputs:
    return {"out": models.get("resampler", case)(case.input("x"))}


def vae(case: Case, models: Models) -> Outputs:
    if case.has("images"):
        return _encode(case, models)
    model = models.get("vae", case)
    references = None
    if case.has("first"):
        features = [model.encode_with_features(case.input(k))[1] for k in ("first", "last")]
        references = stack_references(*features)
    with observe_decoder(model.decoder) as taps:
        z = case.input("z") / case.scalar("scale_factor", 0.18215)
        frames = model.decode(z, references)
    return {"frames": frames, **taps}


def _encode(case: Case, models: Models) -> Outputs:
    model = models.get("vae", case)
    moments: list[Tensor] = []
    hook = model.quant_conv.register_forward_hook(lambda *args: moments.append(args[2]))
    posterior, features = model.encode_with_features(case.input("images"))
    hook.remove()
    hidden = {f"hidden_{i}": f for i, f in enumerate(features)}
    scale, noise = case.scalar("scale_factor", 0.18215), case.optional("noise")
    latent = {} if noise is None else {"latent": scale * posterior.sample(noise)}
    return {
        "moments": moments[0],
        "mean": posterior.mean,
        "logvar": posterior.logvar,
        "std": posterior.std,
        **latent,
        **hidden,
    }


def _hint(case: Case) -> Tensor:
    hint, threshold = case.input("hint"), case.scalar("hint_threshold")
    if threshold is not None:
        hint = (hint > threshold).to(hint.dtype)
    hint[:, :, case.scalar("hint_zero_frames", [])] = 0
    return hint


def _control(case: Case, models: Models) -> SketchControl:
    name = case.scalar("control_context", "full")
    if name not in CONTROL_CONTEXT:
        raise ValueError(f"control_context = {name!r}: expected {list(CONTROL_CONTEXT)}")
    return SketchControl(
        models.get("control", case),
        _hint(case),
        scale=case.scalar("control_scale", Recipe().sketch_scale),
        context=CONTROL_CONTEXT[name],
    )


def sketch(case: Case, models: Models) -> Outputs:
    control, model = _control(case, models), models.get("unet", case)
    x, tokens = case.input("x_noisy"), case.input("context")
    t = torch.tensor(case.scalar("timesteps")).reshape(-1).expand(x.shape[0])
    fs = _batch(case, "fs", x, model.config.default_fs)
    features = control.features(x, t, control.tokens(tokens))
    joined = torch.cat([x, case.input("concat")], dim=1)
    return {
        "out": model(joined, t, tokens, fs, control=features),
        "out_nocontrol": model(joined, t, tokens, fs),
        **{f"feat_{i}": f for i, f in enumerate(features)},
    }


def schedule(case: Case, models: Models) -> Outputs:
    made = Schedule(official.read(ScheduleConfig, case.config))
    if case.scalar("S") is None:
        return dict(made.buffers())
    table = made.ddim(case.scalar("S"), case.scalar("spacing"), case.scalar("eta", 1.0))
    names = (
        "timesteps",
        "alphas",
        "alphas_prev",
        "sigmas",
        "sqrt_one_minus_alphas",
        "scale",
        "scale_prev",
    )
    return {name: torch.tensor(getattr(table, name)) for name in names}


class Draws:
    """The case's noise0, noise1, ... in call order, in place of random numbers."""

    def __init__(self, case: Case) -> None:
        self.left = case.numbered("noise")

    def __call__(self, shape: tuple[int, ...] | None = None) -> Tensor:
        if not self.left:
            raise ValueError("more random draws than the case has noise inputs")
        noise = self.left.pop(0)
        return noise if shape is None else noise.reshape(shape)

    def finish(self) -> None:
        if self.left:
            raise ValueError(f"{len(self.left)} noise inputs were never drawn")


def _recipe(case: Case, latent_width: int) -> Recipe:
    base = released_for(latent_width)
    names = {"steps": "S", "cfg_image": "cfg_img"}
    fields = ("steps", "eta", "spacing", "cfg_scale", "guidance_rescale", "cfg_image")
    given = {f: case.scalar(names.get(f, f), getattr(base, f)) for f in fields}
    return Recipe(**given)


def _trajectory(case: Case, models: Models) -> tuple[Denoiser, Recipe]:
    model, concat = models.get("unet", case), case.input("concat")
    concat[:, :, 1:-1] = 0
    r = _recipe(case, concat.shape[-1])
    guidance = Guidance(cfg_scale=r.cfg_scale, cfg_image=r.cfg_image, rescale=r.guidance_rescale)
    names = ("context_uncond", "context_img_only")
    branches = Branches(case.input("context_cond"), *(case.optional(n) for n in names))
    control = _control(case, models) if case.has("hint") else None
    fs = _batch(case, "fs", concat, model.config.default_fs)
    return Denoiser(model, concat, branches, fs, guidance, control=control), r


def trajectory(case: Case, models: Models) -> Outputs:
    denoiser, r = _trajectory(case, models)
    config = case.config.get("schedule") or {}
    table = Schedule(official.read(ScheduleConfig, config)).ddim(r.steps, r.spacing, r.eta)
    draws = Draws(case)
    states, clean = [draws()], []

    def keep(step: int, total: int, x0: Tensor, x: Tensor) -> None:
        states.append(x)
        clean.append(x0)

    final = ddim(denoiser, states[0], table, draws, keep)
    draws.finish()
    return {"final": final, "x_inter": torch.stack(states), "pred_x0": torch.stack(clean)}


def clip(case: Case, models: Models) -> Outputs:
    if case.scalar("prompts") is not None:
        model, prompts = models.get("text", case), case.scalar("prompts")
        return {"tokens": tokenize(prompts, model.context_length), "out": model(prompts)}
    if case.scalar("target") is not None:
        image = case.input("image")
        target, antialias = tuple(case.scalar("target")), case.scalar("antialias", True)
        return {"out": resize_and_crop(_batched(image), target, antialias)}
    model = models.get("image", case)
    size = model.image_size
    image = case.optional("image")
    seen = grey_image(torch.zeros((), dtype=case.dtype), size) if image is None else image
    pixels = clip_pixels(_batched(seen), size)
    return {"preprocessed": pixels, "out": model(pixels)}


def _batched(image: Tensor) -> Tensor:
    return image if image.dim() == 4 else image[None]


def end_to_end(case: Case, models: Models) -> Outputs:
    model = models.get("e2e", case)
    _check_tokens(case, model.text.context_length)
    seen = [_batched(case.input(k)) for k in ("image1", "image2")]
    keys = seen
    if case.scalar("target") is not None:
        size = tuple(case.scalar("target"))
        keys = [resize_and_crop(x, size, case.scalar("antialias", True)) for x in seen]
    r = _recipe(case, keys[0].shape[-1] // model.config.vae.downsample)
    options = {
        "recipe": replace(r, frames=case.scalar("T", r.frames)),
        "fs": _batch(case, "fs", keys[0], model.config.unet.default_fs),
        "negative": case.scalar("negative", ""),
        "control": _control(case, models) if case.has("hint") else None,
        "semantic": seen[0],
        "draw": (draws := Draws(case)),
    }
    with observe_pipeline(model) as taps:
        frames = interpolate(model, *keys, case.scalar("prompt", ""), **options, callback=taps.step)
    draws.finish()
    return {"frames_final": frames, **taps.outputs()}


def _check_tokens(case: Case, length: int) -> None:
    prompts = {"tokens": case.scalar("prompt", ""), "uncond_tokens": case.scalar("negative", "")}
    for name, prompt in prompts.items():
        given = case.scalar(name)
        if given is not None and tokenize([prompt], length).tolist() != [list(given)]:
            raise ValueError(f"{prompt!r} does not make the case's {name}")


RUNNERS: dict[str, Callable[[Case, Models], Outputs]] = {
    "unet": unet,
    "resampler": resampler,
    "vae": vae,
    "sketch": sketch,
    "schedule": schedule,
    "ddim": trajectory,
    "clip": clip,
    "e2e": end_to_end,
}
