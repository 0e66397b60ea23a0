"""What is scored: inner frames, just made or kept, at the set's size or another, and sketches."""

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor

from train.eval.bench import Bench
from train.eval.clips import Clip, read_clip
from train.eval.looks import network_frames
from train.eval.settings import Settings
from train.eval.systems import Sampling, run_system
from train.evaluate import evaluate


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
    assert network_frames(16) == [3, 6, 9, 12]
    assert network_frames(5) == [1, 2, 3]
    assert network_frames(16, every=True) == list(range(1, 15))
