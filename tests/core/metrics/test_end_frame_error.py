import pytest
import torch
from torch import Tensor

from toon_core.metrics.plain.end_frame_error import end_frame_error


def test_only_the_ends_count() -> None:
    clip = torch.zeros(4, 3, 8, 8)
    clip[1:3] = 1
    clip[3] = 0.2
    key = torch.zeros(3, 8, 8)
    assert end_frame_error(clip, key, key) == pytest.approx(0.1)


def test_keys_of_another_size(clip: Tensor) -> None:
    with pytest.raises(ValueError, match="same size"):
        end_frame_error(clip, clip[0, :, :8], clip[-1])
