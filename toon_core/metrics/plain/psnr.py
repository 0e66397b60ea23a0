"""Peak signal-to-noise ratio."""

import torch
from torch import Tensor

from ..frames import check_pair
from ..metric import HIGHER, Metric, mean

# The error that rounding to 8 bits leaves by itself: 10 log10(12 * 255^2). Without a ceiling one
# frame that equals the truth would outweigh all others in a mean.
CEILING_DB = 58.92


def psnr(frames: Tensor, truth: Tensor) -> Tensor:
    """PSNR of each frame in dB, higher is better: (f 3 h w), (f 3 h w) in [0, 1] -> (f).

    10 log10(1 / mse) with mse the mean over pixels and channels, the usual definition, as in
    Huynh-Thu and Ghanbari, "Scope of validity of PSNR in image/video quality assessment", 2008.
    The highest value returned, also for equal frames, is that of 8-bit rounding, 58.92 dB.
    """
    check_pair(frames, truth)
    mse = (frames.double() - truth.double()).square().mean(dim=(1, 2, 3))
    return (-10 * torch.log10(mse)).clamp(max=CEILING_DB).float()


METRICS = (
    Metric(
        key="psnr",
        title="PSNR (dB)",
        better=HIGHER,
        digits=2,
        meaning="pixel error against the true frame. A blur or a ghost between two poses can win "
        "it, so it misleads on its own.",
        compute=lambda clip: mean(psnr(clip.inner, clip.true)),
        needs=("truth",),
        place=70,
    ),
)
