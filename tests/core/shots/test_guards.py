from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from toon_core.shots.guards import judge


def test_a_true_shot_has_no_warning(shot: Tensor) -> None:
    found = judge(shot, shot[0], shot[-1])
    assert found.warnings == ()
    assert (found.jump_first, found.jump_last) == pytest.approx((1, 1), abs=0.3)
    assert found.fade < 0.05 and found.ghost < 0.1 and found.drift < 0.1


def test_a_fade_is_caught_by_both(shot: Tensor) -> None:
    share = torch.linspace(0, 1, 10).view(-1, 1, 1, 1)
    found = judge(shot[:1].lerp(shot[-1:], share), shot[0], shot[-1])
    assert found.fade > 0.7 and found.ghost > 0.5
    assert any("faded" in text for text in found.warnings)
    assert any("at once" in text for text in found.warnings)


def test_other_faults_are_named(shot: Tensor) -> None:
    tinted, noisy = shot.clone(), shot.clone()
    tinted[1:-1] *= 0.9
    noisy[1:-1] += 0.05 * torch.randn(8, 3, 96, 128, generator=torch.Generator().manual_seed(0))
    cut = torch.cat([shot[:1].expand(5, -1, -1, -1), shot[-1:].expand(5, -1, -1, -1)])
    late = torch.cat([shot[:1], shot[4:]])
    for frames, word in (
        (tinted, "Colours"),
        (noisy.clamp(0, 1), "flickers"),
        (cut, "as in a cut"),
        (late, "leaves its first key"),
    ):
        texts = judge(frames, shot[0], shot[-1]).warnings
        assert any(word in text for text in texts), (word, texts)


def test_a_hold_has_nothing_to_measure_and_no_warning(shot: Tensor) -> None:
    still = shot[:1].expand(6, -1, -1, -1)
    found = judge(still, shot[0], shot[0])
    assert found.warnings == ()
    assert math.isnan(found.fade) and math.isnan(found.ghost) and math.isnan(found.jump_first)
    assert found.flicker == found.drift == 0


@pytest.mark.parametrize("count", [2, 3, 4])
def test_short_segments(shot: Tensor, count: int) -> None:
    frames = shot[torch.linspace(0, 9, count).round().long()]
    assert judge(frames, shot[0], shot[-1]).warnings == ()


@pytest.mark.parametrize("size", [(1, 1), (5, 200), (200, 301)])
def test_odd_sizes(size: tuple[int, int]) -> None:
    frames = torch.rand(4, 3, *size, generator=torch.Generator().manual_seed(0))
    found = judge(frames, frames[0], frames[-1])
    assert not any(math.isinf(value) for value in vars(found).values() if isinstance(value, float))


def test_wrong_input_is_named(shot: Tensor) -> None:
    with pytest.raises(ValueError, match="frames has values from nan"):
        judge(shot * float("nan"), shot[0], shot[-1])
    with pytest.raises(ValueError, match="last has shape"):
        judge(shot, shot[0], shot[-1, :, :10])
    with pytest.raises(ValueError, match="1 frame given"):
        judge(shot[:1], shot[0], shot[0])
