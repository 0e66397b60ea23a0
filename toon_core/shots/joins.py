"""How the frames beside a key stay together with it, once the key itself stands there."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

from ..images import Fit, Size, resize

REACH = 4  # made frames from a key over which its colours fade into the model's
SPREAD = 8.0  # standard deviation of what is taken for colour and not for detail, in pixels


def working_fit(result: Size, target: Size) -> Fit:
    """How frames of the result's size come to the model's and back: stretched where their shapes
    are close, for then every pixel is used, else whole between bars."""
    shapes = [size[1] / size[0] for size in (result, target)]
    close = max(shapes) / min(shapes) <= 1.25
    return Fit(result, target, "stretch" if close else "pad")


def to_model(picture: Tensor, fit: Fit) -> Tensor:
    """(h w 3) uint8 of the result's size -> (1 3 *target) in [-1, 1]."""
    return fit.apply(picture.permute(2, 0, 1)[None].float() / 127.5 - 1)


def from_model(frames: Tensor, fit: Fit) -> Tensor:
    """(n 3 *target) -> (n 3 *source), sharp where it grows."""
    if fit.mode == "pad":
        frames = fit.undo(frames)
    size = fit.source
    if tuple(frames.shape[-2:]) == size:
        return frames
    if size[0] < frames.shape[-2]:
        return resize(frames, size)
    return F.interpolate(frames, size, mode="bicubic", align_corners=False)


@dataclass(frozen=True)
class Join:
    """The colour by which a key differs from the frame that the model made in its place,
    (1 3 *target), for the frames beside it."""

    residual: Tensor

    @classmethod
    def of(cls, key: Tensor, made: Tensor) -> Join:
        """key (1 3 h w) in [-1, 1], made (h w 3) uint8."""
        difference = key - made.permute(2, 0, 1)[None].float() / 127.5 + 1
        return cls(_blurred(difference, SPREAD))

    def weight(self, distance: int) -> float:
        """Of the residual, so many made frames from the key: cos^2, 0 from REACH on."""
        if distance >= REACH:
            return 0.0
        return float(torch.cos(torch.tensor(torch.pi / 2 * distance / REACH)) ** 2)


def _blurred(x: Tensor, sigma: float) -> Tensor:
    reach = min(int(3 * sigma), x.shape[-1] - 1, x.shape[-2] - 1)
    at = torch.arange(-reach, reach + 1, dtype=x.dtype)
    kernel = torch.exp(-((at / sigma) ** 2) / 2)
    kernel = (kernel / kernel.sum()).view(1, 1, 1, -1).expand(x.shape[1], 1, 1, -1)
    x = F.conv2d(F.pad(x, (reach, reach, 0, 0), mode="reflect"), kernel, groups=x.shape[1])
    kernel = kernel.transpose(-1, -2)
    return F.conv2d(F.pad(x, (0, 0, reach, reach), mode="reflect"), kernel, groups=x.shape[1])
