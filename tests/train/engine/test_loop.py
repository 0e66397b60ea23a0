"""The training loop: resumes exactly, keeps good checkpoints, stops at a NaN, exports."""

import json
import multiprocessing
from itertools import islice

import pytest
import torch
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from toy_recipe import Items, ToyRecipe, curve, same, states, tensors, toy_config, train

from train.data.windows.dataset import WindowConfig
from train.engine import checkpoint
from train.engine.batches import RankShard, batches
from train.engine.renamed import MOVED


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
    a, b = (j.states["denoise"].state_dict()["weights"] for j in (one, four))
    for name in a:
        # Adam makes the rounding of a gradient near 0 a part of a step of lr.
        torch.testing.assert_close(a[name], b[name], rtol=1e-4, atol=5e-5)
    with pytest.raises(ValueError, match="multiple of 3"):
        train(out=str(tmp_path / "three"), batch=4, accumulate=3)


def test_only_the_newest_checkpoints_are_kept_and_none_is_half_written(whole):
    names = sorted(p.name for p in whole.checkpoints.iterdir())
    assert names == ["step_00000004.pt", "step_00000006.pt"]


def test_a_nan_stops_and_names_the_last_good_checkpoint(tmp_path):
    with pytest.raises(
        ValueError, match=r"denoise, step 3: .*step_00000002.* lower lr or optim.clip_n"
    ):
        train(out=str(tmp_path), steps=6, bad_step=3, save_every=2)
    assert not (tmp_path / "result.json").exists()


@pytest.mark.parametrize(
    ("option", "begun"),
    [
        ({"batch": 8}, "batch=4"),
        ({"seed": 1}, "seed=0"),
        ({"dropout": 0.1}, "dropout=0.3"),
        ({"betas": (0.5, 0.9)}, r"optim.betas=\[0.9, 0.99\]"),
        ({"windows": WindowConfig(flip=0.25)}, "windows.flip=0.5"),
        ({"optimizer": "muon"}, "optim.name=adamw,"),
    ],
)
def test_options_that_decide_what_is_learned_are_refused_on_resuming(whole, option, begun):
    config = {"steps": 8, "dropout": 0.3, **option}
    with pytest.raises(ValueError, match=f"was begun with {begun}"):
        train(out=str(whole.out), **config)


def test_an_option_that_is_newer_than_the_run_had_its_default(tmp_path):
    job = train(out=str(tmp_path), steps=1)
    [file] = checkpoint.checkpoints_in(job.checkpoints)
    state = torch.load(file, weights_only=True)
    del state["options"]["dropout"]
    torch.save(state, file)
    with pytest.raises(ValueError, match=r"was begun with dropout=0\.0"):
        train(out=str(tmp_path), steps=2, dropout=0.3)
    assert train(out=str(tmp_path), steps=2).step == 2


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


def test_only_the_process_that_saves_holds_a_copy(whole, monkeypatch):
    with monkeypatch.context() as patch:
        patch.setattr(type(whole.accelerator), "is_main_process", False)
        others = [*states(whole).values(), whole.states["denoise"].averaged_state()]
    assert not any(tensors(state) for state in others)
    assert tensors(states(whole)["denoise"])


class Broken(Items):
    def __getitem__(self, index):
        if index >= 12:
            raise ValueError(f"item {index}: cannot be read; see the log")
        return super().__getitem__(index)


@pytest.mark.parametrize("workers", [0, 1])
def test_bad_data_are_one_line(workers):
    config, part = toy_config(steps=9, workers=workers), RankShard(batch=4)
    found = batches(Broken(), config, part, step=1)
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


def test_a_checkpoint_with_names_of_before_goes_on(tmp_path):
    """As runs of before wrote them: flat, and with options that are gone."""
    job = train(out=str(tmp_path), steps=2)
    path = checkpoint.checkpoints_in(job.checkpoints)[-1]
    state = torch.load(path)
    before = state["options"]
    grouped = before.pop("run") | before.pop("optim")
    before |= {k: v for k, v in grouped.items() if k == "name" or k in MOVED}
    before |= {"optimizer": before.pop("name"), "attention": "products", "weighting": "plain"}
    before |= {f"windows.{k}": v for k, v in before.pop("windows").items()}
    torch.save({**state, "options": before}, path)
    with pytest.raises(ValueError, match="begun with optim.name=adamw"):
        train(out=str(tmp_path), steps=3, optimizer="muon")
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


def test_curves_and_sheets_go_to_tensorboard(whole):
    events = EventAccumulator(str(whole.out / "log")).Reload()
    assert len(events.Scalars("denoise/loss")) == len(events.Scalars("judge/grad_norm")) == 6
    assert [e.step for e in events.Images("sheet")] == [0, 6]
    assert (whole.out / "sheets" / "step_00000006.png").is_file()


def test_sheets_can_be_switched_off(tmp_path, monkeypatch):
    monkeypatch.delattr(ToyRecipe, "sheet")
    job = train(out=str(tmp_path), steps=2, sample_every=1, sheet_clips=0)
    assert job.step == 2 and not (tmp_path / "sheets").exists()


class Watched(ToyRecipe):
    """A held-out loss that falls until the fourth step."""

    def held_out_loss(self) -> dict[str, float]:
        step = max(self.objectives["denoise"].seen, default=-1) + 1
        return {"loss": float(abs(4 - step)), "t999": float(step)}


def test_the_held_out_loss_and_the_pace_are_curves(tmp_path):
    train(Watched, out=str(tmp_path), steps=3, sample_every=1)
    assert curve(tmp_path, "held_out/loss") == [4, 3, 2, 1]
    assert curve(tmp_path, "held_out/t999") == [0, 1, 2, 3]
    assert curve(tmp_path, "run/lr") == [pytest.approx(1e-2)] * 3
    for name in ("step_seconds", "clips_per_second", "memory_gib"):
        assert all(value > 0 for value in curve(tmp_path, f"run/{name}"))


def test_a_run_ends_where_the_held_out_loss_falls_no_more(tmp_path):
    """Its result is the best state's, and the same command does nothing more."""
    options = {"steps": 20, "sample_every": 1, "patience": 2, "ema": 0.0}
    train(Watched, out=str(tmp_path / "early"), **options)
    train(out=str(tmp_path / "four"), steps=4, ema=0.0)
    early, four = (torch.load(tmp_path / name / "result.pt") for name in ("early", "four"))
    assert same(dict(early), dict(four))
    assert json.loads((tmp_path / "early" / "result.json").read_text())["step"] == 4
    assert checkpoint.load_latest(tmp_path / "early" / "checkpoints")["step"] == 6
    again = train(Watched, out=str(tmp_path / "early"), **options)
    assert again.done and not again.recipe.objectives["denoise"].seen


def test_early_stopping_resumes_exactly(tmp_path):
    options = {"sample_every": 1, "patience": 3, "save_every": 1}
    train(Watched, out=str(tmp_path / "parts"), steps=5, **options)
    train(Watched, out=str(tmp_path / "parts"), steps=20, **options)
    train(Watched, out=str(tmp_path / "whole"), steps=20, **options)
    parts, whole = (
        checkpoint.load_latest(tmp_path / name / "checkpoints") for name in ("parts", "whole")
    )
    assert parts["early_stopping"] == whole["early_stopping"]
    assert parts["step"] == whole["step"] == 7 and same(parts["objectives"], whole["objectives"])
