import pytest
import torch
from skimage.metrics import structural_similarity
from torch import Tensor

from toon_core.metrics.plain.ssim import ssim


def reference(frame: Tensor, truth: Tensor) -> float:
    return structural_similarity(
        truth.double().numpy(),
        frame.double().numpy(),
        data_range=1,
        channel_axis=0,
        gaussian_weights=True,
        sigma=1.5,
        use_sample_covariance=False,
    )


def test_equals_scikit_image(worsening: list[Tensor]) -> None:
    truth, *worse = worsening
    for frames in worse:
        expected = [reference(x, t) for x, t in zip(frames, truth, strict=True)]
        assert ssim(frames, truth).tolist() == pytest.approx(expected, abs=1e-5)


def test_constants_closed_form() -> None:
    a, b = 0.25, 0.5
    x, y = torch.full((1, 3, 16, 16), a), torch.full((1, 3, 16, 16), b)
    expected = (2 * a * b + 1e-4) / (a * a + b * b + 1e-4)
    assert ssim(x, y).item() == pytest.approx(expected, abs=1e-6)


def test_frame_smaller_than_window() -> None:
    with pytest.raises(ValueError, match="window of 11"):
        ssim(torch.zeros(1, 3, 8, 8), torch.zeros(1, 3, 8, 8))
