"""What stands still between two keys, as the keys have it (architecture.md 8.8)."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn.functional import avg_pool2d, max_pool2d

AGREE = 0.06  # of [0, 1]: both keys show the same where no colour differs by more, there and around
LEFT = 0.1  # of [0, 1]: a frame shows the same, too, where it differs by less in the mean
AROUND = 64  # part of the shorter side that "around" reaches in each direction


def keep_still(frames: Tensor, first: Tensor, last: Tensor) -> Tensor:
    """frames (b 3 f h w), which are changed, and their two keys (b 3 h w), in [-1, 1] -> the
    frames with the keys' own pixels where both keys agree and the frame with them; where they
    nearly do, a mix. What passes before a still ground differs from it and stays."""
    first, last = first.to(frames), last.to(frames)
    reach = max(1, round(min(frames.shape[-2:]) / AROUND))
    side = 2 * reach + 1
    apart = max_pool2d((first - last).abs().amax(1, keepdim=True), side, 1, reach)
    agree = (2 - apart / AGREE).clamp(0, 1)  # colours of [-1, 1] differ by twice as much
    steps = max(frames.shape[2] - 1, 1)
    for i, frame in enumerate(frames.unbind(2)):
        key = torch.lerp(first, last, i / steps)
        left = (frame - key).abs().mean(1, keepdim=True)
        left = avg_pool2d(left, side, 1, reach, count_include_pad=False)
        weight = agree * (2 - left / LEFT).clamp(0, 1)
        weight = avg_pool2d(weight, 3, 1, 1, count_include_pad=False)  # no hard edge
        frame.lerp_(key, weight.expand_as(frame))
    return frames
