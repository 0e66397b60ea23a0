import pytest
import torch
from skimage.metrics import peak_signal_noise_ratio
from torch import Tensor

from toon_core.metrics.plain.psnr import psnr


def test_equals_scikit_image(worsening: list[Tensor]) -> None:
    truth, *worse = worsening
    for frames in worse:
        expected = [
            peak_signal_noise_ratio(t.numpy(), x.numpy(), data_range=1)
            for t, x in zip(truth, frames, strict=True)
        ]
        assert psnr(frames, truth).tolist() == pytest.approx(expected, abs=1e-4)


def test_closed_form() -> None:
    truth = torch.zeros(2, 3, 8, 8)
    assert psnr(truth + 0.1, truth).tolist() == pytest.approx([20, 20], abs=1e-4)


def test_ceiling_is_the_rounding_of_8_bits() -> None:
    truth = torch.rand(1, 3, 256, 256, generator=torch.Generator().manual_seed(0))
    rounded = (truth * 255).round() / 255
    mse = (rounded - truth).double().square().mean()
    assert -10 * torch.log10(mse).item() == pytest.approx(58.92, abs=0.05)
