import numpy as np
import pytest
import torch
from scipy.ndimage import correlate1d
from torch import Tensor

from toon_core.metrics.grey import luma
from toon_core.metrics.metric import Comparison, measure
from toon_core.metrics.plain.motion_ratio import mean_change
from toon_core.metrics.plain.vmaf_motion import vmaf_motion
from toon_core.metrics.registry import metrics

TAPS = (0.054488685, 0.244201342, 0.402619947, 0.244201342, 0.054488685)  # VMAF's own


def test_it_is_the_published_filter(clip: Tensor) -> None:
    """By scipy's correlation with the filter as published."""
    y = luma(clip.double()).numpy() * 255
    for axis in (1, 2):
        y = correlate1d(y, TAPS, axis=axis, mode="mirror")
    steps = np.abs(np.diff(y, axis=0)).mean(axis=(1, 2))
    expected = [*np.minimum(steps[:-1], steps[1:]), steps[-1]]
    assert vmaf_motion(clip).tolist() == pytest.approx(expected, rel=1e-5)


def test_a_jump_between_held_drawings_is_hardly_motion(clip: Tensor) -> None:
    jump = torch.cat([clip[:1].expand(3, -1, -1, -1), clip[-1:].expand(3, -1, -1, -1)])
    assert vmaf_motion(jump).tolist() == [0, 0, 0, 0, 0]
    assert mean_change(jump) > 0.01, "motion ratio takes it for motion"


def test_noise_of_single_pixels_counts_less_than_motion(clip: Tensor) -> None:
    generator = torch.Generator().manual_seed(0)
    still = clip[:1].expand(6, -1, -1, -1)
    noise = torch.randn(clip.shape, generator=generator) * mean_change(clip) * 1.6
    noisy = (still + noise).clamp(0, 1)
    assert mean_change(noisy) > mean_change(clip)
    assert vmaf_motion(noisy).mean() < 0.6 * vmaf_motion(clip).mean()


def test_it_is_a_column_without_any_other_change(clip: Tensor) -> None:
    compared = Comparison(frames=clip, first=clip[0], last=clip[-1])
    value = measure(metrics("plain"), compared)["vmaf_motion"]
    assert value == pytest.approx(vmaf_motion(clip[1:-1]).mean().item())


@pytest.mark.parametrize("shape", [(1, 3, 8, 8), (4, 3, 2, 8)])
def test_too_little_is_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match="at least 2 frames of at least 3x3"):
        vmaf_motion(torch.zeros(shape))
