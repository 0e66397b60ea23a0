"""What is scored: inner frames, just made or kept, at the set's size or another, and sketches."""

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor

from toon_core.metrics.networks.network import chosen_frames
from train.eval.clips import Clip, read_clip
from train.eval.options import Settings
from train.eval.run import Bench, evaluate
from train.eval.scores import crosses_border
from train.eval.systems import Sampling, run_system


class Still:
    """A system that paints every inner frame grey and may spoil the ends."""

    name = "still"

    def __init__(self, ends: float = 0.0) -> None:
        self.ends = ends

    def fingerprint(self, clip: Clip, sampling: object) -> str:
        return f"still {self.ends}"

    def frames(self, clip: Clip, sampling: object) -> Tensor:
        made = torch.full_like(clip.frames, 0.5)
        made[[0, -1]] = (clip.frames[[0, -1]] - self.ends).clamp(0, 1)
        return made


def test_only_inner_frames_are_scored(testset: Path, settings: Settings) -> None:
    clip = read_clip(testset / "fast", 64)
    scorer = Bench([], settings).scorer
    kept, spoiled = (
        scorer.score(clip, run_system(Still(ends), clip, Sampling())) for ends in (0.0, 0.2)
    )
    assert kept.values.pop("end_frame_error") == 0
    assert spoiled.values.pop("end_frame_error") > 0.1
    assert kept == spoiled


@pytest.mark.usefixtures("no_networks")
def test_the_sets_own_size_is_scored_unless_another_is_asked(testset: Path, tmp_path: Path) -> None:
    own = Settings(out=tmp_path / "own")
    assert evaluate(["nearest"], testset, own, limit=1)["size"] == 64
    assert Image.open(own.out / "frames" / "nearest" / "fast" / "frame_000.png").size == (64, 64)
    half = Settings(out=tmp_path / "half", size=32)
    assert evaluate(["nearest"], testset, half, limit=1)["size"] == 32


@pytest.mark.usefixtures("no_networks")
def test_output_frames_are_a_system_themselves(testset: Path, settings: Settings) -> None:
    (testset / "slow").rename(testset / "slow (2)")
    once = evaluate(["crossfade"], testset, settings)["systems"]["crossfade"]
    frames = settings.out / "frames" / "crossfade"
    again = evaluate([f"again={frames}"], testset, settings)["systems"]["again"]
    assert again == once


@pytest.mark.usefixtures("no_networks")
def test_sketches_are_scored_where_given(testset: Path, settings: Settings) -> None:
    sketch = np.full((64, 64), 255, np.uint8)
    sketch[:, 30] = 0
    Image.fromarray(sketch).save(testset / "slow" / "sketch_003.png")
    row = evaluate(["crossfade"], testset, settings)["systems"]["crossfade"]
    assert row["sketch_f"]["n"] == 1
    assert 0 <= row["sketch_f"]["mean"] <= 1


def test_network_metric_looks_at_four_inner_frames() -> None:
    assert chosen_frames(16) == [3, 6, 9, 12]
    assert chosen_frames(5) == [1, 2, 3]
    assert chosen_frames(16, every=True) == list(range(1, 15))


def moving(start: int, step: int) -> Tensor:
    """A white square of 16 pixels on black, 64x64; its left edge is at start + i * step."""
    clip = torch.zeros(16, 3, 64, 64)
    for i in range(16):
        left = start + i * step
        clip[i, :, 24:40, max(left, 0) : max(left + 16, 0)] = 1
    return clip


def test_what_enters_or_leaves_passes_the_border() -> None:
    assert crosses_border(moving(-16, 2)), "enters"
    assert crosses_border(moving(30, 3)), "leaves"
    assert crosses_border(moving(-16, 6)), "passes through: both keys show the same border"


def test_what_moves_inside_does_not() -> None:
    assert not crosses_border(moving(8, 2))


def test_a_moving_camera_says_nothing() -> None:
    stripes = (torch.arange(64) % 16 < 8).float().expand(3, 64, 64)
    assert not crosses_border(torch.stack([stripes.roll(i, dims=-1) for i in range(16)]))
