"""Kernel video distance: the unbiased squared maximum mean discrepancy of video features."""

from collections.abc import Iterator
from typing import Literal, get_args

import torch
from torch import Tensor

from ..metric import LOWER, SetMetric
from .fvd import OF_I3D, OF_TRANSNET, check_features

Kernel = Literal["polynomial", "gaussian"]


def kernel_distance(
    a: Tensor,
    b: Tensor,
    kernel: Kernel = "polynomial",
    sigma: float | None = None,
    paired: bool = False,
) -> float:
    """KVD of two sets of features, one row a clip: (n d), (m d); lower is better.

    MMD^2 = sum_{i != j} k(a_i, a_j) / (n (n - 1)) + sum_{i != j} k(b_i, b_j) / (m (m - 1))
    - 2 sum_ij k(a_i, b_j) / (n m) (Gretton et al., "A kernel two-sample test", 2012, equation 3).
    It is unbiased, so around 0 for equal distributions and possibly below, as long as the sets are
    independent. Where row i of a was made from the keys of row i of b they are not: `paired`
    leaves i = j out of the last sum too (their equation 4), which is unbiased again, and 0 for
    equal sets. Kernels: `kernel_matrices`.
    """
    aa, bb, ab = kernel_matrices(a, b, kernel, sigma)
    n, m = ab.shape
    if paired:
        return (_pairs(aa, bb, ab).sum() / (n * (n - 1))).item()
    within = _off_diagonal(aa).sum() / (n * (n - 1)) + _off_diagonal(bb).sum() / (m * (m - 1))
    return (within - 2 * ab.mean()).item()


def kernel_matrices(
    a: Tensor, b: Tensor, kernel: Kernel = "polynomial", sigma: float | None = None
) -> tuple[Tensor, Tensor, Tensor]:
    """k of the rows of (a, a), (b, b) and (a, b) in double precision.

    polynomial: (x.y / d + 1)^3, as KVD and KID are published (Unterthiner et al., 2018).
    gaussian: exp(-|x - y|^2 / (2 sigma^2)), as on the slides of the ToonCrafter paper; `sigma` is
    by default the median distance of all rows (Gretton et al., 2012, section 8). Give one sigma
    to compare several sets.
    """
    check_features(a, b)
    a, b = a.double(), b.double()
    if kernel == "polynomial":
        aa, bb, ab = ((x @ y.T / a.shape[1] + 1) ** 3 for x, y in ((a, a), (b, b), (a, b)))
        return aa, bb, ab
    if kernel != "gaussian":
        raise ValueError(f"kernel {kernel!r} is not known; give polynomial or gaussian")
    wide = sigma or median_distance(torch.cat([a, b]))
    aa, bb, ab = (
        torch.exp(-torch.cdist(x, y).square() / (2 * wide**2)) for x, y in ((a, a), (b, b), (a, b))
    )
    return aa, bb, ab


def median_distance(features: Tensor) -> float:
    """Median distance of two different rows of (n d), and 1 where all rows are equal."""
    return torch.pdist(features.double()).median().item() or 1.0


def resampled_distances(
    matrices: tuple[Tensor, Tensor, Tensor], counts: Tensor, paired: bool = False
) -> Tensor:
    """Bootstrap draws of the KVD of n pairs: counts (r n), how often each pair is drawn -> (r).

    A clip is never compared with its own copies, as the estimator leaves out i = j, and where it
    does not, row i of a is compared with row i of b as often as it is drawn; so the mean of the
    draws is the estimate itself.
    """
    aa, bb, ab = matrices
    w, n = counts.double(), counts.shape[1]
    if paired:
        others, own = _pairs(aa, bb, ab) / (n * (n - 1)), torch.zeros(n).double()
    else:
        others = _off_diagonal(aa + bb) / (n * (n - 1)) - _off_diagonal(ab + ab.T) / n**2
        own = -2 * ab.diagonal() / n**2
    # Drawing n of n with replacement, the mean of w_i w_j is (n - 1) / n.
    return (w @ others * w).sum(dim=1) * n / (n - 1) + w @ own


def _pairs(aa: Tensor, bb: Tensor, ab: Tensor) -> Tensor:
    if ab.shape[0] != ab.shape[1]:
        raise ValueError(f"{ab.shape[0]} clips against {ab.shape[1]}; pairs need equally many")
    return _off_diagonal(aa + bb - ab - ab.T)


def _off_diagonal(matrix: Tensor) -> Tensor:
    return matrix - torch.diag(matrix.diagonal())


# As usually published, and as on the paper's slides.
KERNELS: dict[Kernel, str] = {
    "polynomial": "polynomial kernel (a.b / d + 1)^3",
    "gaussian": "Gaussian kernel, sigma the median distance in the truth",
}
AS_PUBLISHED = "a clip to its own truth among them, as it is published"
PAIRED = (
    "never of a clip to its own truth, whose keys it was made from: published KVD, which is for "
    "independent sets, has these pairs too and is smaller for it"
)


def _metric(
    kernel: Kernel, key: str, title: str, network: str, paired: bool, place: int
) -> SetMetric:
    # Of the truth's features alone, so that every system is measured with the same kernel.
    def sigma(b: Tensor) -> float | None:
        return median_distance(b) if kernel == "gaussian" else None

    def resample(a: Tensor, b: Tensor, draws: Tensor) -> Tensor:
        counts = torch.zeros(len(draws), len(a)).scatter_add_(1, draws, torch.ones(draws.shape))
        return resampled_distances(kernel_matrices(a, b, kernel, sigma(b)), counts, paired)

    [other] = KERNELS.keys() - {kernel}
    return SetMetric(
        key=key,
        title=title,
        better=LOWER,
        digits=4,
        meaning=f"unbiased squared MMD ({KERNELS[kernel]}) of all clips' features to those of the "
        f"truth, {PAIRED if paired else AS_PUBLISHED}. It may fall below 0. Option: --kvd-kernel "
        f"{other} ({KERNELS[other]}). {OF_I3D if network == 'i3d' else OF_TRANSNET}",
        compute=lambda a, b: kernel_distance(a, b, kernel, sigma(b), paired),
        resample=resample,
        needs=(network,),
        family="kvd",
        variant=kernel,
        place=place,
    )


def _metrics() -> Iterator[SetMetric]:
    """By I3D as published, and paired; by the stand-in, of which nothing is published, paired."""
    for kernel in get_args(Kernel):
        key = "kvd" if kernel == "polynomial" else f"kvd_{kernel}"
        name = KERNELS[kernel].split()[0]
        yield _metric(kernel, key, f"KVD ({name})", "i3d", False, 20)
        yield _metric(kernel, f"{key}_paired", f"KVD ({name}, paired)", "i3d", True, 21)
        title = f"KVD-TransNet ({name}, paired)"
        yield _metric(kernel, f"{key}_transnet", title, "transnet", True, 22)


METRICS = tuple(_metrics())
