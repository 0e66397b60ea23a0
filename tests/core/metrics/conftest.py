"""Small clips the metric tests share, and what damages them."""

from collections.abc import Callable

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F


def disc_clip(frames: int = 6, size: int = 64, step: float = 5.0) -> Tensor:
    """A dark-edged yellow disc that moves right over a blue ground: (f 3 h w) in [0, 1]."""
    y, x = torch.meshgrid(torch.arange(size), torch.arange(size), indexing="ij")
    images = []
    for i in range(frames):
        radius = torch.hypot(x - (16.0 + i * step), y - size / 2.0)
        image = torch.tensor([0.2, 0.4, 0.8]).view(3, 1, 1).expand(3, size, size).clone()
        image[:, radius < 13] = 0.05
        image[:, radius < 10] = torch.tensor([1.0, 0.85, 0.2]).view(3, 1)
        images.append(image)
    return torch.stack(images)


def blurred(frames: Tensor, radius: int) -> Tensor:
    """Box blur of the frames, with the border repeated."""
    padded = F.pad(frames, (radius,) * 4, mode="replicate")
    return F.avg_pool2d(padded, 2 * radius + 1, stride=1)


def noisy(frames: Tensor, sigma: float) -> Tensor:
    noise = torch.randn(frames.shape, generator=torch.Generator().manual_seed(0))
    return (frames + sigma * noise).clamp(0, 1)


def shifted(frames: Tensor, pixels: int) -> Tensor:
    return frames.roll(pixels, dims=-1)


# Six frames; the ends stay. Each leaves more frames, or the same further, out of their place.
ORDERS = ([0, 2, 1, 3, 4, 5], [0, 2, 1, 4, 3, 5], [0, 3, 1, 4, 2, 5])


def damaged(clip: Tensor, kind: str) -> list[Tensor]:
    """Three steps, each worse than the one before."""
    return {
        "blur": lambda: [blurred(clip, r) for r in (1, 2, 4)],
        "noise": lambda: [noisy(clip, s) for s in (0.05, 0.15, 0.4)],
        "shift": lambda: [shifted(clip, p) for p in (1, 3, 8)],
        "shuffle": lambda: [clip[order] for order in ORDERS],
    }[kind]()


@pytest.fixture
def clip() -> Tensor:
    return disc_clip()


@pytest.fixture
def worsen() -> Callable[[Tensor, str], list[Tensor]]:
    return damaged


@pytest.fixture(params=["blur", "noise", "shift"])
def worsening(request: pytest.FixtureRequest, clip: Tensor) -> list[Tensor]:
    """The clip, then three steps worse each: any fidelity metric must follow the order."""
    return [clip, *damaged(clip, request.param)]
