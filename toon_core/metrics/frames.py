"""What every metric demands of the frames it is given."""

from torch import Tensor
from torch.nn import functional as F


def check_frames(frames: Tensor, name: str = "frames") -> None:
    """Raise ValueError unless `frames` is a finite float RGB clip (f 3 h w) in [0, 1]."""
    if frames.ndim != 4 or frames.shape[1] != 3 or not frames.is_floating_point():
        raise ValueError(
            f"{name} has shape {tuple(frames.shape)} and type {frames.dtype}; "
            "give RGB frames as a float tensor (f 3 h w)"
        )
    low, high = frames.aminmax() if frames.numel() else (frames.new_tensor(float("nan")),) * 2
    if not (low >= -1e-4 and high <= 1 + 1e-4):
        raise ValueError(
            f"{name} has values from {float(low):.3g} to {float(high):.3g}; "
            "give finite values in [0, 1] (an image in [-1, 1] is (image + 1) / 2)"
        )


def check_pair(frames: Tensor, truth: Tensor) -> None:
    """Raise ValueError unless both clips are valid frames of one shape."""
    check_frames(frames, "frames")
    check_frames(truth, "truth")
    if frames.shape != truth.shape:
        raise ValueError(
            f"frames {tuple(frames.shape)} and truth {tuple(truth.shape)} differ in shape; "
            "resize the frames to the truth and give equally many"
        )


def check_keys(frames: Tensor, first: Tensor, last: Tensor) -> None:
    """Raise ValueError unless both keys (3 h w) are valid pictures of the frames' size."""
    for name, key in (("first", first), ("last", last)):
        if key.shape != frames.shape[1:]:
            raise ValueError(
                f"{name} has shape {tuple(key.shape)}; give a key of the frames' shape "
                f"{tuple(frames.shape[1:])}"
            )
        check_frames(key[None], name)


def scaled_down(frames: Tensor, side: int) -> Tensor:
    """(f 3 h w) with a shorter side of `side` pixels at most: each pixel the mean of those it
    covers. Never scaled up."""
    scale = side / min(frames.shape[-2:])
    if scale >= 1:
        return frames
    height, width = frames.shape[-2:]
    return F.adaptive_avg_pool2d(frames, (round(height * scale), round(width * scale)))
