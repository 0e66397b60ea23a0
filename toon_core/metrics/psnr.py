"""Peak signal-to-noise ratio."""

import torch
from torch import Tensor

from .frames import check_pair

CEILING_DB = 100.0


def psnr(frames: Tensor, truth: Tensor) -> Tensor:
    """PSNR of each frame in dB, higher is better: (f 3 h w), (f 3 h w) in [0, 1] -> (f).

    10 log10(1 / mse) over pixels and channels. Equal frames have no finite value and get 100 dB,
    which is also the highest value returned (8-bit frames cannot come nearer without being equal).
    """
    check_pair(frames, truth)
    mse = (frames.double() - truth.double()).square().mean(dim=(1, 2, 3))
    return (-10 * torch.log10(mse)).clamp(max=CEILING_DB).float()
