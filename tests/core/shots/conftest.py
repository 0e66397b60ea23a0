"""Drawings that the tests of shots share."""

import pytest
import torch
from torch import Tensor


def disc(x: float, size: tuple[int, int] = (96, 128), colour: float = 0.9) -> Tensor:
    """A disc with a dark line around it and spots, over a ground of stripes: (3 h w)."""
    rows, columns = torch.meshgrid(torch.arange(size[0]), torch.arange(size[1]), indexing="ij")
    picture = torch.tensor([0.3, 0.55, 0.8]).view(3, 1, 1).expand(3, *size).clone()
    picture[:, rows % 24 < 2] = 0.4
    radius = torch.hypot(columns - x, rows - size[0] / 2.0)
    picture[:, radius < 20] = 0.05
    picture[:, radius < 18] = torch.tensor([colour, 0.7, 0.2]).view(3, 1)
    picture[:, torch.hypot(columns - x - 6, rows - size[0] / 2.0 + 6) < 4] = 0.1
    return picture


@pytest.fixture
def shot() -> Tensor:
    """Ten frames of a disc that moves to the right: (10 3 96 128)."""
    return torch.stack([disc(30 + 7 * i) for i in range(10)])
