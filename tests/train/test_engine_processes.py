"""Two processes under torchrun do what one does, with DDP and with sharded modules."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from toy_recipe import curve, same, states, train

from train import rectify, sketch

ROOT = Path(__file__).parents[2]
REAL = {"rectify": rectify, "sketch": sketch}
STEPS = 4
TOY = ["data=none", f"steps={STEPS}", "save_every=2", "sample_every=2", "device=cpu", "threads=1"]


def real(out: Path, clips: Path) -> list[str]:
    """Two steps of a recipe on the shipped model."""
    size = ["height=64", "width=64", "frames=4", "batch=2", "lr=1e-4", "warmup=1", "log_every=1"]
    sheets = ["sheet_clips=1", "sheet_steps=1", "workers=0", "device=cpu", "threads=1"]
    base = f"base={ROOT / 'weights' / 'nano.safetensors'}"
    return [base, f"data={clips}", f"out={out}", "steps=2", *size, *sheets]


@pytest.fixture(scope="module")
def two(tmp_path_factory, clip_folders):
    """Folders of runs by two processes, all under one torchrun."""
    out = tmp_path_factory.mktemp("two")
    runs = [
        [*TOY, f"out={out}/ddp"],
        [*TOY, f"out={out}/fsdp", "fsdp=true", "accumulate=2", "checkpointing=true"],
        *([f"train.{name}", *real(out / name, clip_folders)] for name in REAL),
    ]
    words = [word for run in runs for word in ["--", *run]][1:]
    launch = ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
    done = subprocess.run(
        [sys.executable, *launch, str(ROOT / "tests/train/toy_recipe.py"), *words],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        check=False,
        timeout=500,
    )
    assert done.returncode == 0, done.stderr[-4000:]
    return out


@pytest.fixture(scope="module")
def one(tmp_path_factory):
    out = tmp_path_factory.mktemp("one")
    return train(out=str(out), steps=STEPS, device="cpu", save_every=2)


@pytest.mark.parametrize("kind", ["ddp", "fsdp"])
def test_losses_and_gradients_equal_one_process(two, one, kind):
    for name in ("denoise/loss", "judge/loss", "denoise/l2", "denoise/grad_norm"):
        expected = curve(one.out, name)
        assert len(expected) == STEPS
        assert curve(two / kind, name) == pytest.approx(expected, abs=1e-5)


@pytest.mark.parametrize("kind", ["ddp", "fsdp"])
def test_the_exported_average_is_whole(two, one, kind):
    found, expected = (torch.load(out / "result.pt") for out in (two / kind, one.out))
    assert found.keys() == expected.keys()
    for name, value in expected.items():
        torch.testing.assert_close(found[name], value, rtol=1e-3, atol=3e-4)
    assert (two / kind / "sheets" / "step_00000002.png").is_file()


def test_one_process_goes_on_from_a_sharded_checkpoint(two, one):
    """And its state is that of a run that was never sharded, but for rounding."""
    (two / "fsdp" / "checkpoints" / "step_00000004.pt").unlink()
    resumed = states(train(out=str(two / "fsdp"), steps=STEPS, device="cpu"))
    assert not same(resumed["judge"]["optimizer"]["state"], {})
    for name, expected in states(one).items():
        for part in ("weights", "optimizer"):
            torch.testing.assert_close(resumed[name][part], expected[part], rtol=1e-3, atol=3e-4)


@pytest.mark.parametrize("name", REAL)
def test_a_real_recipe_equals_one_process(two, clip_folders, tmp_path, name):
    REAL[name].main(real(tmp_path, clip_folders))
    expected = curve(tmp_path, "loss")
    assert len(expected) == 2 and expected[0] != expected[1]
    assert curve(two / name, "loss") == pytest.approx(expected, abs=1e-5, rel=0)
