"""An evaluation goes on where it stopped: what has changed is made again, and nothing else."""

import json
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
from discs import disc
from torch import Tensor

from toon_core.metrics import registry
from toon_core.metrics.metric import TRUTH, Metric
from train.data.filters.base import FilterConfig
from train.data.prepare.config import PrepareConfig
from train.data.prepare.run import prepare
from train.eval import cache
from train.eval.options import Settings
from train.eval.run import evaluate
from train.eval.systems import run_system
from train.eval.testset import Clip, write_frames


def test_goes_on_where_it_stopped(
    testset: Path, bare: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    made: list[str] = []

    def counted(system: object, clip: Clip, sampling: object) -> Tensor:
        made.append(clip.name)
        return run_system(system, clip, sampling)

    monkeypatch.setattr(cache, "run_system", counted)
    first = evaluate(["crossfade"], testset, bare, limit=2)
    assert made == ["fast", "middle"]
    everything = evaluate(["crossfade"], testset, bare)
    assert made == ["fast", "middle", "slow"]
    assert evaluate(["crossfade"], testset, bare, limit=2) == first
    assert evaluate(["crossfade"], testset, bare) == everything
    assert len(made) == 3
    write_frames(disc(6, 3.0), testset / "slow")
    (bare.out / "cache" / "crossfade" / "fast.json").write_text('{"key": ')
    evaluate(["crossfade"], testset, bare)
    assert made[3:] == ["fast", "slow"]


def test_other_metrics_score_the_kept_frames_again(
    testset: Path, bare: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = evaluate(["crossfade"], testset, bare, limit=1)
    changed = replace(bare, every_frame=True)
    networks = bare.networks()
    assert changed.measures(networks) != bare.measures(networks)
    monkeypatch.setattr(cache, "run_system", lambda *_: pytest.fail("made again"))
    assert evaluate(["crossfade"], testset, changed, limit=1) == first


def test_lost_frames_are_made_again(testset: Path, bare: Settings) -> None:
    first = evaluate(["nearest"], testset, bare, limit=1)
    lost = bare.out / "frames" / "nearest" / "fast" / "frame_002.png"
    lost.unlink()
    assert evaluate(["nearest"], testset, bare, limit=1) == first and lost.is_file()


def test_a_new_metric_scores_the_kept_frames_again(
    testset: Path, bare: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    evaluate(["crossfade"], testset, bare, limit=1)
    monkeypatch.setattr(cache, "run_system", lambda *_: pytest.fail("made again"))
    brightness = Metric(
        key="brightness",
        title="brightness",
        better=TRUTH,
        digits=3,
        meaning="mean level.",
        compute=lambda clip: clip.inner.mean().item(),
    )
    known = registry.metrics()
    monkeypatch.setattr(registry, "metrics", lambda: (*known, brightness))
    row = evaluate(["crossfade"], testset, bare, limit=1)["systems"]["crossfade"]
    assert 0 < row["brightness"]["mean"] < 1 and row["psnr"]["n"] == 1
    assert "| brightness |" in (bare.out / "table.md").read_text()


def test_fresh_makes_what_is_kept_again(
    testset: Path, bare: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = evaluate(["crossfade"], testset, bare, limit=2)
    made: list[str] = []

    def counted(system: object, clip: Clip, sampling: object) -> Tensor:
        made.append(clip.name)
        return run_system(system, clip, sampling)

    monkeypatch.setattr(cache, "run_system", counted)
    again = evaluate(["crossfade"], testset, replace(bare, fresh=True), limit=2)
    assert made == ["fast", "middle"] and again == first


def test_other_shards_give_other_clips(clip_folders: Path, bare: Settings, tmp_path: Path) -> None:
    for way in ("right", "down", "right"):
        source, shards = tmp_path / way, tmp_path / f"{way}_shards"
        if not shards.is_dir():
            shutil.copytree(clip_folders / way, source / way)
            filters = FilterConfig(sketch="xdog", text=0)
            options = {"data": str(source), "out": str(shards), "size": 64, "workers": 0}
            prepare(PrepareConfig(**options, filters=filters))
        row = evaluate(["nearest"], shards, bare)["systems"]["nearest"]
        assert row["sketch_f"]["n"] == 1
        [clip] = json.loads((bare.out / "clips.json").read_text())["nearest"]
        assert clip.startswith(way)
    assert len(list((bare.out / "testset").iterdir())) == 2
