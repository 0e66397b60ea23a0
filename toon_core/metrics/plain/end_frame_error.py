"""Whether the clip really begins and ends with its keys."""

from torch import Tensor

from ..frames import check_frames
from ..metric import LOWER, Metric


def end_frame_error(frames: Tensor, first: Tensor, last: Tensor) -> float:
    """Mean absolute difference of the clip's two end frames from its keys, in [0, 1]; 0 is exact.

    frames (f 3 h w) with f >= 2, first and last (3 h w), all in [0, 1].
    """
    check_frames(frames)
    if len(frames) < 2 or not first.shape == last.shape == frames.shape[1:]:
        raise ValueError(
            f"a clip {tuple(frames.shape)} with keys {tuple(first.shape)}, {tuple(last.shape)}; "
            "give a whole clip of at least 2 frames and keys of the same size"
        )
    start, end = (frames[0] - first).abs().mean(), (frames[-1] - last).abs().mean()
    return ((start + end) / 2).item()


METRICS = (
    Metric(
        key="end_frame_error",
        title="end-frame error",
        better=LOWER,
        digits=4,
        meaning="mean absolute difference of the two end frames from the keys, apart from the "
        "inner frames.",
        compute=lambda clip: end_frame_error(clip.frames, clip.first, clip.last),
        place=160,
    ),
)
