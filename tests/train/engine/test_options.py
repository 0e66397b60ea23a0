"""A run's options: from YAML and words, refused at once where they cannot work, and a dry run."""

from pathlib import Path

import pytest
from toy_recipe import ToyConfig, ToyRecipe, train

from train.data.windows.dataset import TrainingConfig
from train.engine import loop
from train.engine.config import parse, read
from train.engine.options import options_of


def test_a_dry_run_takes_no_step_and_writes_nothing(tmp_path, caplog):
    words = ["data=none", f"out={tmp_path / 'run'}", "steps=5", "--dry-run"]
    config = parse(ToyConfig, words, "")
    assert config.dry_run
    with caplog.at_level("INFO", "toon.train"):
        job = loop.run(ToyRecipe, config)
    assert job.step == 0 and not Path(config.out).exists()
    assert "activations and gradients" in caplog.text and "s a step" in caplog.text


def test_unknown_and_missing_options_are_refused():
    for word, near in (("stepz=3", "steps"), ("run.thread=1", "run.threads"), ("flip=1", "flip")):
        with pytest.raises(ValueError, match=f"unknown option; did you mean .*{near}.*--help"):
            read(TrainingConfig, None, ["data=x", "out=y", word])
    with pytest.raises(ValueError, match="data"):
        read(TrainingConfig, None, ["out=y"])


BOUNDED = [
    own
    for own in options_of(TrainingConfig)
    if "least" in own.limits and isinstance(own.default, (int, float))
]


@pytest.mark.parametrize(
    ("option", "reason"),
    [
        ({"dtype": "fp8"}, "fp32 or bf16 or fp16"),
        ({"dtype": "fp16", "device": "cpu"}, "needs a GPU"),
        ({"fsdp": True}, "torchrun"),
        ({"fsdp": True, "optimizer": "adamw8bit"}, "optim.name=adamw"),
        ({"fsdp": True, "optimizer": "muon"}, "optim.name=adamw"),
        ({"optimizer": "sgd"}, "adamw or adamw8bit or muon"),
        *(({own.name: own.limits["least"] - 1}, own.range()) for own in BOUNDED),
        ({"seed": 2**64}, f"seed={2**64}: expected"),
        ({"ema": 1.0}, "optim.ema=1.0: expected 0 or more, below 1"),
        ({"betas": (0.9, 2.0)}, "optim.betas=.0.9, 2.0.: expected"),
        ({"clip_norm": 0.0}, "optim.clip_norm=0.0: expected more than 0"),
        ({"device": "gpu"}, "run.device=gpu: expected cpu, cuda"),
        ({"device": "cuda:99"}, "run.device=cuda:99: this torch sees"),
    ],
)
def test_options_that_cannot_work_are_refused_at_once(tmp_path, option, reason):
    with pytest.raises(ValueError, match=reason):
        train(out=str(tmp_path / "run"), **option)
    assert not (tmp_path / "run").exists()


def test_yaml_and_overrides_meet(tmp_path):
    (tmp_path / "run.yaml").write_text("data: clips\nout: here\nlr: 0.5\n")
    config = read(TrainingConfig, str(tmp_path / "run.yaml"), ["lr=0.25"])
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
        read(TrainingConfig, str(tmp_path / "run.yaml"), ["data=x", "out=y"])
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
        ("optim.betas=[0.9]", r"optim\.betas: .*length"),
        ("optim={betas: [a, 1]}", r"optim\.betas: Value '\['a', 1\]'"),
    ],
)
def test_words_that_cannot_be_options_are_named(word, said):
    with pytest.raises(ValueError, match=said):
        read(ToyConfig, None, ["data=x", "out=y", word])


@pytest.mark.parametrize("text", ["MIT: Anna", "CC BY 4.0: Noto: emoji", "C:/clips", "a # b: c"])
def test_a_text_with_a_colon_is_one_text(text):
    assert read(ToyConfig, None, ["data=x", f"out={text}"]).out == text


def test_every_option_says_what_it_does(capsys):
    with pytest.raises(SystemExit) as ended:
        parse(TrainingConfig, ["--help"], "Train.")
    lines = capsys.readouterr().out.splitlines()
    assert ended.value.code == 0 and lines[0] == "Train."
    for own in options_of(TrainingConfig):
        (line,) = [x for x in lines if x.startswith(f"  {own.name} ")]
        assert len(line.split("  ")[-1]) > 4, own.name
    assert any("lr" in x and "0.0005" in x and "0 or more" in x for x in lines)


def test_options_of_before_are_taken_or_refused_by_name(tmp_path):
    """As the config.yaml of a run of before has them."""
    (tmp_path / "config.yaml").write_text(
        "optimizer: muon\nema: 0.5\nkeep: 7\nattention: sdpa\nweighting: plain\n"
    )
    config = read(TrainingConfig, str(tmp_path / "config.yaml"), ["data=x", "out=y", "warmup=3"])
    assert (config.optim.name, config.optim.ema, config.run.keep) == ("muon", 0.5, 7)
    assert config.optim.warmup == 3
    with pytest.raises(ValueError, match="weighting=min_snr: is gone; errors of all"):
        read(TrainingConfig, None, ["data=x", "out=y", "weighting=min_snr"])
