import numpy as np
import pytest
import torch
from torch import Tensor

from toon_core.metrics.plain.crossfade_residual import crossfade_residual


def test_a_crossfade_and_the_keys_have_none(clip: Tensor) -> None:
    first, last = clip[0], clip[-1]
    fade = torch.stack([first.lerp(last, a) for a in (0.0, 0.1, 0.37, 0.5, 0.9, 1.0)])
    assert crossfade_residual(fade, first, last).tolist() == pytest.approx([0] * 6, abs=1e-6)


def test_equals_bounded_least_squares(clip: Tensor) -> None:
    first, last = clip[0], clip[-1]
    step = (last - first).flatten().double().numpy()
    residuals = crossfade_residual(clip, first, last)
    for frame, residual in zip(clip, residuals, strict=True):
        offset = (frame - first).flatten().double().numpy()
        blends = np.linspace(0, 1, 2001)[:, None] * step
        best = np.sqrt(np.square(offset - blends).mean(axis=1)).min()
        assert residual.item() == pytest.approx(best, abs=1e-4)


def test_alpha_stays_between_the_keys() -> None:
    first, last = torch.full((3, 8, 8), 0.4), torch.full((3, 8, 8), 0.5)
    beyond = torch.full((1, 3, 8, 8), 0.8)
    assert crossfade_residual(beyond, first, last).item() == pytest.approx(0.3, abs=1e-6)


def test_equal_keys_leave_the_plain_distance(clip: Tensor) -> None:
    key = torch.full((3, 64, 64), 0.5)
    frames = torch.full((2, 3, 64, 64), 0.75)
    assert crossfade_residual(frames, key, key).tolist() == pytest.approx([0.25, 0.25])


def test_motion_has_more_than_a_fade_towards_it(clip: Tensor) -> None:
    first, last = clip[0], clip[-1]
    fade = torch.stack([first.lerp(last, i / 5) for i in range(6)])
    scores = [
        crossfade_residual(fade.lerp(clip, a)[1:-1], first, last).mean().item()
        for a in (0.0, 0.3, 0.6, 1.0)
    ]
    assert scores == sorted(scores)
    assert scores[-1] > 0.05


def test_wrong_key_is_named(clip: Tensor) -> None:
    with pytest.raises(ValueError, match="last has shape"):
        crossfade_residual(clip, clip[0], clip[0, :, :10])
