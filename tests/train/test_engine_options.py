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
    with pytest.raises(ValueError, match=r"stepz.*known keys: data, out,") as refused:
        read(RunConfig, None, ["data=x", "out=y", "stepz=3"])
    assert "FREE" not in str(refused.value)
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
        ({"seed": 2**64}, f"seed={2**64}: expected"),
        ({"ema": 1.0}, "ema=1.0: expected 0 or more, below 1"),
        ({"betas": (0.9, 2.0)}, "betas=.0.9, 2.0.: expected"),
        ({"clip_norm": 0.0}, "clip_norm=0.0: expected more than 0"),
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


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("lr: 1\nbetas: [0.9, 0.99\nsteps: 3\n", "line 3: "),
        ("windows:\n\tflip: 1\n", "line 2: "),
        ("- lr\n", "holds no options"),
        ("5\n", "holds no options"),
        ("lr: !!python/object/apply:os.system [x]\n", "line 1: could not determine"),
        ("[" * 3000 + "]" * 3000, "nested too deeply"),
        ("lr: \0\n", "characters are not allowed"),
    ],
)
def test_a_file_that_is_no_yaml_is_named_with_its_line(tmp_path, text, said):
    (tmp_path / "run.yaml").write_text(text)
    with pytest.raises(ValueError, match=r"run\.yaml: ") as refused:
        read(RunConfig, str(tmp_path / "run.yaml"), ["data=x", "out=y"])
    assert said in str(refused.value) and "\n" not in str(refused.value)


@pytest.mark.parametrize(
    ("word", "said"),
    [
        ("lr=nan", "lr=nan: expected a finite number"),
        ("windows.scale=[inf,1]", "windows.scale.0=inf: expected a finite number"),
        ("base=${oc.env:HOME}", r"base=\$.oc.env:HOME.: give the value itself"),
        ("lr=[1", r"lr=\[1: line \d"),
        ("lr", "lr: expected key=value"),
        ("steps=x", "steps: Value 'x'"),
    ],
)
def test_words_that_cannot_be_options_are_named(word, said):
    with pytest.raises(ValueError, match=said):
        read(ToyConfig, None, ["data=x", "out=y", word])
