"""How much a clip moves, measured against how much the truth moves."""

from torch import Tensor

from ..frames import check_pair
from ..metric import TRUTH, Metric


def motion_ratio(frames: Tensor, truth: Tensor) -> float:
    """Mean change between neighbouring inner frames over that of the truth; 1 is right.

    Takes the inner frames only, (f 3 h w) in [0, 1] with f >= 2. 0 stands still; above 1 the clip
    changes more than the truth (flicker, or one long jump). The change is the mean absolute
    difference of pixel values. NaN where the truth itself stands still: the ratio has no meaning.
    """
    check_pair(frames, truth)
    if len(frames) < 2:
        raise ValueError(f"motion needs at least 2 inner frames, {len(frames)} given")
    moved, expected = mean_change(frames), mean_change(truth)
    return moved / expected if expected > 0 else float("nan")


def mean_change(frames: Tensor) -> float:
    """Mean absolute difference of neighbouring frames (f 3 h w), in the units of the pixels."""
    return (frames[1:].double() - frames[:-1].double()).abs().mean().item()


METRICS = (
    Metric(
        key="motion_ratio",
        title="motion ratio",
        better=TRUTH,
        digits=2,
        meaning="mean change between neighbouring inner frames over that of the truth. Below 1 "
        "stands still or fades, above 1 flickers or jumps.",
        compute=lambda clip: motion_ratio(clip.inner, clip.true),
        needs=("truth",),
        place=90,
    ),
)
