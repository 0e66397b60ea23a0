"""How the colours of a clip wander off over its frames."""

import torch
from torch import Tensor

from ..frames import check_pair
from ..metric import LOWER, Metric, mean

# sRGB to XYZ (IEC 61966-2-1), and the white point D65 of the 2 degree observer.
XYZ = (
    (0.412453, 0.357580, 0.180423),
    (0.212671, 0.715160, 0.072169),
    (0.019334, 0.119193, 0.950227),
)
WHITE = (0.95047, 1.0, 1.08883)


def colour_drift(frames: Tensor, truth: Tensor) -> Tensor:
    """Difference of each frame's mean colour from its truth: two (f 3 h w) in [0, 1] -> (f).

    Euclidean distance of the mean CIE L*a*b* colours (CIE 1976, delta E); about 2 is just seen, 0
    is equal. Motion alone does not change it; a tint, a fade to grey or a wrong background does.
    The values over the frames are the drift over time; the mean of them is reported.
    """
    check_pair(frames, truth)
    return (mean_lab(frames) - mean_lab(truth)).norm(dim=1).float()


def mean_lab(frames: Tensor) -> Tensor:
    """Mean L*a*b* colour of each frame: (f 3 h w) sRGB in [0, 1] -> (f 3), double precision."""
    return lab(frames).mean(dim=(2, 3))


def lab(frames: Tensor) -> Tensor:
    """L*a*b* of each pixel (CIE 1976): (f 3 h w) sRGB in [0, 1] -> (f 3 h w), double precision."""
    x = frames.double().clamp(0, 1)
    linear = torch.where(x > 0.04045, ((x + 0.055) / 1.055) ** 2.4, x / 12.92)
    scaled = torch.einsum("ij,fjhw->fihw", x.new_tensor(XYZ), linear)
    scaled = scaled / x.new_tensor(WHITE).view(3, 1, 1)
    root = torch.where(scaled > 0.008856, scaled ** (1 / 3), 7.787 * scaled + 16 / 116)
    fx, fy, fz = root.unbind(dim=1)
    return torch.stack([116 * fy - 16, 500 * (fx - fy), 200 * (fy - fz)], dim=1)


METRICS = (
    Metric(
        key="colour_drift",
        title="colour drift",
        better=LOWER,
        digits=2,
        meaning="difference of the mean colour of a frame from its truth (CIE delta E), over time.",
        compute=lambda clip: mean(colour_drift(clip.inner, clip.true)),
        needs=("truth",),
        place=120,
    ),
)
