"""The training loop: resumes exactly, keeps good checkpoints, stops at a NaN, exports."""

import errno
import io
import json
import multiprocessing
import os
import sys
from itertools import islice
from pathlib import Path

import pytest
import torch
import torch._dynamo
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from torch import nn
from toy_recipe import Items, ToyConfig, ToyRecipe, curve, same, states, train

from toon_core.weights.save import write
from train.data.windows import WindowConfig
from train.engine import checkpoint, launch, loop
from train.engine.batches import Share, batches
from train.engine.config import RunConfig, parse, read
from train.engine.files import write_text
from train.engine.muon import is_matrix
from train.engine.optimizers import make_optimizer
from train.engine.trained import Trained


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """Six steps at once, with dropout."""
    out = tmp_path_factory.mktemp("whole")
    return train(out=str(out), steps=6, dropout=0.3, save_every=2, keep=2)


def test_stopping_and_resuming_equals_one_run(whole, tmp_path):
    train(out=str(tmp_path), steps=3, dropout=0.3)
    resumed = train(out=str(tmp_path), steps=6, dropout=0.3)
    assert resumed.step == whole.step == 6
    assert curve(tmp_path, "denoise/loss") == curve(whole.out, "denoise/loss")
    assert same(states(whole), states(resumed))
    seen = resumed.recipe.objectives["denoise"].seen
    assert seen[3] == [str(i) for i in range(12, 16)]
    assert {0, 1, 2}.isdisjoint(seen), "done steps are not done again"


def test_every_part_of_the_state_has_moved(whole):
    start = ToyRecipe(whole.config, torch.device("cpu")).objectives
    for name, state in states(whole).items():
        first = dict(start[name].named_parameters())
        for key, value in state["weights"].items():
            assert not torch.equal(value, first[key]), key
            assert not torch.equal(value, state["ema"]["average"][key]), key


def test_accumulated_pieces_equal_one_batch(tmp_path):
    one = train(out=str(tmp_path / "one"), steps=2, batch=4)
    four = train(out=str(tmp_path / "four"), steps=2, batch=4, accumulate=4)
    a, b = (j.trained["denoise"].state_dict()["weights"] for j in (one, four))
    for name in a:
        torch.testing.assert_close(a[name], b[name], rtol=1e-4, atol=1e-5)
    with pytest.raises(ValueError, match="multiple of 3"):
        train(out=str(tmp_path / "three"), batch=4, accumulate=3)


def test_only_the_newest_checkpoints_are_kept_and_none_is_half_written(whole):
    names = sorted(p.name for p in whole.checkpoints.iterdir())
    assert names == ["step_00000004.pt", "step_00000006.pt"]


class FullDisk(io.BytesIO):
    def write(self, data):
        if self.tell() > 100_000:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return super().write(data)


def test_a_full_disk_leaves_the_checkpoint_before(tmp_path, monkeypatch):
    checkpoint.save(tmp_path, 5, {"x": torch.zeros(3)}, 2)
    with monkeypatch.context() as patch:
        patch.setattr(Path, "open", lambda *_: FullDisk())
        with pytest.raises(OSError, match="No space left.*step_00000005") as caught:
            checkpoint.save(tmp_path, 6, {"x": torch.zeros(300_000)}, 2)
    assert str(tmp_path) in str(caught.value)
    assert checkpoint.load_latest(tmp_path)["step"] == 5
    checkpoint.save(tmp_path, 6, {"x": torch.zeros(300_000)}, 2)
    assert checkpoint.load_latest(tmp_path)["step"] == 6


def test_a_log_or_sheet_that_cannot_be_written_is_only_told(tmp_path, caplog):
    (tmp_path / "log").write_text("in the way")
    (tmp_path / "sheets" / "step_00000000.png.part").mkdir(parents=True)
    job = train(out=str(tmp_path), steps=2, sample_every=2)
    assert job.step == 2 and (tmp_path / "result.json").is_file()
    assert [p.name for p in (tmp_path / "sheets").iterdir() if p.is_file()] == ["step_00000002.png"]
    told = [r.message for r in caplog.records if "training goes on" in r.message]
    assert len(told) == 2 and any("step_00000000.png" in message for message in told)


def test_a_result_that_cannot_be_written_names_file_cause_and_checkpoint(tmp_path):
    (tmp_path / "result.json").mkdir()
    with pytest.raises(OSError, match=r"result\.json.*Last good checkpoint: .*step_00000003"):
        train(out=str(tmp_path), steps=3)
    (tmp_path / "result.json").rmdir()
    assert train(out=str(tmp_path), steps=3).step == 3, "it only writes its result"
    assert json.loads((tmp_path / "result.json").read_text())["data_stamp"] == "toys"


