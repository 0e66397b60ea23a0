"""A run in a process of its own that is killed while it saves, then told to end."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch
from toy_recipe import same, states, train

from train.engine import checkpoint

ROOT = Path(__file__).parents[3]
EVERY, STEPS = 2, 12


@pytest.fixture
def one_thread():
    """As the child's, so that sums round alike."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def child(out: Path) -> subprocess.Popen:
    options = [
        f"out={out}",
        f"run.save_every={EVERY}",
        "slow_save=0.5",
        "pause=0.05",
        "dropout=0.3",
    ]
    words = ["data=none", "steps=100000", "run.device=cpu", "run.threads=1", "run.keep=3", *options]
    return subprocess.Popen(
        [sys.executable, str(ROOT / "tests/train/toy_recipe.py"), *words],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stderr=subprocess.PIPE,
        text=True,
    )


def wait_until(done, process: subprocess.Popen) -> None:
    for _ in range(6000):
        if done():
            return
        assert process.poll() is None, process.stderr.read()[-2000:]
        time.sleep(0.02)
    process.kill()
    raise AssertionError("the run got nowhere in two minutes")


def begun(out: Path) -> int:
    """The step it is in."""
    return int((out / "begun").read_text() or -1)


def unfinished(folder: Path) -> list[Path]:
    """Checkpoints that have no name yet."""
    return list(folder.glob("*.part"))


def last_step(out: Path) -> int:
    return checkpoint.load_latest(out / "checkpoints")["step"]


def test_a_killed_run_loses_an_interval_at_most_and_goes_on_exactly(tmp_path, one_thread):
    kept = tmp_path / "checkpoints"
    process = child(tmp_path)
    wait_until(
        lambda: len(checkpoint.checkpoints_in(kept)) >= 2 and list(kept.glob("*.part")), process
    )
    process.kill()
    process.wait()
    assert unfinished(kept), "killed while it saved"
    killed = last_step(tmp_path)
    assert killed == 2 * EVERY and 0 <= begun(tmp_path) - killed <= EVERY

    process = child(tmp_path)
    wait_until(lambda: begun(tmp_path) == killed + EVERY, process)
    process.send_signal(signal.SIGTERM)
    _, said = process.communicate(timeout=120)
    assert process.returncode == 128 + signal.SIGTERM, said[-2000:]
    assert "Traceback" not in said and "SIGTERM" in said
    ended = last_step(tmp_path)
    assert ended >= killed + EVERY and not (tmp_path / "result.json").exists()

    rest = {"steps": max(STEPS, ended), "dropout": 0.3, "device": "cpu"}
    whole = train(out=str(tmp_path / "whole"), **rest)
    assert same(states(whole), states(train(out=str(tmp_path), **rest)))
    assert not unfinished(kept)
