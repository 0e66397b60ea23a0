"""Random numbers in the release's order (architecture.md 8.5): from one seed come the posterior
noise of the keys, then x_T, then one draw for each step.

Toon Encode Keys takes the first, the samplers the rest, so that one seed in both gives the clip
that `toon_core.pipeline.interpolate` gives.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from ..toon_core import pipeline

CPU = torch.device("cpu")


def posterior_noise(seed: int, clips: int, frames: int, channels: int, h: int, w: int) -> Tensor:
    """(clips frames channels h w)."""
    drawn = pipeline.seeded(seed, CPU)((clips * frames, channels, h, w))
    return drawn.unflatten(0, (clips, frames))


def sampling_draws(seed: int, shape: Sequence[int]) -> Callable[[tuple[int, ...]], Tensor]:
    """The draws after the keys' for latents (b z f h w): x_T first."""
    b, z, f, h, w = shape
    draw = pipeline.seeded(seed, CPU)
    draw((b * f, z, h, w))
    return draw


class ReleaseNoise:
    """ComfyUI's NOISE: x_T as Toon Sample draws it."""

    def __init__(self, seed: int) -> None:
        self.seed = seed

    def generate_noise(self, input_latent: dict) -> Tensor:
        shape = tuple(input_latent["samples"].shape)
        return sampling_draws(self.seed, shape)(shape)
