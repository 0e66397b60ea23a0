import numpy as np
import pytest
import torch
from scipy.linalg import sqrtm
from torch import Tensor
from torchmetrics.image.fid import _compute_fid

from toon_core.metrics.networks.fvd import clips_needed, frechet_distance, gaussian_distance


def features(n: int, seed: int, width: int = 6) -> Tensor:
    """Correlated normal features."""
    generator = torch.Generator().manual_seed(seed)
    mix = torch.randn(width, width, generator=generator)
    return torch.randn(n, width, generator=generator) @ mix + seed


def test_two_gaussians_closed_form() -> None:
    """Diagonal covariances: |m|^2 + sum (s_a - s_b)^2 of the standard deviations."""
    mean, a, b = torch.tensor([3.0, 4.0]), torch.tensor([1.0, 2.0]), torch.tensor([2.0, 5.0])
    zero = torch.zeros(2)
    found = gaussian_distance(zero, a.square().diag(), mean, b.square().diag())
    assert found == pytest.approx(25 + 1 + 9, rel=1e-6)


def test_equals_scipy_and_torchmetrics() -> None:
    a, b = features(50, 0), features(40, 1)
    moments = [(x.double().mean(dim=0), x.double().T.cov()) for x in (a, b)]
    (mean_a, cov_a), (mean_b, cov_b) = moments
    product = sqrtm((cov_a @ cov_b).numpy()).real
    by_scipy = np.square((mean_a - mean_b).numpy()).sum() + np.trace(
        (cov_a + cov_b).numpy() - 2 * product
    )
    assert frechet_distance(a, b) == pytest.approx(by_scipy, rel=1e-8)
    assert frechet_distance(a, b) == pytest.approx(
        _compute_fid(mean_a, cov_a, mean_b, cov_b).item(), rel=1e-6
    )


def test_sets_of_one_distribution_are_near() -> None:
    generator = torch.Generator().manual_seed(5)
    near, far = (torch.randn(4000, 6, generator=generator) for _ in range(2))
    assert frechet_distance(near, far) < 0.02
    assert frechet_distance(near, far + 0.5) == pytest.approx(6 * 0.25, abs=0.05)


def test_few_clips_are_too_high_but_finite() -> None:
    """Below full rank the estimate is no use: the reason for `clips_needed`."""
    generator = torch.Generator().manual_seed(5)
    found = [
        frechet_distance(*(torch.randn(n, 32, generator=generator) for _ in range(2)))
        for n in (8, 33, 400)
    ]
    assert found == sorted(found, reverse=True)
    assert found[0] > 20 > 2 > found[2]
    assert clips_needed(32) == 33


@pytest.mark.parametrize(
    ("a", "b", "words"),
    [
        (torch.zeros(3, 4), torch.zeros(3, 5), "of one network"),
        (torch.zeros(1, 4), torch.zeros(3, 4), "at least 2 clips"),
        (torch.full((3, 4), float("nan")), torch.zeros(3, 4), "not finite"),
    ],
)
def test_bad_features_are_named(a: Tensor, b: Tensor, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        frechet_distance(a, b)