def test_files_are_whole_or_as_they_were(tmp_path):
    model, text = tmp_path / "a.safetensors", tmp_path / "a.json"
    write({"x": torch.zeros(2)}, model, {})
    write_text(text, "before")
    before = model.read_bytes()
    (tmp_path / "a.safetensors.part").mkdir()
    (tmp_path / "a.json.part").mkdir()
    with pytest.raises(OSError, match=r"a\.safetensors cannot be written"):
        write({"x": torch.ones(2)}, model, {})
    with pytest.raises(OSError, match=r"a\.json cannot be written"):
        write_text(text, "after")
    assert (model.read_bytes(), text.read_text()) == (before, "before")


def test_a_spoiled_checkpoint_is_named(tmp_path):
    path = checkpoint.save(tmp_path, 5, {}, 2)
    path.write_bytes(b"not a checkpoint")
    with pytest.raises(ValueError, match=path.name):
        checkpoint.load_latest(tmp_path)


def test_a_nan_stops_and_names_the_last_good_checkpoint(tmp_path):
    with pytest.raises(ValueError, match=r"denoise, step 3: .*step_00000002.* lower lr or clip_n"):
        train(out=str(tmp_path), steps=6, bad_step=3, save_every=2)
    assert not (tmp_path / "result.json").exists()


@pytest.mark.parametrize(
    ("option", "begun"),
    [
        ({"batch": 8}, "batch=4"),
        ({"seed": 1}, "seed=0"),
        ({"dropout": 0.1}, "dropout=0.3"),
        ({"betas": (0.5, 0.9)}, r"betas=\[0.9, 0.99\]"),
        ({"windows": WindowConfig(flip=0.25)}, "windows.flip=0.5"),
        ({"optimizer": "muon"}, "optimizer=adamw,"),
    ],
)
def test_options_that_decide_what_is_learned_are_refused_on_resuming(whole, option, begun):
    config = {"steps": 8, "dropout": 0.3, **option}
    with pytest.raises(ValueError, match=f"was begun with {begun}"):
        train(out=str(whole.out), **config)


def test_other_clips_are_refused_on_resuming(whole, monkeypatch):
    monkeypatch.setattr(Items, "stamp", lambda _: "others")
    with pytest.raises(ValueError, match="begun on other clips.*toys, now others"):
        train(out=str(whole.out), steps=8, dropout=0.3)


def test_another_file_under_the_same_name_is_refused_on_resuming(tmp_path):
    base, out = tmp_path / "base.ckpt", tmp_path / "out"
    base.write_text("weights")
    train(out=str(out), steps=1, base=str(base))
    base.write_text("others")
    with pytest.raises(ValueError, match=rf"out was begun with another file as base={base} .*sha"):
        train(out=str(out), steps=2, base=str(base))
    base.write_text("weights")
    assert train(out=str(out), steps=2, base=str(base)).step == 2


def test_a_result_does_not_replace_what_it_is_made_of(tmp_path):
    base, linked = tmp_path / "result.pt", tmp_path / "linked.pt"
    base.write_text("weights")
    linked.symlink_to(base)
    for name in (base, linked):
        with pytest.raises(ValueError, match=f"base={name} is the file that the result would"):
            train(out=str(tmp_path), steps=1, base=str(name))
    assert {p.name for p in tmp_path.iterdir()} == {"result.pt", "linked.pt"}
    assert base.read_text() == "weights"


def test_only_the_process_that_saves_holds_a_copy(whole, monkeypatch):
    with monkeypatch.context() as patch:
        patch.setattr(type(whole.accelerator), "is_main_process", False)
        others = [*states(whole).values(), whole.trained["denoise"].averaged_state()]
    assert not any(tensors(state) for state in others)
    assert tensors(states(whole)["denoise"])


class Broken(Items):
    def __getitem__(self, index):
        if index >= 12:
            raise ValueError(f"item {index}: cannot be read; see the log")
        return super().__getitem__(index)


@pytest.mark.parametrize("workers", [0, 1])
def test_bad_data_are_one_line(workers):
    config, share = ToyConfig(data="", out="", steps=9, workers=workers), Share(batch=4)
    found = batches(Broken(), config, share, step=1)
    assert [pieces[0].batch["name"][0] for pieces in islice(found, 2)] == ["4", "8"]
    with pytest.raises(ValueError, match=r"^item 12: cannot be read; see the log$"):
        next(found)
    assert not multiprocessing.active_children(), "its process ends too"


def test_a_run_that_stops_at_an_error_leaves_no_process(tmp_path):
    with pytest.raises(ValueError, match="step 1"):
        train(out=str(tmp_path), steps=99, bad_step=1, workers=1)
    assert not multiprocessing.active_children()


