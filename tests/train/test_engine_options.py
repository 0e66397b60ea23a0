"""A run's options: from YAML and words, refused at once where they cannot work, and a dry run."""

from pathlib import Path

import pytest
from toy_recipe import ToyConfig, ToyRecipe, train

from train.engine import launch, loop
from train.engine.config import RunConfig, parse, read


def test_a_dry_run_takes_no_step_and_writes_nothing(tmp_path, caplog):
    words = ["data=none", f"out={tmp_path / 'run'}", "steps=5", "--dry-run"]
    config = parse(ToyConfig, words, "")
    assert config.dry_run
    with caplog.at_level("INFO", "toon.train"):
        job = loop.run(ToyRecipe, config)
    assert job.step == 0 and not Path(config.out).exists()
    assert "activations and gradients" in caplog.text and "s a step" in caplog.text


def test_unknown_and_missing_options_are_refused():
    with pytest.raises(ValueError, match="stepz"):
        read(RunConfig, None, ["data=x", "out=y", "stepz=3"])
    with pytest.raises(ValueError, match="data"):
        read(RunConfig, None, ["out=y"])


@pytest.mark.parametrize(
    ("option", "reason"),
    [
        ({"dtype": "fp8"}, "fp32, bf16, fp16"),
        ({"dtype": "fp16", "device": "cpu"}, "needs a GPU"),
        ({"fsdp": True}, "torchrun"),
        ({"fsdp": True, "optimizer": "adamw8bit"}, "optimizer=adamw"),
        ({"fsdp": True, "optimizer": "muon"}, "optimizer=adamw"),
        ({"optimizer": "sgd"}, "adamw or adamw8bit or muon"),
        *(({name: 0}, f"{name}=0: expected 1 or more") for name in launch.AT_LEAST_1),
        *(({name: -1}, f"{name}=-1: expected 0 or more") for name in launch.AT_LEAST_0),
        ({"device": "gpu"}, "device=gpu: expected cpu, cuda"),
        ({"device": "cuda:99"}, "device=cuda:99: this torch sees"),
    ],
)
def test_options_that_cannot_work_are_refused_at_once(tmp_path, option, reason):
    with pytest.raises(ValueError, match=reason):
        train(out=str(tmp_path / "run"), **option)
    assert not (tmp_path / "run").exists()


def test_yaml_and_overrides_meet(tmp_path):
    (tmp_path / "run.yaml").write_text("data: clips\nout: here\nlr: 0.5\n")
    config = read(RunConfig, str(tmp_path / "run.yaml"), ["lr=0.25"])
    assert (config.data, config.lr) == ("clips", 0.25)
