"""Flicker: what changes between frames and is no motion."""

from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn import functional as F

from ..frames import check_pair
from ..metric import TRUTH, Comparison, Metric, mean

# (n 3 h w), (n 3 h w) -> two (n 2 h w): for each pixel of the moment halfway between two images,
# where it lies in the first and in the second, as an offset in pixels right and down.
Flow = Callable[[Tensor, Tensor], tuple[Tensor, Tensor]]


def warping_error(now: Tensor, later: Tensor, flow: Flow) -> Tensor:
    """Error of each frame against its follower, both moved by the flow to the moment between.

    now and later (n 3 h w) in [0, 1]: frames and those that follow them -> (n). E = sum M
    |warp(now) - warp(later)|^2 / (3 sum M), in squared units of [0, 1]; lower is better, 0 for
    still frames. The warping error of Lai et al., "Learning blind video temporal consistency",
    2018, equation 8, taken at the middle; the mask M leaves out what the motion hides or shows.
    The flow is the clip's own, so that motion other than the truth's is not punished.
    """
    check_pair(now, later)
    to_now, to_later = flow(now, later)
    mask = visible(to_now, to_later).to(now)
    error = (warp(now, to_now) - warp(later, to_later)).square().mean(dim=1, keepdim=True)
    return (error * mask).sum(dim=(1, 2, 3)) / mask.sum(dim=(1, 2, 3)).clamp(min=1)


def warp(images: Tensor, flow: Tensor) -> Tensor:
    """images (n c h w) read at each pixel's place plus its flow (n 2 h w), bilinear -> (n c h w).

    Places outside are read at the nearest border."""
    height, width = images.shape[-2:]
    y, x = torch.meshgrid(torch.arange(height), torch.arange(width), indexing="ij")
    place = torch.stack([x, y]).to(flow) + flow
    scale = flow.new_tensor([max(width - 1, 1), max(height - 1, 1)]).view(2, 1, 1)
    grid = (place / scale * 2 - 1).permute(0, 2, 3, 1)
    return F.grid_sample(images, grid, mode="bilinear", padding_mode="border", align_corners=True)


def visible(to_now: Tensor, to_later: Tensor) -> Tensor:
    """Pixels seen at both times, by two flows (n 2 h w) from the middle: bool (n 1 h w).

    There one flow undoes the other: |a + b|^2 <= 0.01 (|a|^2 + |b|^2) + 0.5 in pixels, the check
    of Sundaram et al., "Dense point trajectories by GPU-accelerated large displacement optical
    flow", 2010, equation 5.
    """
    gap = (to_now + to_later).square().sum(dim=1, keepdim=True)
    length = to_now.square().sum(dim=1, keepdim=True) + to_later.square().sum(dim=1, keepdim=True)
    return gap <= 0.01 * length + 0.5


def _of_clip(clip: Comparison) -> float:
    assert clip.networks is not None
    frames, chosen = clip.view.between_keys, clip.view.chosen
    later = frames[[i + 1 for i in chosen]]
    return mean(warping_error(frames[chosen], later, clip.networks["rife"].middle_flow))


METRICS = (
    Metric(
        key="flicker",
        title="flicker",
        better=TRUTH,
        digits=5,
        meaning="warping error: squared change from a frame to the next that the clip's own motion "
        "does not explain. Motion costs some, as the truth's value shows; a fade or a held key has "
        "less.",
        compute=_of_clip,
        needs=("rife",),
        place=130,
        sampled=True,
    ),
)