def test_what_has_changed_on_the_way_is_told_with_the_result(tmp_path):
    for options in ({"steps": 2}, {"steps": 2, "lr": 1e-3}, {"steps": 3, "lr": 1e-3}, {"steps": 4}):
        train(out=str(tmp_path), **options)
    told = json.loads((tmp_path / "result.json").read_text())["history"]
    assert [entry["step"] for entry in told] == [2, 3]
    assert told[0]["changed"] == {"steps": [2, 3], "lr": [1e-2, 1e-3]}


def test_a_run_at_its_end_rewrites_nothing(tmp_path):
    train(out=str(tmp_path), steps=2)
    before = {p: p.stat().st_mtime_ns for p in tmp_path.rglob("*") if p.is_file()}
    assert train(out=str(tmp_path), steps=1, lr=1e-3).step == 2
    assert {p: p.stat().st_mtime_ns for p in tmp_path.rglob("*") if p.is_file()} == before
    (tmp_path / "result.pt").unlink()
    train(out=str(tmp_path), steps=2)
    assert (tmp_path / "result.pt").is_file(), "a result that is gone is written again"


def test_a_checkpoint_from_before_options_were_kept_goes_on(tmp_path):
    path = checkpoint.found(train(out=str(tmp_path), steps=2).checkpoints)[-1]
    state = torch.load(path)
    for name in ("options", "sources", "data_stamp", "history"):
        del state[name]
    torch.save({**state, "seed": 0, "batch": 4}, path)
    with pytest.raises(ValueError, match="batch=4"):
        train(out=str(tmp_path), steps=3, batch=8)
    assert train(out=str(tmp_path), steps=3).step == 3


def test_a_signal_saves_and_ends_and_the_run_goes_on(whole, tmp_path):
    with pytest.raises(SystemExit) as ended:
        train(out=str(tmp_path), steps=6, dropout=0.3, interrupt_step=3)
    assert ended.value.code == 130
    assert checkpoint.load_latest(tmp_path / "checkpoints")["step"] == 4
    assert not (tmp_path / "result.json").exists()
    assert same(states(whole), states(train(out=str(tmp_path), steps=6, dropout=0.3)))


def test_minutes_end_a_run_that_can_go_on(tmp_path):
    job = train(out=str(tmp_path), steps=10_000, minutes=1e-9)
    assert job.step < 10
    assert json.loads((tmp_path / "result.json").read_text())["step"] == job.step
    assert checkpoint.load_latest(job.checkpoints)["step"] == job.step


def test_the_result_is_the_average_and_the_weights_come_back(whole):
    saved = torch.load(whole.out / "result.pt")
    state = states(whole)["denoise"]
    assert same(dict(saved), state["ema"]["average"])
    assert not same(dict(saved), state["weights"])


def test_without_average_the_result_is_the_weights(tmp_path):
    job = train(out=str(tmp_path), steps=2, ema=0.0)
    assert same(dict(torch.load(tmp_path / "result.pt")), states(job)["denoise"]["weights"])


def test_a_dry_run_takes_no_step_and_writes_nothing(tmp_path, caplog):
    words = ["data=none", f"out={tmp_path / 'run'}", "steps=5", "--dry-run"]
    config = parse(ToyConfig, words, "")
    assert config.dry_run
    with caplog.at_level("INFO", "toon.train"):
        job = loop.run(ToyRecipe, config)
    assert job.step == 0 and not Path(config.out).exists()
    assert "activations and gradients" in caplog.text and "s a step" in caplog.text


@pytest.fixture
def scaled(monkeypatch):
    """Gradients are scaled on the CPU, too, as fp16 needs it on a GPU."""
    plain = launch._accelerator

    def accelerator(config):
        made = plain(config)
        made.scaler = torch.amp.GradScaler("cpu", init_scale=256.0, growth_interval=2)
        return made

    monkeypatch.setattr(launch, "_accelerator", accelerator)


def test_the_scale_of_gradients_goes_on_too(scaled, tmp_path):
    whole = train(out=str(tmp_path / "whole"), steps=5, judge=False)
    train(out=str(tmp_path / "parts"), steps=3, judge=False)
    resumed = train(out=str(tmp_path / "parts"), steps=5, judge=False)
    found, expected = (j.accelerator.scaler.state_dict() for j in (resumed, whole))
    assert found == expected and found["scale"] == 4 * 256 and found["_growth_tracker"] == 1
    assert same(states(whole), states(resumed))


def test_a_run_that_skips_every_update_stops(scaled, tmp_path, monkeypatch):
    def overflowed(self):
        for p in self.parameters:
            p.grad.fill_(float("inf"))
        return torch.tensor(float("inf"))

    monkeypatch.setattr(Trained, "_clipped", overflowed)
    with pytest.raises(ValueError, match=r"denoise, step 19: .*not finite; last good checkpoint"):
        train(out=str(tmp_path), steps=30, judge=False)


