"""How much of the steepness of lines and edges a clip keeps."""

from torch import Tensor

from ..frames import check_pair
from ..grey import luma
from ..metric import TRUTH, Metric


def line_sharpness_kept(frames: Tensor, truth: Tensor) -> Tensor:
    """Edge steepness of each frame over that of its truth, 1 is right: two (f 3 h w) in [0, 1].

    -> (f). Below 1 lines are blurred or faded, above 1 they are harder than drawn. Where lines lie
    and how many there are does not matter. NaN where the true frame has no edge.
    """
    check_pair(frames, truth)
    return edge_steepness(frames) / edge_steepness(truth)


def edge_steepness(frames: Tensor) -> Tensor:
    """Change of luma per pixel across the edges of each frame: (f 3 h w) in [0, 1] -> (f).

    sqrt(sum |g|^4 / sum |g|^2) with g the difference of neighbouring pixels: the root mean square
    gradient, weighted by the gradient's own energy, so that flat areas have no weight. A step of
    height c that takes p pixels gives c / p. NaN without any change.
    """
    x = luma(frames.double())
    right, down = x[..., 1:] - x[..., :-1], x[..., 1:, :] - x[..., :-1, :]
    fourth = right.pow(4).sum(dim=(1, 2)) + down.pow(4).sum(dim=(1, 2))
    second = right.square().sum(dim=(1, 2)) + down.square().sum(dim=(1, 2))
    return (fourth / second).sqrt().float()


METRICS = (
    Metric(
        key="line_sharpness",
        title="line sharpness kept",
        better=TRUTH,
        digits=3,
        meaning="steepness of edges over that of the truth. Below 1 lines are blurred or faded.",
        compute=lambda clip: line_sharpness_kept(clip.inner, clip.true).nanmean().item(),
        needs=("truth",),
        place=110,
    ),
)
