"""The method from end to end: two key frames and a prompt to a clip (architecture.md 1)."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from .conditioning.encode import Keys, encode_branches, encode_keys
from .denoiser import Denoiser, Guidance
from .model import ToonModel
from .presets import RELEASED, Recipe
from .samplers.ddim import Progress, ddim
from .sketch.control import SketchControl
from .vae.autoencoder import Autoencoder

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
    batched: bool = True,
    frames_at_once: int | None = None,
    callback: Progress | None = None,
) -> Tensor:
    """first, last (b 3 h w) in [-1, 1], sizes multiples of 64 -> frames (b 3 f h w), about [-1, 1].

    semantic: the first key before any fit (default: `first`), for the image tokens; draw(shape)
    replaces the random numbers, in the release's order: posterior noise, x_T, one a step. batched,
    frames_at_once: memory, not the result.
    """
    r, scale = recipe, model.config.scale_factor
    draw = draw or seeded(r.seed, first.device)
    h, w = (side // model.config.vae.downsample for side in first.shape[-2:])
    z = model.config.vae.z_channels
    seen = first if semantic is None else semantic
    branches = encode_branches(
        model.text, model.image, model.resampler, seen, prompt, negative, grey=r.grey_uncond_image
    )
    noise = draw((first.shape[0] * r.frames, z, h, w)).unflatten(0, (-1, r.frames))
    keys = encode_keys(model.vae, first.to(model.dtype), last.to(model.dtype), noise, scale)
    latents = sample(model, keys, branches, r, control, draw, batched, callback)
    references, twice = keys.references, r.replace_middle_frames
    return decode(model.vae, latents / scale, references, twice, frames_at_once)


def sample(model, keys: Keys, branches, r: Recipe, control, draw: Draw, batched, callback):
    """Noise to latents (b z f h w) by DDIM with guidance."""
    guidance = Guidance(cfg_scale=r.cfg_scale, cfg_image=r.cfg_image, rescale=r.guidance_rescale)
    fs = torch.full((keys.concat.shape[0],), r.fps, device=keys.concat.device)
    denoiser = Denoiser(
        model.unet, keys.concat, branches, fs, guidance, control=control, batched=batched
    )
    shape = tuple(keys.concat.shape)
    table = model.schedule.ddim(r.steps, r.spacing, r.eta)
    latents = ddim(denoiser, draw(shape), table, lambda: draw(shape), callback, r.temperature)
    return latents.to(keys.concat.dtype)


def decode(
    vae: Autoencoder,
    z: Tensor,
    references: list[Tensor],
    replace_middle: bool = True,
    frames_at_once: int | None = None,
    progress: Callable[[float], object] = lambda part: None,
) -> Tensor:
    """z (b c f h w), unscaled -> frames. replace_middle: the two middle frames come from a second
    decode without frames 1 and f-2 (architecture.md 8.6); needs at least 4 frames. progress:
    called with the part that is done, up to 1."""
    total = z.shape[2]
    twice = replace_middle and total >= 4 and not vae.config.plain  # plain: no frame sees another
    share = 0.5 if twice else 1.0
    options = {"frames_at_once": frames_at_once, "progress": lambda part: progress(share * part)}
    frames = vae.decode(z, references, **options)
    if not twice:
        return frames
    kept = [i for i in range(total) if i not in (1, total - 2)]
    options["progress"] = lambda part: progress(share + share * part)
    second = vae.decode(z[:, :, kept], references, **options)
    for i in (total // 2 - 1, total // 2):
        if i in kept:
            frames[:, :, i] = second[:, :, kept.index(i)]
    return frames


def seeded(seed: int, device: torch.device) -> Draw:
    """Draws on the CPU generator, so that a seed gives the same clip on every device."""
    generator = torch.Generator().manual_seed(seed)
    return lambda shape: torch.randn(shape, generator=generator).to(device)
