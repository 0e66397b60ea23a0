"""Motion as VMAF counts it: change of blurred luma, in which a single jump counts little."""

import torch
from torch import Tensor
from torch.nn import functional as F

from ..frames import check_frames
from ..grey import luma
from ..metric import TRUTH, Metric, mean

RADIUS = 2  # pixels of the Gaussian of sigma 1


def vmaf_motion(frames: Tensor) -> Tensor:
    """Motion of each step from a frame to the next: (f 3 h w) in [0, 1], f >= 2 -> (f - 1).

    m_t = mean |G * y_(t+1) - G * y_t| with y the luma in 0..255 and G a Gaussian of sigma 1 over
    5 x 5 pixels, mirrored at the border; returned is min(m_t, m_(t+1)), the last step its own: the
    feature motion2 of VMAF (Li et al., "Toward a practical perceptual video quality metric", 2016),
    in 8-bit levels. 0 stands still. Noise of single pixels and one jump between two held drawings
    count little, which `motion_ratio` takes for motion. ValueError for other shapes and values, for
    one frame, and for frames of fewer than 3 pixels a side.
    """
    check_frames(frames)
    if len(frames) < 2 or min(frames.shape[-2:]) <= RADIUS:
        raise ValueError(
            f"frames {tuple(frames.shape)}: motion needs at least 2 frames of at least 3x3 pixels"
        )
    offsets = torch.arange(-RADIUS, RADIUS + 1, dtype=torch.float64)
    taps = torch.exp(-offsets.square() / 2)
    taps = (taps / taps.sum()).to(frames.device)
    y = F.pad(luma(frames.double())[:, None] * 255, (RADIUS,) * 4, mode="reflect")
    blurred = (y.unfold(-1, 2 * RADIUS + 1, 1) @ taps).unfold(-2, 2 * RADIUS + 1, 1) @ taps
    steps = (blurred[1:] - blurred[:-1]).abs().mean(dim=(1, 2, 3))
    return torch.minimum(steps, torch.cat([steps[1:], steps[-1:]])).float()


METRICS = (
    Metric(
        key="vmaf_motion",
        title="VMAF motion",
        better=TRUTH,
        digits=2,
        meaning="change of blurred luma from an inner frame to the next (VMAF's motion2, 8-bit "
        "levels), of which each step counts as the lesser of itself and the one after it: a jump "
        "between two held drawings is hardly motion here.",
        compute=lambda clip: mean(vmaf_motion(clip.inner)),
        place=95,
    ),
)
