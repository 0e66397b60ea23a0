"""Where a drawing has lines and edges, and how dark they are against what is around them."""

import torch
from torch import Tensor
from torch.nn import functional as F

SIGMA, RATIO = 0.6, 1.6  # of the narrow Gaussian in pixels; of the wide one over it
LINE = 0.03  # answer from which a pixel belongs to a line


def line_map(frames: Tensor) -> Tensor:
    """Answer to lines and the dark sides of edges: (f 3 h w) in [0, 1] -> (f h w), 0 is none.

    How much darker the narrow Gaussian is than the wide one in the colour where it is most: the
    difference of Gaussians of Winnemoeller, Kyprianidis and Olsen, "XDoG", 2012, equation 7 with
    tau = 1, without its threshold, so that a line at half its contrast gives half the answer. The
    widths suit pictures of about 128 rows.
    """
    narrow, wide = _blur(frames.float(), SIGMA), _blur(frames.float(), RATIO * SIGMA)
    return (wide - narrow).amax(dim=1).clamp(min=0)


def near(planes: Tensor, pixels: int) -> Tensor:
    """Largest value of (f h w) within so many pixels to each side."""
    return F.max_pool2d(planes[:, None], 2 * pixels + 1, stride=1, padding=pixels)[:, 0]


def _blur(pictures: Tensor, sigma: float) -> Tensor:
    """Separable Gaussian of three sigma, edges repeated."""
    radius = max(1, round(3 * sigma))
    offsets = torch.arange(-radius, radius + 1, device=pictures.device, dtype=pictures.dtype)
    taps = torch.exp(-(offsets**2) / (2 * sigma**2))
    taps = taps / taps.sum()
    for axis in (-2, -1):
        ends = (0, 0, radius, radius) if axis == -2 else (radius, radius, 0, 0)
        padded = F.pad(pictures, ends, mode="replicate")
        pictures = padded.unfold(axis, 2 * radius + 1, 1) @ taps
    return pictures