def test_curves_and_sheets_go_to_tensorboard(whole):
    events = EventAccumulator(str(whole.out / "log")).Reload()
    assert len(events.Scalars("denoise/loss")) == len(events.Scalars("judge/grad_norm")) == 6
    assert [e.step for e in events.Images("sheet")] == [0, 6]
    assert (whole.out / "sheets" / "step_00000006.png").is_file()


def test_sheets_can_be_switched_off(tmp_path, monkeypatch):
    monkeypatch.delattr(ToyRecipe, "sheet")
    job = train(out=str(tmp_path), steps=2, sample_every=1, sheet_clips=0)
    assert job.step == 2 and job.expected.sheet >= 0 and not (tmp_path / "sheets").exists()


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


def test_the_8_bit_optimizer_says_what_it_needs(monkeypatch):
    monkeypatch.setitem(sys.modules, "bitsandbytes", None)
    with pytest.raises(ValueError, match="pip install bitsandbytes"):
        make_optimizer([nn.Parameter(torch.zeros(2))], ToyConfig(optimizer="adamw8bit"))


class Wide(nn.Module):
    """Weights of 4096 numbers or more, the least of which bitsandbytes keeps 8-bit moments."""

    def __init__(self):
        super().__init__()
        self.net = nn.Sequential(nn.Flatten(), nn.Linear(64, 128), nn.GELU(), nn.Linear(128, 64))

    def forward(self, batch, draws):
        return (self.net(batch["x"]) - batch["x"].flatten(1)).square().mean(), {}


class WideRecipe(ToyRecipe):
    def __init__(self, config, device):
        super().__init__(config, device)
        self.objectives = {"denoise": Wide()}


def trained_and_resumed(out, optimizer):
    """A run of 6 steps whose loss falls, and what equals it: 3, a stop, and 3 more."""

    def run(name, steps):
        options = {"optimizer": optimizer, "lr": 1e-2, "steps": steps, "judge": False}
        config = ToyConfig(data="none", out=str(out / name), device="cpu", **options)
        return loop.run(WideRecipe, config)

    whole = run("whole", 6)
    values = EventAccumulator(str(whole.out / "log")).Reload().Scalars("loss")
    assert values[-1].value < 0.9 * values[0].value
    run("parts", 3)
    resumed = run("parts", 6)
    assert resumed.step == 6 and same(states(whole), states(resumed))
    return resumed


def test_8_bit_adam_trains_and_resumes_exactly(tmp_path, monkeypatch):
    # On a CPU bitsandbytes compiles its update, for half a minute; here it runs as it is written.
    monkeypatch.setattr(torch._dynamo.config, "disable", True)
    resumed = trained_and_resumed(tmp_path, "adamw8bit")
    moments = tensors(states(resumed)["denoise"]["optimizer"]["state"])
    assert [m.dtype for m in moments if m.dim() == 2] == [torch.uint8] * 4


def test_muon_trains_and_resumes_exactly(tmp_path):
    trained_and_resumed(tmp_path, "muon")


@pytest.mark.parametrize("shape", [(32, 96), (96, 32), (16, 8, 3, 3)])
def test_muon_moves_a_matrix_by_an_orthogonal_step_of_adamw_s_size(shape):
    weight = nn.Parameter(torch.randn(shape))
    before, weight.grad = weight.detach().clone(), torch.randn(shape)
    make_optimizer([weight], ToyConfig(optimizer="muon", lr=0.01, weight_decay=0.0)).step()
    moved = (before - weight.detach()).flatten(1)
    size = 0.2 * max(moved.shape) ** 0.5 * 0.01
    turned = torch.linalg.svdvals(moved) / size
    assert turned.min() > 0.6 and turned.max() < 1.3
    u, _, v = torch.linalg.svd(weight.grad.flatten(1), full_matrices=False)
    along = ((moved / size) * (u @ v)).sum() / moved.norm() * size / (u @ v).norm()
    assert along > 0.95
    assert moved.square().mean().sqrt() == pytest.approx(0.2 * 0.01, rel=0.25)


def test_muon_leaves_vectors_and_tables_to_adamw():
    given = [torch.zeros(64), torch.zeros(5000, 48), torch.zeros(4, 512), torch.zeros(64, 48)]
    assert [is_matrix(p) for p in given] == [False, False, False, True]


def tensors(tree):
    """All tensors of nested dicts: releases of bitsandbytes nest their moments differently."""
    leaves = (tensors(v) if isinstance(v, dict) else [v] for v in tree.values())
    return [v for found in leaves for v in found if isinstance(v, torch.Tensor)]


def test_yaml_and_overrides_meet(tmp_path):
    (tmp_path / "run.yaml").write_text("data: clips\nout: here\nlr: 0.5\n")
    config = read(RunConfig, str(tmp_path / "run.yaml"), ["lr=0.25"])
    assert (config.data, config.lr) == ("clips", 0.25)
