import torch

from train.eval.groups import crosses_border


def moving(start: int, step: int) -> torch.Tensor:
    """A white square of 16 pixels on black, 64x64; its left edge is at start + i * step."""
    clip = torch.zeros(16, 3, 64, 64)
    for i in range(16):
        left = start + i * step
        clip[i, :, 24:40, max(left, 0) : max(left + 16, 0)] = 1
    return clip


def test_what_enters_or_leaves_passes_the_border():
    assert crosses_border(moving(-16, 2)), "enters"
    assert crosses_border(moving(30, 3)), "leaves"
    assert crosses_border(moving(-16, 6)), "passes through: both keys show the same border"


def test_what_moves_inside_does_not():
    assert not crosses_border(moving(8, 2))


def test_a_moving_camera_says_nothing():
    stripes = (torch.arange(64) % 16 < 8).float().expand(3, 64, 64)
    assert not crosses_border(torch.stack([stripes.roll(i, dims=-1) for i in range(16)]))
