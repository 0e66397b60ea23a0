"""Line drawings of frames, to train the sketch encoder: XDoG.

Winnemoeller, Kyprianidis, Olsen, "XDoG: an eXtended difference-of-Gaussians compendium including
advanced image stylization", Computers & Graphics 36 (2012), eq. 5 (soft threshold) and 7 (DoG).
"""

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional


@dataclass(frozen=True, kw_only=True)
class XDoGConfig:
    """The filter's parameters under the paper's names; `sigma` in pixels of a 128 picture."""

    sigma: float = 0.6
    k: float = 1.6  # ratio of the two Gaussians
    tau: float = 1.0  # weight of the wide one: 1 answers to edges alone, not to tone
    epsilon: float = -0.008  # responses above it are blank paper
    phi: float = 60.0  # steepness of the soft threshold


def xdog(frames: Tensor, config: XDoGConfig | None = None) -> Tensor:
    """Sketches (b 1 h w) in [0, 1], bright lines on black, of frames (b 3 h w) in [-1, 1].

    The filter runs on red, green and blue apart and keeps the darkest answer, so that lines
    between colours of one brightness are found too.
    """
    config = config or XDoGConfig()
    if frames.ndim != 4 or frames.shape[1] != 3:
        raise ValueError(f"frames of shape {tuple(frames.shape)}: expected (b 3 h w)")
    unit = (frames.float() + 1) / 2
    sigma = config.sigma * max(1.0, min(frames.shape[-2:]) / 128)
    response = _blur(unit, sigma) - config.tau * _blur(unit, config.k * sigma)
    darkest = response.amin(1, keepdim=True)
    return torch.tanh(config.phi * (config.epsilon - darkest)).clamp(0, 1)


def _blur(planes: Tensor, sigma: float) -> Tensor:
    """Separable Gaussian of three sigma, edges repeated; sums of shifts beat depthwise convs."""
    radius = max(1, round(3 * sigma))
    offsets = torch.arange(-radius, radius + 1, dtype=torch.float32)
    taps = torch.exp(-(offsets**2) / (2 * sigma**2))
    taps = (taps / taps.sum()).tolist()
    planes = functional.pad(planes, (radius,) * 4, mode="replicate")
    for axis in (-2, -1):
        length = planes.shape[axis] - 2 * radius
        total = planes.narrow(axis, 0, length) * taps[0]
        for start, tap in enumerate(taps[1:], 1):
            total.add_(planes.narrow(axis, start, length), alpha=tap)
        planes = total
    return planes
