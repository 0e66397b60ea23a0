"""Whether the colours of a clip leave those of its keys, told without the truth."""

import torch
from torch import Tensor
from torch.nn import functional as F

from ..frames import check_frames, check_keys
from .colour_drift import lab

STILL = 0.05  # a pixel is still where no colour of the keys differs by more
LEAST = 0.02  # share of the picture that must be still


def key_drift(frames: Tensor, first: Tensor, last: Tensor) -> Tensor:
    """Difference of each frame's colours from its keys' where these are alike, in delta E: -> (f).

    frames (f 3 h w) in [0, 1] in the order shown, keys included; first and last (3 h w). Over the
    pixels in which the keys agree (and their neighbours do), the median difference of L*, a* and b*
    from the line between the keys, at the frame's place in time; returned is its length (CIE 1976).
    The median, since something may pass over still ground. About 2 is just seen. NaN where the keys
    agree in less than a fiftieth of the picture: a camera that moves leaves nothing to compare. A
    light that flashes on purpose is a drift, too. ValueError for other shapes and values.
    """
    check_frames(frames)
    check_keys(frames, first, last)
    differs = ((last - first).abs().amax(dim=0) > STILL).float()[None, None]
    still = F.max_pool2d(differs, 3, stride=1, padding=1)[0, 0] == 0
    if still.float().mean() < LEAST:
        return frames.new_full((len(frames),), torch.nan).float()
    begin, end, shown = (lab(x)[:, :, still] for x in (first[None], last[None], frames))
    place = torch.linspace(0, 1, len(frames), dtype=shown.dtype, device=shown.device).view(-1, 1, 1)
    return (shown - begin.lerp(end, place)).median(dim=2).values.norm(dim=1).float()
