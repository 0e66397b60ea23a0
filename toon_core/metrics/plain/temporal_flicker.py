"""Flicker: pixels that leave their colour for one frame and come back."""

import torch
from torch import Tensor
from torch.nn import functional as F

from ..frames import check_frames
from ..line_map import near

RETURNS = 0.06  # frames before and after agree where no colour differs by more
PASSES = 0.15  # a pixel that leaves its colour by more shows something that passes
LEAST = 0.02  # share of the picture in which they must agree


def temporal_flicker(frames: Tensor) -> Tensor:
    """Mean |x_t - (x_(t-1) + x_(t+1)) / 2| of each inner frame where its neighbours agree.

    frames (f 3 h w) in [0, 1] in the order shown, f >= 3 -> (f - 2), in units of [0, 1]; 0 for
    still frames. The second difference in time: slow change of colour has none. Where something
    moves away the neighbours do not agree, and where something passes in one frame the pixel leaves
    its colour by more than 0.15; both are left out, and with them flashes as strong. No flow is
    needed; the price is that fast, faint motion counts, so compare with other takes of the same
    keys. Pixels are means of 3 x 3, against the drawing's grain. NaN where less than a fiftieth of
    the picture is left. ValueError for other shapes and values, and for fewer than three frames.
    """
    check_frames(frames)
    if len(frames) < 3:
        raise ValueError(f"flicker needs at least 3 frames, {len(frames)} given")
    smooth = F.avg_pool2d(F.pad(frames.float(), (1,) * 4, mode="replicate"), 3, stride=1)
    before, now, after = smooth[:-2], smooth[1:-1], smooth[2:]
    leaves = (now - (before + after) / 2).abs()
    calm = (after - before).abs().amax(dim=1) <= RETURNS
    # With the pixels beside it, into which the mean of 3 x 3 carries it.
    calm = (calm & (near(leaves.amax(dim=1), 1) <= PASSES)).float()
    mean = (leaves.mean(dim=1) * calm).sum(dim=(1, 2)) / calm.sum(dim=(1, 2)).clamp(min=1)
    return torch.where(calm.mean(dim=(1, 2)) < LEAST, torch.nan, mean)
