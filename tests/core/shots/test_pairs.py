from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor

from toon_core.shots.pairs import compare, compare_keys, oklab


def drawing(seed: int) -> Tensor:
    """Thirty boxes of random colours with dark borders: (3 96 128)."""
    rng = np.random.default_rng(seed)
    picture = torch.tensor(rng.random((3, 1, 1))).float().expand(3, 96, 128).clone()
    colours = rng.random((5, 3))
    for _ in range(30):
        y, x = int(rng.integers(0, 80)), int(rng.integers(0, 110))
        height, width = (int(n) for n in rng.integers(6, 30, 2))
        picture[:, y : y + height, x : x + width] = 0.05
        fill = torch.tensor(colours[rng.integers(5)]).float().view(3, 1, 1)
        picture[:, y + 1 : y + height - 1, x + 1 : x + width - 1] = fill
    return picture


def test_neighbours_of_a_shot(shot: Tensor) -> None:
    found = compare_keys(shot[0], shot[2])
    assert found.one_shot > 0.9
    assert (found.suggestion, found.text) == ("none", "")
    assert found.features.displacement == pytest.approx(14 / 160, abs=0.02)


def test_other_drawings_are_two_shots() -> None:
    found = compare_keys(drawing(0), drawing(1))
    assert found.one_shot < 0.2
    assert found.suggestion == "hold" and "two shots" in found.text


def test_equal_keys_are_a_hold(shot: Tensor) -> None:
    found = compare_keys(shot[0], shot[0])
    assert found.suggestion == "hold" and "alike" in found.text
    assert found.features.changed == found.features.lines == found.features.displacement == 0
    assert found.features.matched == 1 and found.one_shot > 0.9


def test_far_keys_are_harder_than_near_ones(shot: Tensor) -> None:
    hardness = [compare_keys(shot[0], shot[i]).hardness for i in (1, 4)]
    assert hardness == sorted(hardness)
    assert compare_keys(drawing(0), drawing(1)).hardness > hardness[1]


def test_a_pan_is_matched_and_its_lines_fall_together() -> None:
    wide = drawing(3)
    features = compare(wide[:, :, :112], wide[:, :, 9:121])
    assert features.matched > 0.8
    assert features.lines < 0.02
    assert features.displacement == pytest.approx(9 / np.hypot(96, 112), abs=0.02)


def test_oklab_of_white_and_grey_and_red() -> None:
    """Red from the table of Ottosson, 2020."""
    colours = torch.tensor([[1.0, 1, 1], [0.5, 0.5, 0.5], [1, 0, 0]]).view(3, 3, 1, 1)
    white, grey, red = oklab(colours).flatten(1)
    assert white.tolist() == pytest.approx([1, 0, 0], abs=1e-4)
    assert grey[1:].tolist() == pytest.approx([0, 0], abs=1e-4)
    assert red.tolist() == pytest.approx([0.628, 0.2249, 0.1258], abs=1e-3)


@pytest.mark.parametrize("size", [(1, 1), (2, 90), (33, 17), (180, 301)])
def test_odd_sizes(size: tuple[int, int]) -> None:
    a, b = torch.rand(2, 3, *size, generator=torch.Generator().manual_seed(0))
    found = compare_keys(a, b)
    assert 0 <= found.one_shot <= 1 and 0 <= found.hardness <= 1


def test_flat_pictures() -> None:
    flat, white = torch.full((3, 32, 32), 0.5), torch.ones(3, 32, 32)
    assert compare(flat, flat).matched == 1
    assert compare(flat, white).matched == 0
    assert compare(flat, drawing(0)[:, :32, :32]).lines == pytest.approx(1)


def test_wrong_input_is_named(shot: Tensor) -> None:
    with pytest.raises(ValueError, match="nan"):
        compare_keys(shot[0], shot[1] * float("nan"))
    with pytest.raises(ValueError, match="differ in shape"):
        compare_keys(shot[0], shot[1, :, :50])
