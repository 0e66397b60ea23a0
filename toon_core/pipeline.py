"""The method from end to end: two key frames and a prompt to a clip (architecture.md 1)."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from .conditioning.encode import BranchTexts, Keys, encode_branches, encode_keys, frame_rates
from .denoiser import Denoiser
from .devices import moved
from .guidance import Guidance
from .images import Fit
from .model import ToonModel
from .presets import RELEASED, Recipe
from .samplers.ddim import Progress, ddim
from .sketch.control import SketchControl
from .vae.clips import decode

Draw = Callable[[tuple[int, ...]], Tensor]


@torch.inference_mode()
def interpolate(
    model: ToonModel,
    first: Tensor,
    last: Tensor,
    prompt: str = "",
    *,
    negative: str = "",
    recipe: Recipe = RELEASED,
    control: SketchControl | None = None,
    draw: Draw | None = None,
    semantic: Tensor | None = None,
    fs: Tensor | None = None,
    batched: bool = True,
    frames_at_once: int | None = None,
    callback: Progress | None = None,
) -> Tensor:
    """first, last (b 3 h w) in [-1, 1], sizes multiples of 64 -> frames (b 3 f h w), about [-1, 1].

    semantic: the first key before any fit (default: `first`), for the image tokens; draw(shape)
    replaces the random numbers, in the release's order: posterior noise, x_T, one a step; fs (b,):
    frames per second of each clip (default: `recipe.fps` for all). batched, frames_at_once:
    memory, not the result.
    """
    text, image, projector = model.text, model.image, model.resampler
    if text is None or image is None or projector is None:
        raise ValueError(
            "This model has no CLIP text and image encoders (a pruned file): give a complete one."
        )
    r, scale = recipe, model.config.scale_factor
    fs = frame_rates(first, r.fps if fs is None else fs)
    draw = draw or seeded(r.seed, first.device)
    h, w = (side // model.config.vae.downsample for side in first.shape[-2:])
    z = model.config.vae.z_channels
    seen = first if semantic is None else semantic
    texts = BranchTexts.of(text, prompt, negative)
    branches = encode_branches(texts, image, projector, seen, grey=r.grey_uncond_image)
    noise = draw((first.shape[0] * r.frames, z, h, w)).unflatten(0, (-1, r.frames))
    begin, end = (key.to(next(model.vae.parameters()).dtype) for key in (first, last))
    keys = encode_keys(model.vae, begin, end, noise, scale)
    latents = sample(model, keys, branches, fs, r, control, draw, batched, callback)
    z, twice = latents / scale, r.replace_middle_frames
    still = (first, last) if r.keep_still else None
    return decode(model.vae, z, keys.references, twice, frames_at_once, still)


def interpolate_any_size(
    model: ToonModel,
    keys: Tensor,
    prompt: str,
    recipe: Recipe,
    *,
    control: SketchControl | None = None,
    lean: bool = False,
) -> Tensor:
    """keys (2 3 h w) in [-1, 1] -> `recipe.frames` frames, ends included, (f 3 h w) in [-1, 1] on
    the CPU.

    Keys whose size is no multiple of 64 get bars, which are cut off again; `control` is of the size
    with bars. lean: one guidance branch and one frame at a time, slower and in less memory.
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
        batched=not lean,
        frames_at_once=1 if lean else None,
    )
    return fit.undo(made[0].transpose(0, 1)).float().clamp(-1, 1).cpu()


def sample(model, keys: Keys, branches, fs, r: Recipe, control, draw: Draw, batched, callback):
    """Noise to latents (b z f h w), in the keys' precision, by DDIM with guidance; fs (b,)."""
    concat = keys.concat.to(model.dtype)
    shape = tuple(keys.concat.shape)
    table = model.schedule.ddim(r.steps, r.spacing, r.eta)
    denoiser = Denoiser(
        model.unet,
        concat,
        branches,
        fs,
        guidance_of(r),
        control=control,
        batched=batched,
        steps=table.timesteps,
        packed=batched,
        reuse=r.reuse,
    )
    latents = ddim(denoiser, draw(shape), table, lambda: draw(shape), callback, r.temperature)
    return latents.to(keys.concat.dtype)


def guidance_of(r: Recipe) -> Guidance:
    """What a recipe says of guidance."""
    return Guidance(
        cfg_scale=r.cfg_scale,
        cfg_image=r.cfg_image,
        rescale=r.guidance_rescale,
        start=r.cfg_start,
        end=r.cfg_end,
    )


def seeded(seed: int, device: torch.device) -> Draw:
    """Draws on the CPU generator, so that a seed gives the same clip on every device."""
    generator = torch.Generator().manual_seed(seed)
    return lambda shape: moved(torch.randn(shape, generator=generator), device)
