import pytest
import torch
from torch import Tensor

from toon_core.metrics.plain.fade_score import blend_blocks, fade_score


def test_a_cross_fade_is_found_and_motion_is_not(clip: Tensor) -> None:
    first, last = clip[0], clip[-1]
    fade = torch.stack([first.lerp(last, a) for a in (0.2, 0.5, 0.8)])
    assert fade_score(fade, first, last).tolist() == [1, 1, 1]
    assert fade_score(clip[1:-1], first, last).max() < 0.05


def test_one_fading_corner_counts_by_its_blocks(clip: Tensor) -> None:
    first, last = clip[0], clip[-1]
    half = clip[2:3].clone()
    half[..., 32:] = first.lerp(last, 0.5)[..., 32:]
    assert 0.3 < fade_score(half, first, last).item() < 0.7
    blends, judged, _ = blend_blocks(half, first, last)
    assert not blends[0, :, :2].any()
    assert (blends[0] & judged)[:, 2:].sum() == judged[:, 2:].sum() > 0


def test_a_fade_near_a_key_is_the_key(clip: Tensor) -> None:
    near = torch.stack([clip[0].lerp(clip[-1], a) for a in (0.1, 0.9)])
    assert fade_score(near, clip[0], clip[-1]).tolist() == [0, 0]


def test_holds_are_nan(clip: Tensor) -> None:
    held = torch.stack([clip[0], clip[-1], clip[2]])
    scores = fade_score(held, clip[0], clip[-1])
    assert scores.isnan().tolist() == [True, True, False]
    assert fade_score(clip, clip[0], clip[0]).isnan().all()


def test_an_edge_that_passes_is_no_blend() -> None:
    """Each pixel is one key or the other: half of the distance stays unexplained."""
    first, last = torch.zeros(3, 16, 16), torch.ones(3, 16, 16)
    wipe = first.clone()
    wipe[:, :, :8] = 1
    assert fade_score(wipe[None], first, last).item() == 0


@pytest.mark.parametrize("size", [(1, 1), (3, 50), (17, 16), (64, 31)])
def test_odd_sizes(size: tuple[int, int]) -> None:
    first, last = torch.zeros(3, *size), torch.ones(3, *size)
    scores = fade_score(torch.full((2, 3, *size), 0.5), first, last)
    # A picture of fewer pixels than a block needs cannot be judged.
    assert scores.isnan().all() if size == (1, 1) else scores.tolist() == [1, 1]


def test_wrong_input_is_named(clip: Tensor) -> None:
    with pytest.raises(ValueError, match="frames has values from nan"):
        fade_score(clip * float("nan"), clip[0], clip[-1])
    with pytest.raises(ValueError, match="last has values from nan"):
        fade_score(clip, clip[0], clip[-1] * float("nan"))
    with pytest.raises(ValueError, match="first has shape"):
        fade_score(clip, clip[0, :, :10], clip[-1])
