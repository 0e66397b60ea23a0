"""The measures of a clip that need no network, by name: what the node and `train.evaluate` give.

Frames are (f 3 h w) in [0, 1] with both ends; the inner ones are measured.
"""

from torch import Tensor

from .colour_drift import colour_drift
from .cpbd import BLOCK, cpbd
from .crossfade_residual import crossfade_residual
from .line_sharpness import line_sharpness_kept
from .motion_ratio import motion_ratio
from .psnr import psnr
from .ssim import ssim


def against_truth(frames: Tensor, truth: Tensor) -> dict[str, float]:
    """NaN for those that have no meaning for the clip."""
    inner, true = frames[1:-1], truth[1:-1]
    return {
        "psnr": psnr(inner, true).mean().item(),
        "ssim": ssim(inner, true).mean().item(),
        "motion_ratio": motion_ratio(inner, true),
        "line_sharpness": line_sharpness_kept(inner, true).nanmean().item(),
        "colour_drift": colour_drift(inner, true).mean().item(),
    }


def without_truth(frames: Tensor, first: Tensor, last: Tensor) -> dict[str, float]:
    """From the clip and its keys (3 h w); no CPBD where the frames are too small for it."""
    inner = frames[1:-1]
    scores = {"crossfade_residual": crossfade_residual(inner, first, last).mean().item()}
    if min(frames.shape[-2:]) >= BLOCK:
        scores["cpbd"] = cpbd(inner).mean().item()
    return scores
