from __future__ import annotations

import time

import pytest
import torch
from torch import Tensor

from toon_core.shots.motion import block_motion


def scene(x: int, y: int, size: tuple[int, int] = (128, 128)) -> Tensor:
    """A square full of texture, 24 pixels wide, at (x, y) on a flat ground: (3 h w)."""
    picture = torch.tensor([0.3, 0.6, 0.9]).view(3, 1, 1).expand(3, *size).clone()
    square = torch.rand(3, 24, 24, generator=torch.Generator().manual_seed(0))
    picture[:, y : y + 24, x : x + 24] = square
    return picture


@pytest.mark.parametrize(("right", "down"), [(5, 0), (-7, 3), (0, -11), (20, 21)])
def test_a_moved_square_is_followed(right: int, down: int) -> None:
    motion = block_motion(scene(48, 48), scene(48 + right, 48 + down))
    inside = (slice(6, 9), slice(6, 9))
    assert motion.moving[inside].all()
    assert motion.dx[inside].unique().tolist() == [right]
    assert motion.dy[inside].unique().tolist() == [down]
    assert motion.cost[inside].max() < 1e-2
    assert not motion.moving[:, :5].any() and not motion.moving[:5].any()


def test_the_ground_that_is_hidden_or_revealed_does_not_move() -> None:
    motion = block_motion(scene(48, 48), scene(80, 48))
    assert motion.changed[6:9, 10:13].all()
    assert not motion.moving[6:9, 10:13].any()


def test_equal_pictures_stay() -> None:
    picture = torch.rand(3, 64, 96, generator=torch.Generator().manual_seed(0))
    motion = block_motion(picture, picture)
    assert motion.dx.shape == (8, 12)
    assert not motion.changed.any() and not motion.moving.any()
    assert motion.length.max() == 0


def test_a_flash_is_a_change_without_motion() -> None:
    motion = block_motion(torch.full((3, 64, 64), 0.2), torch.full((3, 64, 64), 0.7))
    assert motion.changed.all() and not motion.moving.any() and motion.length.max() == 0


def test_displacements_are_in_pixels_of_the_given_pictures() -> None:
    small = (scene(48, 48), scene(54, 48))
    tall = [p.repeat_interleave(3, 1).repeat_interleave(2, 2) for p in small]
    wide = [p.repeat_interleave(2, 1).repeat_interleave(2, 2) for p in small]
    assert block_motion(*wide).dx[7, 7] == 12
    motion = block_motion(*tall)  # 384 x 256: scaled by a third, its width to 85
    assert motion.dx.shape == (16, 11)
    assert motion.dx[7, 5].item() == pytest.approx(12, abs=2)


@pytest.mark.parametrize("size", [(1, 1), (5, 3), (17, 200), (128, 129), (300, 2)])
def test_odd_sizes(size: tuple[int, int]) -> None:
    generator = torch.Generator().manual_seed(0)
    a, b = torch.rand(2, 3, *size, generator=generator)
    motion = block_motion(a, b)
    assert motion.cost.isfinite().all()
    assert (motion.dx.abs() <= size[1]).all() and (motion.dy.abs() <= size[0]).all()


def test_noise_does_not_move_a_flat_ground() -> None:
    noise = 0.02 * torch.randn(2, 3, 96, 96, generator=torch.Generator().manual_seed(0))
    motion = block_motion(*(0.5 + noise))
    assert not motion.moving.any() and motion.length.max() == 0


def test_wrong_input_is_named() -> None:
    picture = torch.zeros(3, 32, 32)
    with pytest.raises(ValueError, match="nan"):
        block_motion(picture, picture * float("nan"))
    with pytest.raises(ValueError, match="differ in shape"):
        block_motion(picture, picture[:, :30])
    with pytest.raises(ValueError, match="reach=0"):
        block_motion(picture, picture, reach=0)


def test_quick() -> None:
    a, b = torch.rand(2, 3, 128, 128, generator=torch.Generator().manual_seed(0))
    block_motion(a, b)
    begun = time.process_time()
    block_motion(a, b)
    assert time.process_time() - begun < 1.0  # about 0.1 s on one idle core
