"""What a dry run says that a run will need."""

import subprocess
import sys
import time
from contextlib import nullcontext
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn
from toy_recipe import ToyRecipe, train

from train.engine import estimate
from train.engine.loop import Run

ROOT = Path(__file__).parents[3]


class Counting(nn.Module):
    def __init__(self):
        super().__init__()
        self.net = nn.Linear(64, 10)
        self.register_buffer("calls", torch.zeros(()))

    def forward(self, batch, rng):
        self.calls += 1
        self.steps = rng.step
        return self.net(batch["x"].flatten(1)).square().mean(), {}


class CountingRecipe(ToyRecipe):
    def __init__(self, config, device):
        super().__init__(config, device)
        self.objectives = {"counting": Counting()}


def dry(tmp_path, **options):
    return train(CountingRecipe, out=str(tmp_path), dry_run=True, device="cpu", **options)


def test_an_estimate_leaves_everything_as_it_was(tmp_path):
    torch.manual_seed(5)
    job = dry(tmp_path, accumulate=2, steps=7)
    net = job.recipe.objectives["counting"]
    assert net.steps == 6, "the last step is tried"
    assert net.calls == 0 and all(p.grad is None for p in net.parameters())
    assert not job.states["counting"].optimizer.state_dict()["state"]
    assert job.expected.seconds > 0


def test_an_estimate_adds_up(tmp_path, monkeypatch):
    seen = []

    def tried(device, samples):
        seen.append(samples)
        return 10_000_000 + 10 * samples, 2 * 0.5 * samples  # of two parts

    monkeypatch.setattr(Run, "_dry_run", lambda job, samples: samples)
    monkeypatch.setattr(estimate, "_measure_step", tried)
    sheet = estimate.PeakMemory(9_000_500)
    monkeypatch.setattr(estimate, "track_peak", lambda device: nullcontext(sheet))
    monkeypatch.setattr(estimate, "present", lambda device: 9_000_000)
    found, weights = dry(tmp_path, batch=16, accumulate=2).expected, 4 * 650
    assert seen == [1, 2] and found.trained == 650
    assert found.average == weights and found.optimizer == 2 * weights
    assert found.present == 9_000_000 - weights, "the average is there already"
    assert found.step == 1_000_000 + 10 * 8 and found.seconds == 2 * 0.5 * 8
    assert found.sheet == 500 and found.total == 10_000_080 + 2 * weights
    assert dry(tmp_path, batch=1, ema=0.0, optimizer="adamw8bit").expected.total == 10_001_310


def test_a_sheet_that_takes_more_than_a_step_is_what_is_needed(tmp_path, monkeypatch):
    """The process's memory is put on: what other tests leave in it goes at any time."""
    held = [2**30]

    def sheet(self):
        held.append(64 * 2**20)
        time.sleep(0.1)
        held.pop()
        return np.ones((4, 4, 3), np.uint8)

    monkeypatch.setattr(CountingRecipe, "sheet", sheet)
    monkeypatch.setattr(estimate, "present", lambda device: sum(held))
    found = dry(tmp_path).expected
    assert (found.sheet, found.step) == (64 * 2**20, 0)
    assert found.total == 2**30 + found.optimizer + found.sheet


def test_no_room_for_one_sample_tells_what_is_known(tmp_path, monkeypatch):
    def full(*_):
        raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20.00 MiB.")

    monkeypatch.setattr(estimate, "_measure_step", full)
    known = "weights of what trains .*optimizer .*average .*run.checkpointing=true"
    with pytest.raises(ValueError, match=known) as told:
        dry(tmp_path)
    assert "\n" not in str(told.value)


def test_too_little_memory_is_a_warning(tmp_path, monkeypatch, caplog):
    monkeypatch.setattr(estimate, "free", lambda device: -(10**15))
    with caplog.at_level("INFO", "toon.train"):
        dry(tmp_path)
    assert "checkpointing=true" in caplog.text


@pytest.mark.parametrize("recipe", ["rectify", pytest.param("decoder", marks=pytest.mark.slow)])
def test_the_estimate_is_near_the_peak_then_measured(recipe):
    """In a process of its own, since memory that other tests have left would be used again."""
    command = [sys.executable, "benchmarks/training_memory.py", f"only={recipe}", "steps=2"]
    small = ["height=64", "width=64", "frames=8", "run.device=cpu"]
    done = subprocess.run([*command, *small], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    before, total, peak = map(int, done.stdout.splitlines()[-1].split("|")[2:5])
    assert peak > before + 100
    assert total == pytest.approx(peak, rel=0.2)
    assert total - before == pytest.approx(peak - before, rel=0.35)
