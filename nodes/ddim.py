"""The release's DDIM step as a sampler function for ComfyUI (architecture.md 8.2)."""

from __future__ import annotations

from typing import Any

import numpy as np
from torch import Tensor
from tqdm.auto import trange

from ..toon_core.devices import moved
from .model_sampling import ToonModelSampling
from .noise import sampling_draws
from .recipe import followed


def sample_ddim(
    model: Any,
    x: Tensor,
    sigmas: Tensor,
    extra_args: dict[str, Any] | None = None,
    callback: Any = None,
    disable: bool | None = None,
    eta: float = -1.0,
) -> Tensor:
    """x (b c f h w) = x0 + sigma eps at sigmas[0], to sigmas[-1], with ComfyUI's conventions.

    eta: 0 to 1, -1 for that of the model's recipe. Step noise comes from the seed as Toon Sample
    draws it, after x_T, times the temperature of the MODEL.
    """
    extra_args = extra_args or {}
    inner = model.inner_model.inner_model
    sampling = inner.model_sampling
    if not isinstance(sampling, ToonModelSampling):
        raise ValueError("Toon DDIM Sampler needs the MODEL of Toon Load Model.")
    eta = followed(inner.toon.recipe, eta=eta)[0].eta
    draw = sampling_draws(extra_args.get("seed") or 0, x.shape)
    draw(tuple(x.shape))
    rows = coefficients(sampling, sigmas.cpu(), eta)
    ones = x.new_ones([x.shape[0]])
    for i in trange(len(rows), disable=disable):
        denoised = model(x, sigmas[i] * ones, **extra_args)
        keep, fresh = rows[i]
        noise = sampling.temperature * moved(draw(tuple(x.shape)), x.device, x.dtype)
        x = denoised + keep * (x - denoised) + fresh * noise
        if callback is not None:
            step = {"x": x, "i": i, "sigma": sigmas[i], "sigma_hat": sigmas[i]}
            callback({**step, "denoised": denoised})
    return x


def coefficients(
    sampling: ToonModelSampling, sigmas: Tensor, eta: float
) -> list[tuple[float, float]]:
    """For each step the factors of X - x0, which is sigma eps, and of the fresh noise.

    In terms of X the dynamic rescale disappears: it is in the sigmas. At the last step s stays
    what it was, as in the release.
    """
    bar, _, s = (t.numpy().astype(np.float64) for t in sampling.signal(sigmas))
    levels = sigmas.numpy().astype(np.float64)
    s_next = np.concatenate([s[1:-1], s[-2:-1]])
    bar_next = 1 / (1 + (levels[1:] * s_next) ** 2)
    bar, sigma = bar[:-1], levels[:-1]
    var = eta**2 * (1 - bar_next) / (1 - bar) * (1 - bar / bar_next)
    unit = np.sqrt(bar_next) * s_next
    keep = np.sqrt(np.maximum(1 - bar_next - var, 0)) / unit / sigma
    fresh = np.sqrt(np.maximum(var, 0)) / unit
    return list(zip(keep.tolist(), fresh.tolist(), strict=True))
