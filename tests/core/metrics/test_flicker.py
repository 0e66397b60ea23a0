import numpy as np
import pytest
import torch
from scipy.ndimage import map_coordinates
from torch import Tensor

from toon_core.metrics.networks.flicker import visible, warp, warping_error


def still(now: Tensor, later: Tensor) -> tuple[Tensor, Tensor]:
    return (torch.zeros(len(now), 2, *now.shape[-2:]),) * 2


def test_warp_equals_scipy() -> None:
    generator = torch.Generator().manual_seed(0)
    image = torch.rand(1, 1, 12, 15, generator=generator)
    flow = 3 * torch.randn(1, 2, 12, 15, generator=generator)
    y, x = np.mgrid[:12, :15]
    places = [y + flow[0, 1].numpy(), x + flow[0, 0].numpy()]
    expected = map_coordinates(image[0, 0].numpy(), places, order=1, mode="nearest")
    assert warp(image, flow)[0, 0].numpy() == pytest.approx(expected, abs=1e-5)


def test_a_change_of_brightness_closed_form() -> None:
    frames = torch.full((3, 3, 16, 16), 0.5)
    steps = torch.tensor([0.0, 0.1, 0.3]).view(3, 1, 1, 1)
    assert warping_error(frames, frames + steps, still).tolist() == pytest.approx([0, 0.01, 0.09])


def test_rises_with_noise(clip: Tensor) -> None:
    generator = torch.Generator().manual_seed(0)
    noise = [torch.randn(clip[:1].shape, generator=generator) for _ in range(2)]
    grey = 0.4 + 0.2 * clip[:1]
    errors = [
        warping_error(grey + s * noise[0], grey + s * noise[1], still).item()
        for s in (0.0, 0.02, 0.05)
    ]
    assert errors == pytest.approx([0, 2 * 0.02**2, 2 * 0.05**2], rel=0.05)


def test_hidden_pixels_are_left_out() -> None:
    """Left half: the flows are opposite; right half: both lead the same way."""
    there = torch.zeros(1, 2, 8, 8)
    there[:, 0] = 3
    back = -there
    back[..., 4:] = 3
    assert visible(there, back)[0, 0].sum(dim=0).tolist() == [8] * 4 + [0] * 4
    now = torch.full((1, 3, 8, 8), 0.2)
    later = now.clone()
    later[..., 6:] = 1.0

    def flow(a: Tensor, b: Tensor) -> tuple[Tensor, Tensor]:
        hidden = torch.zeros(1, 2, 8, 8)
        hidden[..., 6:] = 5
        return hidden, hidden

    assert warping_error(now, later, flow).item() == 0


def test_frames_of_unequal_number(clip: Tensor) -> None:
    with pytest.raises(ValueError, match="differ in shape"):
        warping_error(clip[:2], clip[:3], still)
