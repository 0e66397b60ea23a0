"""The grey value of a pixel."""

from torch import Tensor

WEIGHTS = (0.299, 0.587, 0.114)  # red, green, blue: ITU-R BT.601


def luma(frames: Tensor) -> Tensor:
    """RGB frames (f 3 h w) -> their luma (f h w), in the range of the input."""
    weights = frames.new_tensor(WEIGHTS).view(3, 1, 1)
    return (frames * weights).sum(dim=1)
