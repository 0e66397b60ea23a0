import math

import pytest
import torch
from torch import Tensor

from toon_core.metrics.plain.jump import jump, largest_step


def brightening(*levels: float) -> Tensor:
    """Flat frames, so that each change is the difference of two levels."""
    return torch.tensor(levels).view(-1, 1, 1, 1).expand(-1, 3, 8, 8)


def test_closed_form() -> None:
    """Changes 0.3, 0.1, 0.2, 0.1, 0.05: 0.2 is the largest of the two next, from both sides."""
    frames = brightening(0.0, 0.3, 0.4, 0.6, 0.7, 0.75)
    assert jump(frames) == pytest.approx((1.5, 0.25))
    assert largest_step(frames) == pytest.approx(0.3 / 0.75)


def test_the_median_counts_where_the_next_steps_are_small() -> None:
    """Changes 0.2, 0.01, 0.01, 0.1, 0.1, 0.1, 0.1."""
    frames = brightening(0.0, 0.2, 0.21, 0.22, 0.32, 0.42, 0.52, 0.62)
    assert jump(frames) == pytest.approx((2.0, 1.0))


def test_even_motion_has_none(clip: Tensor) -> None:
    assert jump(clip) == pytest.approx((1, 1), abs=0.2)
    assert largest_step(clip) == pytest.approx(0.2, abs=0.02)


def test_a_displaced_neighbour_is_seen_on_its_side(clip: Tensor) -> None:
    late = torch.cat([clip[:1], clip[3:]])
    first, last = jump(late)
    assert first > 1.5 and last == pytest.approx(1, abs=0.2)
    assert jump(late.flip(0)) == pytest.approx((last, first))


def test_frames_on_twos_are_as_their_drawings(clip: Tensor) -> None:
    twos = clip.repeat_interleave(2, dim=0)
    assert jump(twos[1:-1]) == pytest.approx(jump(clip))
    assert jump(twos) == (0, 0)  # both keys are held


def test_stills_and_short_clips_are_nan(clip: Tensor) -> None:
    still = clip[:1].expand(6, -1, -1, -1)
    for frames in (still, clip[:1], clip[:3], clip[:0].new_zeros(1, 3, 1, 1)):
        assert all(math.isnan(value) for value in jump(frames))
        assert math.isnan(largest_step(frames))


def test_few_drawings_have_no_large_step(clip: Tensor) -> None:
    fours = clip[[0, 2, 5]].repeat_interleave(4, dim=0)
    assert math.isnan(largest_step(fours))


def test_a_key_beside_a_still_clip_is_a_large_jump(clip: Tensor) -> None:
    frames = torch.cat([clip[:1], clip[3:4].expand(5, -1, -1, -1)])
    first, last = jump(frames)
    assert (first, last) == (100, 0)
    assert largest_step(frames) == 1


def test_wrong_input_is_named(clip: Tensor) -> None:
    for measure in (jump, largest_step):
        with pytest.raises(ValueError, match="nan"):
            measure(clip * float("nan"))
