"""What is scored: inner frames, just made or kept, at the set's size or another, sketches, and true
clips encoded and decoded (the paper's Table 4 and Figure 10)."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from discs import disc
from PIL import Image
from report_page import facts_of
from torch import Tensor

from toon_core.metrics.metric import NO_MODEL
from toon_core.metrics.network import chosen_frames
from toon_core.metrics.plain.psnr import psnr
from train.eval.options import Settings, read_sampling
from train.eval.run import Bench, evaluate
from train.eval.scores import crosses_border, reconstruct
from train.eval.systems import NANO, Sampling, load_autoencoder, run_system
from train.eval.testset import Clip, read_clip


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
    assert kept.values == spoiled.values and kept.features == spoiled.features


def test_the_sets_own_size_is_scored_unless_another_is_asked(testset: Path, tmp_path: Path) -> None:
    own = Settings(out=tmp_path / "own", only=())
    assert evaluate(["nearest"], testset, own, limit=1)["size"] == 64
    assert Image.open(own.out / "frames" / "nearest" / "fast" / "frame_000.png").size == (64, 64)
    half = Settings(out=tmp_path / "half", size=32, only=())
    assert evaluate(["nearest"], testset, half, limit=1)["size"] == 32


def test_output_frames_are_a_system_themselves(testset: Path, bare: Settings) -> None:
    (testset / "slow").rename(testset / "slow (2)")
    once = evaluate(["crossfade"], testset, bare)["systems"]["crossfade"]
    frames = bare.out / "frames" / "crossfade"
    again = evaluate([f"again={frames}"], testset, bare)["systems"]["again"]
    assert again == once


def test_sketches_are_scored_where_given(testset: Path, bare: Settings) -> None:
    sketch = np.full((64, 64), 255, np.uint8)
    sketch[:, 30] = 0
    Image.fromarray(sketch).save(testset / "slow" / "sketch_003.png")
    row = evaluate(["crossfade"], testset, bare)["systems"]["crossfade"]
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


def test_a_checkpoint_has_table_4_and_figure_10(testset: Path, bare: Settings) -> None:
    settings = replace(bare, sampling=read_sampling(["steps=1"], seed=1))
    evaluate(["nano", "nearest"], testset, settings, limit=1)
    out = settings.out
    table = json.loads((out / "table_4.json").read_text())["systems"]
    assert list(table) == ["nano"] and list(table["nano"]) == ["psnr", "ssim", "lpips"]
    assert table["nano"]["lpips"]["model"] == NO_MODEL
    clip = read_clip(testset / "fast", 64)
    with torch.inference_mode():
        vae = load_autoencoder(NANO)
        expected = psnr(reconstruct(vae, clip), clip.frames)
    curve = json.loads((out / "figure_10.json").read_text())
    assert set(curve) == {"psnr", "ssim"}
    assert curve["psnr"]["nano"] == pytest.approx(expected.tolist())
    assert table["nano"]["psnr"]["mean"] == pytest.approx(expected.mean().item())
    assert "Table 4" in (out / "table_4.md").read_text()
    titles = [curve["title"] for curve in facts_of(out)["curves"]]
    assert titles[0] == "Figure 10: PSNR (dB) of true clips encoded and decoded"
    [kept] = (out / "reconstruction").iterdir()
    made = kept.stat().st_mtime_ns
    evaluate(["nano"], testset, settings, limit=1)
    assert kept.stat().st_mtime_ns == made


def test_a_clip_of_any_size_is_given_back_in_it() -> None:
    vae = load_autoencoder(NANO)
    clip = Clip(name="odd", frames=disc(5, 4.0, height=72, width=90))
    found = reconstruct(vae, clip)
    assert found.shape == clip.frames.shape
    assert psnr(found, clip.frames).min() > 15
