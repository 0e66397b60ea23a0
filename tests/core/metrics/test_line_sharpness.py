import math

import pytest
import torch
from torch import Tensor

from toon_core.metrics.plain.line_sharpness import edge_steepness, line_sharpness_kept


def step(height: float, width: int) -> Tensor:
    """A grey step of `height` that takes `width` pixels: (1 3 32 32)."""
    levels = ((torch.arange(32) - 10) / width).clamp(0, 1) * height
    return levels.expand(1, 3, 32, 32)


@pytest.mark.parametrize(("height", "width"), [(1.0, 1), (0.6, 1), (0.6, 3), (0.25, 8)])
def test_steepness_of_a_step(height: float, width: int) -> None:
    assert edge_steepness(step(height, width)).item() == pytest.approx(height / width, rel=1e-5)
    assert edge_steepness(step(height, width).mT).item() == pytest.approx(height / width, rel=1e-5)


def test_inverse(worsening: list[Tensor]) -> None:
    truth, *_, worst = worsening
    there, back = line_sharpness_kept(worst, truth), line_sharpness_kept(truth, worst)
    assert (there * back).tolist() == pytest.approx([1.0] * len(truth), rel=1e-5)


def test_falls_with_fading(clip: Tensor) -> None:
    fades = [clip.lerp(torch.full_like(clip, 0.5), a) for a in (0.25, 0.5)]
    assert [line_sharpness_kept(x, clip).mean().item() for x in fades] == pytest.approx([0.75, 0.5])


def test_a_ghost_of_two_poses_is_half_as_sharp(clip: Tensor) -> None:
    ghost = (clip[:1] + clip[5:]) / 2
    assert line_sharpness_kept(ghost, clip[2:3]).item() == pytest.approx(0.5, abs=0.05)


def test_a_truth_without_edges_has_no_ratio(clip: Tensor) -> None:
    assert math.isnan(line_sharpness_kept(clip[:1], torch.zeros(1, 3, 64, 64)).item())
