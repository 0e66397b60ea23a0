import math

import pytest
import torch
from torch import Tensor

from toon_core.metrics.plain.motion_ratio import mean_change, motion_ratio


def ramp(step: float, frames: int = 5) -> Tensor:
    levels = torch.arange(frames) * step
    return levels.view(-1, 1, 1, 1).expand(-1, 3, 8, 8)


def test_closed_form() -> None:
    assert mean_change(ramp(0.1)) == pytest.approx(0.1)
    assert motion_ratio(ramp(0.05), ramp(0.1)) == pytest.approx(0.5)
    assert motion_ratio(ramp(0.2), ramp(0.1)) == pytest.approx(2.0)


def test_standing_still(clip: Tensor) -> None:
    assert motion_ratio(clip[:1].expand_as(clip), clip) == 0.0


def test_truth_that_stands_still_has_no_ratio(clip: Tensor) -> None:
    assert math.isnan(motion_ratio(clip, clip[:1].expand_as(clip)))


def test_one_frame_is_refused() -> None:
    with pytest.raises(ValueError, match="at least 2"):
        motion_ratio(torch.zeros(1, 3, 8, 8), torch.zeros(1, 3, 8, 8))
