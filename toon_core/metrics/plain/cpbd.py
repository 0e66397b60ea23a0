"""Cumulative probability of blur detection: sharpness without a reference."""

import math

import torch
from torch import Tensor
from torch.nn import functional as F

from ..frames import check_frames
from ..grey import luma
from ..metric import HIGHER, Comparison, Metric, mean

BLOCK = 64
EDGE_SHARE = 0.002  # of a block's pixels; with fewer edges the block counts as smooth
BETA = 3.6
WIDEST = 100  # pixels an edge is followed to either side
VISIBLE = 0.63  # probability at which a blur is just noticed: 1 - exp(-1)


def cpbd(frames: Tensor) -> Tensor:
    """Share of each frame's edges whose blur is not noticed: (f 3 h w) in [0, 1] -> (f) in [0, 1].

    Narvekar and Karam, "A no-reference image blur metric based on the cumulative probability of
    blur detection (CPBD)", 2011: an edge of width w in a block whose just noticeable width is v (5
    pixels at a contrast up to 50 of 255, else 3) is seen as blurred with the probability
    1 - exp(-(w / v)^3.6); counted are the edges below 0.63. Higher is sharper; 0 without any edge.
    Only whole blocks of 64 x 64 pixels count; ValueError for a smaller frame.
    """
    check_frames(frames)
    if min(frames.shape[-2:]) < BLOCK:
        raise ValueError(
            f"frames are {tuple(frames.shape[-2:])} pixels; CPBD needs a block of {BLOCK} x {BLOCK}"
        )
    levels = (luma(frames.double()) * 255).round()  # the metric is defined on 8-bit grey
    widths, noticed = _blocks(edge_widths(levels)), _just_noticeable(levels)
    probability = 1 - torch.exp(-((widths / noticed[:, :, None]) ** BETA))
    counted = (widths > 0) & _edge_blocks(levels)[:, :, None]
    # The published program rounds to hundredths before it compares.
    sharp = counted & (torch.round(probability * 100) <= round(VISIBLE * 100))
    total = counted.sum(dim=(1, 2))
    return (sharp.sum(dim=(1, 2)) / total.clamp(min=1)).float()


def edge_widths(levels: Tensor) -> Tensor:
    """Width in pixels of the vertical edges of grey images (f h w) in 0..255, else 0: (f h w).

    Marziliano et al., "A no-reference perceptual blur metric", 2002: from the edge to both sides
    as far as the grey rises, or falls, along the row.
    """
    rising, falling = _extent(levels), _extent(-levels)
    angle = _quantised_angle(levels)
    widths = torch.where(angle == 0, rising, torch.where(angle.abs() == 180, falling, 0))
    inside = torch.zeros_like(widths)
    inside[:, 1:-1, 1:-1] = (widths * vertical_edges(levels))[:, 1:-1, 1:-1]
    return inside


def vertical_edges(levels: Tensor) -> Tensor:
    """Thinned Sobel edges of (f h w) in 0..255, as 0 or 1."""
    kernel = levels.new_tensor([[1, 0, -1], [2, 0, -2], [1, 0, -1]]) / 8
    padded = F.pad(levels[:, None], (1, 1, 1, 1), mode="replicate")
    strength = F.conv2d(padded, kernel[None, None])[:, 0].square()
    threshold = 2 * strength.mean(dim=(1, 2), keepdim=True).sqrt()
    strength = torch.where(strength > threshold, strength, 0)
    around = F.pad(strength, (1, 1, 1, 1))
    left, right = around[:, 1:-1, :-2], around[:, 1:-1, 2:]
    above, below = around[:, :-2, 1:-1], around[:, 2:, 1:-1]
    peak = (strength > left) & (strength > right) | (strength > above) & (strength > below)
    return peak.to(levels)


def _extent(levels: Tensor) -> Tensor:
    """Width of a rising edge at each pixel: the rise left of its left neighbour and right of its
    right one, and the two pixels between."""
    rises = levels[..., 1:] > levels[..., :-1]
    before = F.pad(_run(rises), (2, 0))[..., :-1]  # ends at the pixel's left neighbour
    after = F.pad(_run(rises.flip(-1)).flip(-1), (0, 2))[..., 1:]  # starts at its right one
    return (before.clamp(max=WIDEST) + after.clamp(max=WIDEST) + 2).to(levels)


def _run(flags: Tensor) -> Tensor:
    """Length of the run of True that ends at each place, along the last axis."""
    places = torch.arange(1, flags.shape[-1] + 1, device=flags.device).expand(flags.shape)
    return places - torch.where(flags, 0, places).cummax(dim=-1).values


def _quantised_angle(levels: Tensor) -> Tensor:
    """Direction of the gradient in degrees, to the nearest 45; 0 also where no x part is."""
    y, x = torch.gradient(levels, dim=(1, 2))
    angle = torch.where(x == 0, 0, torch.rad2deg(torch.atan2(y, x)))
    return 45 * torch.round(angle / 45)


def _blocks(image: Tensor) -> Tensor:
    """(f h w) -> (f blocks pixels), without what is left at the right and lower border."""
    rows, columns = (n // BLOCK for n in image.shape[-2:])
    whole = image[:, : rows * BLOCK, : columns * BLOCK]
    parts = whole.unflatten(1, (rows, BLOCK)).unflatten(3, (columns, BLOCK))
    return parts.transpose(2, 3).flatten(1, 2).flatten(2)


def _just_noticeable(levels: Tensor) -> Tensor:
    blocks = _blocks(levels)
    contrast = blocks.amax(dim=2) - blocks.amin(dim=2)
    return torch.where(contrast <= 50, 5.0, 3.0)


def _edge_blocks(levels: Tensor) -> Tensor:
    """Which blocks hold enough Canny edges: bool (f blocks)."""
    from kornia.filters import canny

    # Thresholds as scikit-image has them for this range; nearly any change is an edge.
    edges = canny(levels[:, None].float(), low_threshold=0.1, high_threshold=0.2)[1][:, 0]
    return _blocks(edges).sum(dim=2) > EDGE_SHARE * BLOCK**2


def _of_clip(clip: Comparison) -> float:
    """NaN where the frames are too small for a block."""
    return mean(cpbd(clip.inner)) if min(clip.frames.shape[-2:]) >= BLOCK else math.nan


METRICS = (
    Metric(
        key="cpbd",
        title="CPBD",
        better=HIGHER,
        digits=3,
        meaning="share of edges whose blur is not noticed, without looking at the truth. A held "
        "key has it all.",
        compute=_of_clip,
        place=60,
    ),
)
