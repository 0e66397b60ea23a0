"""Frechet video distance, of features from any video network."""

import torch
from torch import Tensor

from ..metric import LOWER, SetMetric


def frechet_distance(a: Tensor, b: Tensor) -> float:
    """FVD of two sets of features, one row a clip: (n d), (m d); lower is better, 0 is equal.

    |mu_a - mu_b|^2 + Tr(S_a + S_b - 2 (S_a S_b)^(1/2)) with the means and covariances of the rows
    (Unterthiner et al., "Towards accurate generative models of video", 2018; Dowson and Landau,
    1982, for the two Gaussians). The estimate is too high for few clips, so compare equal n only;
    below `clips_needed` it has no meaning and KVD is to be shown instead.
    """
    check_features(a, b)
    a, b = a.double(), b.double()
    return gaussian_distance(a.mean(dim=0), a.T.cov(), b.mean(dim=0), b.T.cov())


def gaussian_distance(mean_a: Tensor, cov_a: Tensor, mean_b: Tensor, cov_b: Tensor) -> float:
    """Squared Frechet distance of two Gaussians: means (d), covariances (d d)."""
    # S_a S_b has the eigenvalues of the symmetric R S_b R with R = S_a^(1/2).
    values, vectors = torch.linalg.eigh(cov_a)
    root = (vectors * values.clamp(min=0).sqrt()) @ vectors.T
    shared = torch.linalg.eigvalsh(root @ cov_b @ root).clamp(min=0).sqrt().sum()
    apart = (mean_a - mean_b).square().sum()
    return (apart + cov_a.trace() + cov_b.trace() - 2 * shared).item()


def clips_needed(width: int) -> int:
    """Fewest clips whose covariance over `width` features can have full rank."""
    return width + 1


def check_features(a: Tensor, b: Tensor) -> None:
    """Raise ValueError unless both are (n d) of one d with 2 rows or more, and finite."""
    if a.ndim != 2 or b.ndim != 2 or a.shape[1] != b.shape[1] or min(len(a), len(b)) < 2:
        raise ValueError(
            f"features of shape {tuple(a.shape)} and {tuple(b.shape)}; give (n d) and (m d) of "
            "one network, from at least 2 clips each"
        )
    if not (a.isfinite().all() and b.isfinite().all()):
        raise ValueError("features are not finite; give clips with values in [0, 1]")


def resampled_frechet(a: Tensor, b: Tensor, draws: Tensor) -> Tensor:
    """Bootstrap values (r) of the FVD of n pairs of rows, draws (r n). Repeated clips make FVD
    larger, so the values are moved back to the distance itself."""
    drawn = torch.tensor([frechet_distance(a[rows], b[rows]) for rows in draws])
    return drawn - drawn.mean() + frechet_distance(a, b)


def _metric(key: str, title: str, network: str, digits: int, place: int, caution: str) -> SetMetric:
    return SetMetric(
        key=key,
        title=title,
        better=LOWER,
        digits=digits,
        meaning=f"Frechet distance of all clips' features to those of the truth. {caution}",
        compute=frechet_distance,
        resample=resampled_frechet,
        draws=200,  # each takes two decompositions of a covariance
        fewest=clips_needed,
        needs=(network,),
        family="fvd",
        place=place,
    )


OF_I3D = "Features of I3D, of clips with 10 frames or more."
OF_TRANSNET = (
    "Features of TransNetV2 in place of I3D: it sees 48 x 27 pixels, so a blur hardly counts. "
    "Never compare it with published values."
)
METRICS = (
    _metric("fvd", "FVD", "i3d", 1, 10, OF_I3D),
    _metric("fvd_transnet", "FVD-TransNet", "transnet", 4, 11, OF_TRANSNET),
)
