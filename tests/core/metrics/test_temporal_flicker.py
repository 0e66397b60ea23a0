import pytest
import torch
from torch import Tensor

from toon_core.metrics.plain.temporal_flicker import temporal_flicker


def test_closed_form() -> None:
    levels = torch.tensor([0.5, 0.6, 0.5, 0.5]).view(4, 1, 1, 1)
    assert temporal_flicker(levels.expand(4, 3, 8, 8))[0].item() == pytest.approx(0.1, abs=1e-6)


def test_steady_change_and_stills_have_none(clip: Tensor) -> None:
    fade = torch.linspace(0.2, 0.25, 6).view(6, 1, 1, 1).expand(6, 3, 8, 8)
    assert temporal_flicker(fade).max() < 1e-6
    assert temporal_flicker(clip[:1].expand(3, -1, -1, -1)).tolist() == [0]


def test_rises_with_noise_over_motion(clip: Tensor) -> None:
    noise = torch.randn(clip.shape, generator=torch.Generator().manual_seed(0))
    scores = [temporal_flicker((clip + s * noise).clamp(0, 1)).mean() for s in (0, 0.02, 0.05)]
    assert scores == sorted(scores)
    assert scores[0] < scores[1] / 2


def test_what_passes_in_one_frame_is_left_out() -> None:
    frames = torch.full((3, 3, 16, 16), 0.5)
    frames[1, :, :8] = 0.9
    assert temporal_flicker(frames).item() < 0.01


def test_all_that_moves_away_is_nan() -> None:
    frames = torch.linspace(0, 1, 3).view(3, 1, 1, 1).expand(3, 3, 8, 8)
    assert temporal_flicker(frames).isnan().all()


def test_wrong_input_is_named(clip: Tensor) -> None:
    with pytest.raises(ValueError, match="at least 3 frames, 2 given"):
        temporal_flicker(clip[:2])
    with pytest.raises(ValueError, match="nan"):
        temporal_flicker(clip * float("nan"))
