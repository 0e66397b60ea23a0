import pytest
import torch
from torch import Tensor

from toon_core.metrics.plain.colour_drift import mean_lab
from toon_core.metrics.plain.key_drift import key_drift


def test_motion_has_none(clip: Tensor) -> None:
    assert key_drift(clip, clip[0], clip[-1]).max() < 1e-4


def test_a_tint_of_inner_frames_closed_form(clip: Tensor) -> None:
    """Of the ground, which is what the keys share."""
    tinted = clip.clone()
    tinted[2:4] *= 0.9
    ground = torch.tensor([0.2, 0.4, 0.8]).view(1, 3, 1, 1)
    expected = (mean_lab(ground) - mean_lab(0.9 * ground)).norm().item()
    drift = key_drift(tinted, clip[0], clip[-1])
    assert drift.tolist() == pytest.approx([0, 0, expected, expected, 0, 0], abs=1e-4)


def test_a_slow_change_from_key_to_key_is_none() -> None:
    light = torch.linspace(0.5, 0.54, 5).view(5, 1, 1, 1).expand(5, 3, 16, 16)
    assert key_drift(light, light[0], light[-1]).max() < 0.1


def test_equal_keys(clip: Tensor) -> None:
    still = clip[:1].expand(4, -1, -1, -1)
    assert key_drift(still, clip[0], clip[0]).tolist() == [0] * 4


def test_nothing_in_common_is_nan() -> None:
    frames = torch.stack([torch.zeros(3, 8, 8), torch.ones(3, 8, 8)])
    assert key_drift(frames, frames[0], frames[1]).isnan().all()


@pytest.mark.parametrize("size", [(1, 1), (2, 33)])
def test_odd_sizes(size: tuple[int, int]) -> None:
    frames = torch.full((1, 3, *size), 0.5)
    assert key_drift(frames, frames[0], frames[0]).tolist() == [0]


def test_wrong_input_is_named(clip: Tensor) -> None:
    with pytest.raises(ValueError, match="first has values from nan"):
        key_drift(clip, clip[0] * float("nan"), clip[-1])
    with pytest.raises(ValueError, match="last has shape"):
        key_drift(clip, clip[0], clip[-1, :, :10])
