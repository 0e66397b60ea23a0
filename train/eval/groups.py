"""Clips in which something enters or leaves the picture: the paper's admitted failure."""

import torch
from torch import Tensor

BAND = 3  # pixels of the border that are watched
CHANGE = 0.1  # of [0, 1]: a changed pixel
SHARE = 0.06  # of the border: about an object's width


def crosses_border(frames: Tensor) -> bool:
    """Whether the border of (f 3 h w) in [0, 1] changes between frames while it also rests.

    An object that enters or leaves passes the border: part of it changes, and changes back or
    stays. Where most of the border changes, the camera moves, and nothing is said of objects.
    """
    height, width = frames.shape[-2:]
    inside = torch.zeros(height, width, dtype=torch.bool)
    inside[BAND:-BAND, BAND:-BAND] = True
    border = frames[:, :, ~inside]
    changed = (border - border[:1]).abs().amax(dim=1) > CHANGE
    most = changed.float().mean(dim=1).max().item()
    return SHARE <= most <= 0.5
