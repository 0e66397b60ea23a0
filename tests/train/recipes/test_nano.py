"""A small model from nothing in one command: every stage, resumed, to a file that samples."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from small_models import TINY

import toon_core
from toon_core.pipeline import interpolate
from train.engine import loop
from train.recipes import nano
from train.recipes.defaults import PRESETS
from train.recipes.nano import STAGES, NanoConfig, train_nano


@pytest.fixture(autouse=True)
def _small(monkeypatch: pytest.MonkeyPatch) -> None:
    """nano of the least size."""
    monkeypatch.setitem(PRESETS, "nano", lambda: TINY)


def config(out: Path, **own) -> NanoConfig:
    options = {"steps": 1, "clips": 16, "side": 64, "frames": 4, "batch": 8, "workers": 1}
    return NanoConfig(out=str(out), device="cpu", perceptual="none", **{**options, **own})


def test_from_nothing_to_a_model(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ran, inner = [], loop.run

    def watched(build, config):
        ran.append((Path(config.out).name, config.steps))
        return inner(build, config)

    monkeypatch.setattr(loop, "run", watched)
    assert train_nano(config(tmp_path, minutes=0.1)) is None and not ran  # no time for a stage
    file = train_nano(config(tmp_path))
    assert ran == [(stage.name, 1) for stage in STAGES]
    model = toon_core.load(file, dtype=torch.float32)
    assert model.config.vae.references and not model.config.vae.plain
    keys = [torch.zeros(1, 3, 64, 64) for _ in range(2)]
    recipe = replace(model.config.recipe, frames=4, steps=2)
    assert torch.isfinite(interpolate(model, *keys, "a cat", recipe=recipe)).all()
    toon_core.load(tmp_path / "sketch" / "sketch_encoder.safetensors", expect="sketch")
    first = json.loads((tmp_path / "motion" / "model.json").read_text())
    assert first["options"]["first_step"] == 1 and first["options"]["frames"] == 4
    stamp = file.stat().st_mtime_ns
    assert train_nano(config(tmp_path)) == file and file.stat().st_mtime_ns == stamp
    assert len(ran) == len(STAGES)


def test_steps_go_by_the_time_that_a_stage_has(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(nano, "STAGES", STAGES[:1])
    monkeypatch.setattr(nano, "assemble", lambda config: None)
    train_nano(config(tmp_path, steps=0, training=0.02))
    steps = json.loads((tmp_path / "autoencoder" / "steps.json").read_text())
    found = json.loads((tmp_path / "autoencoder" / "autoencoder.json").read_text())
    assert found["step"] == steps >= 10


def test_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="side=96: expected a multiple of 64"):
        train_nano(config(tmp_path, side=96))
