"""Structural similarity."""

import torch
from torch import Tensor
from torch.nn import functional as F

from ..frames import check_pair
from ..metric import HIGHER, Metric, mean


def ssim(frames: Tensor, truth: Tensor, window: int = 11, sigma: float = 1.5) -> Tensor:
    """SSIM of each frame, higher is better, at most 1: (f 3 h w), (f 3 h w) in [0, 1] -> (f).

    With m, v and c the means, variances and the covariance of x and y under a Gaussian window,
    (2 m_x m_y + c1) (2 c_xy + c2) / ((m_x^2 + m_y^2 + c1) (v_x + v_y + c2)), c1 = 0.01^2 and
    c2 = 0.03^2, averaged over the positions where the window lies inside the frame and over the
    colour channels: Wang et al., "Image quality assessment: from error visibility to structural
    similarity", 2004, equation 13. ValueError if the frame is smaller than the window.
    """
    check_pair(frames, truth)
    if min(frames.shape[-2:]) < window:
        raise ValueError(
            f"frames are {tuple(frames.shape[-2:])} pixels, smaller than the SSIM window of "
            f"{window}; score larger frames"
        )
    x, y = frames.double(), truth.double()
    weights = _gaussian(window, sigma).to(x)
    rows, columns = (_bands(weights, n) for n in x.shape[-2:])

    def blur(image: Tensor) -> Tensor:
        return rows @ image @ columns.T

    mean_x, mean_y = blur(x), blur(y)
    var_x = blur(x * x) - mean_x.square()
    var_y = blur(y * y) - mean_y.square()
    cov = blur(x * y) - mean_x * mean_y
    c1, c2 = 0.01**2, 0.03**2
    luminance = (2 * mean_x * mean_y + c1) / (mean_x.square() + mean_y.square() + c1)
    structure = (2 * cov + c2) / (var_x + var_y + c2)
    return (luminance * structure).mean(dim=(1, 2, 3)).float()


def _gaussian(window: int, sigma: float) -> Tensor:
    offsets = torch.arange(window, dtype=torch.float64) - (window - 1) / 2
    weights = torch.exp(-offsets.square() / (2 * sigma**2))
    return weights / weights.sum()


def _bands(weights: Tensor, size: int) -> Tensor:
    """Matrix (size - window + 1, size) that slides the window along one side.

    As a matrix product the double-precision filter is several times faster than a convolution.
    """
    spare = size - len(weights)
    return torch.stack([F.pad(weights, (i, spare - i)) for i in range(spare + 1)])


METRICS = (
    Metric(
        key="ssim",
        title="SSIM",
        better=HIGHER,
        digits=3,
        meaning="likeness of local structure (Gaussian window 11, sigma 1.5), at most 1.",
        compute=lambda clip: mean(ssim(clip.inner, clip.true)),
        needs=("truth",),
        place=80,
    ),
)
