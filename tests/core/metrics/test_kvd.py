from itertools import product

import numpy as np
import pytest
import torch
from scipy.spatial.distance import cdist, pdist
from torch import Tensor
from torchmetrics.image.kid import poly_mmd

from toon_core.metrics.networks.kvd import (
    kernel_distance,
    kernel_matrices,
    median_distance,
    resampled_distances,
)


def normal(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed)).double()


def gaussian_mmd(shift: float, sigma: float, width: int) -> float:
    """Of N(0, I) and N(shift, I): E k = (s^2 / (s^2 + 2))^(d/2) exp(-|m|^2 / (2 (s^2 + 2)))."""
    scale = (sigma**2 / (sigma**2 + 2)) ** (width / 2)
    apart = torch.exp(torch.tensor(-width * shift**2 / (2 * (sigma**2 + 2)))).item()
    return 2 * scale * (1 - apart)


def test_polynomial_equals_torchmetrics() -> None:
    a, b = normal(12, 5), normal(12, 5, seed=1) + 0.3
    assert kernel_distance(a, b) == pytest.approx(poly_mmd(a, b).item(), rel=1e-9)


def test_gaussian_written_out() -> None:
    a, b = normal(7, 3), normal(9, 3, seed=1)
    sigma = float(pdist(torch.cat([a, b]).numpy()).mean())

    def kernel(x: Tensor, y: Tensor) -> Tensor:
        return torch.from_numpy(cdist(x.numpy(), y.numpy())).square().div(-2 * sigma**2).exp()

    aa = [kernel(a, a)[i, j] for i, j in product(range(7), repeat=2) if i != j]
    bb = [kernel(b, b)[i, j] for i, j in product(range(9), repeat=2) if i != j]
    expected = sum(aa) / len(aa) + sum(bb) / len(bb) - 2 * kernel(a, b).mean()
    assert kernel_distance(a, b, "gaussian", sigma) == pytest.approx(expected.item(), rel=1e-9)


def test_sigma_is_the_median_distance() -> None:
    a, b = normal(7, 3), normal(7, 3, seed=1)
    pooled = torch.cat([a, b])
    distances = torch.from_numpy(pdist(pooled.numpy()))
    assert len(distances) % 2 == 1
    assert median_distance(pooled) == pytest.approx(distances.median().item(), rel=1e-9)
    given = kernel_distance(a, b, "gaussian", distances.median().item())
    assert kernel_distance(a, b, "gaussian") == pytest.approx(given, rel=1e-9)
    assert median_distance(torch.ones(3, 2)) == 1


@pytest.mark.parametrize("paired", [False, True])
@pytest.mark.parametrize(
    ("kernel", "shift", "bias"),
    [("gaussian", 0.0, 0.1), ("gaussian", 0.8, 0.1), ("polynomial", 0.0, 2.0)],
)
def test_unbiased(kernel: str, shift: float, bias: float, paired: bool) -> None:
    """The mean over many sets of five is the closed form; a biased one is off by `bias`.

    Paired rows depend on each other: half of each comes from the other."""
    sigma, width, found = 2.0, 3, []
    for i in range(600):
        a, b = normal(5, width, seed=2 * i), normal(5, width, seed=2 * i + 1)
        b = (a + b) / 2**0.5 if paired else b
        found.append(kernel_distance(a, b + shift, kernel, sigma, paired))
    margin = 4 * float(np.std(found)) / len(found) ** 0.5
    assert margin < bias / 3
    expected = gaussian_mmd(shift, sigma, width) if shift else 0  # one distribution: any kernel
    assert np.mean(found) == pytest.approx(expected, abs=margin)
    assert min(found) < 0  # unbiased around 0 has both signs


def test_equal_pairs_are_at_zero_and_others_need_equal_numbers() -> None:
    a = normal(6, 3)
    assert kernel_distance(a, a, paired=True) == pytest.approx(0, abs=1e-12)
    assert kernel_distance(a, a + 0.5, paired=True) > 0.01
    with pytest.raises(ValueError, match="6 clips against 4"):
        kernel_distance(a, a[:4], paired=True)


@pytest.mark.parametrize("kernel", ["polynomial", "gaussian"])
def test_symmetric_and_rising_with_distance(kernel: str) -> None:
    a, b = normal(30, 4), normal(30, 4, seed=1)
    assert kernel_distance(a, b, kernel) == pytest.approx(kernel_distance(b, a, kernel), rel=1e-9)
    found = [kernel_distance(a, b + shift, kernel, 2.0) for shift in (0.0, 0.5, 1.0, 2.0)]
    assert found == sorted(found)
    assert found[1] - found[0] > 0.01


@pytest.mark.parametrize("paired", [False, True])
def test_draws_have_the_estimate_as_their_mean(paired: bool) -> None:
    """Over all 4^4 ways to draw four clips: copies of a clip must not count as its likeness."""
    a, b = normal(4, 3), normal(4, 3, seed=1) + 0.5
    ways = torch.tensor(list(product(range(4), repeat=4)))
    counts = torch.stack([torch.bincount(way, minlength=4) for way in ways])
    drawn = resampled_distances(kernel_matrices(a, b), counts, paired)
    expected = kernel_distance(a, b, paired=paired)
    assert drawn.mean().item() == pytest.approx(expected, rel=1e-9)
    assert drawn.std() > 0


def test_unknown_kernel() -> None:
    with pytest.raises(ValueError, match="polynomial or gaussian"):
        kernel_distance(normal(3, 2), normal(3, 2), "linear")
