import pytest
import torch
from torch import Tensor

from toon_core.metrics.plain.double_edges import double_edges


def hatched(clip: Tensor) -> Tensor:
    """The clip with fine lines everywhere."""
    lines = clip.clone()
    lines[..., ::3] = 0.1
    return lines


@pytest.mark.parametrize("share", [0.3, 0.5, 0.7])
def test_a_fade_shows_both_and_motion_neither(clip: Tensor, share: float) -> None:
    first, last = clip[0], clip[-1]
    assert double_edges(first.lerp(last, share)[None], first, last).item() > 0.8
    assert double_edges(clip[1:-1], first, last).max() < 0.15


def test_both_drawings_at_full_contrast(clip: Tensor) -> None:
    both = torch.minimum(clip[0], clip[-1])
    assert double_edges(both[None], clip[0], clip[-1]).item() > 0.5


def test_a_key_shows_one_drawing_alone(clip: Tensor) -> None:
    assert double_edges(clip[[0, -1]], clip[0], clip[-1]).tolist() == pytest.approx([0, 0], abs=0.1)


def test_lines_found_by_chance_count_little(clip: Tensor) -> None:
    """A hatched frame has a line near every line of the keys."""
    assert double_edges(hatched(clip)[2:3], clip[0], clip[-1]).item() < 0.2


def test_holds_are_nan(clip: Tensor) -> None:
    assert double_edges(clip, clip[0], clip[0]).isnan().all()
    flat = torch.full((1, 3, 64, 64), 0.5)
    assert double_edges(flat, flat[0], clip[0]).isnan().all()


@pytest.mark.parametrize("size", [(1, 1), (2, 40), (31, 7)])
def test_odd_sizes(size: tuple[int, int]) -> None:
    frames = torch.rand(3, 3, *size, generator=torch.Generator().manual_seed(0))
    scores = double_edges(frames, frames[0], frames[-1])
    assert scores.shape == (3,) and not scores.isinf().any()


def test_wrong_input_is_named(clip: Tensor) -> None:
    with pytest.raises(ValueError, match="nan"):
        double_edges(clip * float("nan"), clip[0], clip[-1])
