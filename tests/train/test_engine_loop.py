"""The training loop: resumes exactly, survives a kill, stops at a NaN, exports what loads."""

import json

import pytest
import torch
from torch import nn

from train.engine import checkpoint, loop
from train.engine.config import RunConfig, read


class Items(torch.utils.data.Dataset):
    def __getitem__(self, index):
        return {"x": torch.full((4,), float(index % 7)), "name": str(index)}

    def __len__(self):
        return 10_000


class Regression(nn.Module):
    """Its loss uses the step's draws and dropout, as the real ones may."""

    def __init__(self, bad_step=None):
        super().__init__()
        self.net = nn.Sequential(nn.Linear(4, 8), nn.Dropout(0.3), nn.Linear(8, 1))
        self.bad_step, self.calls, self.seen = bad_step, 0, []

    def forward(self, batch, draws):
        self.seen += batch["name"]
        error = (self.net(batch["x"]) - batch["x"].sum(1, keepdim=True) - draws.normal(1)).square()
        self.calls += 1
        return error.mean() * (float("nan") if self.calls == self.bad_step else 1), {}


class Recipe:
    def __init__(self, bad_step=None):
        torch.manual_seed(5)
        self.loss = Regression(bad_step)
        self.objectives, self.dataset = {"net": self.loss}, Items()

    def sheet(self):
        return torch.zeros(4, 4, 3, dtype=torch.uint8).numpy()

    def export(self, out, facts):
        (out / "result.json").write_text(json.dumps(facts))


def run(out, steps, recipe=None, **options):
    options = {"save_every": 5, "sample_every": 50, "log_every": 1, **options}
    config = RunConfig(
        data="none", out=str(out), steps=steps, batch=3, workers=0, lr=0.01, **options
    )
    return loop.run(lambda config, device: recipe or Recipe(), config)


def same(a, b):
    """Whether two nested states are equal bit for bit."""
    if isinstance(a, torch.Tensor):
        return torch.equal(a, b)
    if isinstance(a, dict):
        return a.keys() == b.keys() and all(same(a[k], b[k]) for k in a)
    if isinstance(a, (list, tuple)):
        return len(a) == len(b) and all(map(same, a, b))
    return a == b


def test_stopping_and_resuming_equals_one_run(tmp_path):
    whole = run(tmp_path / "whole", 12)
    run(tmp_path / "parts", 7)
    resumed = run(tmp_path / "parts", 12)
    assert resumed.step == whole.step == 12
    assert same(whole.trained["net"].state_dict(), resumed.trained["net"].state_dict())


def test_a_resumed_run_goes_on_with_the_next_items(tmp_path):
    run(tmp_path, 4)
    recipe = Recipe()
    run(tmp_path, 6, recipe)
    assert recipe.loss.seen == [str(i) for i in range(12, 18)]


def test_only_the_newest_checkpoints_are_kept_and_none_is_half_written(tmp_path):
    run(tmp_path, 20, keep=2)
    names = sorted(p.name for p in (tmp_path / "checkpoints").iterdir())
    assert names == ["step_00000015.pt", "step_00000020.pt"]


def test_a_kill_while_saving_leaves_the_checkpoint_before(tmp_path, monkeypatch):
    run(tmp_path, 5)

    def killed(state, path):
        path.write_bytes(b"half")
        raise KeyboardInterrupt

    monkeypatch.setattr(torch, "save", killed)
    with pytest.raises(KeyboardInterrupt):
        checkpoint.save(tmp_path / "checkpoints", 6, {}, 2)
    assert checkpoint.load_latest(tmp_path / "checkpoints")["step"] == 5


def test_a_spoiled_checkpoint_is_named(tmp_path):
    run(tmp_path, 5)
    path = checkpoint.found(tmp_path / "checkpoints")[-1]
    path.write_bytes(b"not a checkpoint")
    with pytest.raises(ValueError, match=path.name):
        run(tmp_path, 6)


def test_a_nan_stops_and_names_the_last_good_checkpoint(tmp_path):
    with pytest.raises(ValueError, match=r"step 7.*step_00000005"):
        run(tmp_path, 20, Recipe(bad_step=8))


def test_minutes_end_a_run_that_can_go_on(tmp_path):
    job = run(tmp_path, 10_000, minutes=1e-9)
    assert job.step < 10_000
    assert (tmp_path / "result.json").is_file()
    assert checkpoint.load_latest(tmp_path / "checkpoints")["step"] == job.step


def test_ema_lags_and_gives_the_weights_back(tmp_path):
    job = run(tmp_path, 10, ema=0.99)
    trained = job.trained["net"]
    before = [p.detach().clone() for p in trained.parameters]
    with trained.ema.applied():
        assert any(not torch.equal(p, b) for p, b in zip(trained.parameters, before, strict=True))
    assert all(torch.equal(p, b) for p, b in zip(trained.parameters, before, strict=True))


def test_unknown_and_missing_options_are_refused():
    with pytest.raises(ValueError, match="stepz"):
        read(RunConfig, None, ["data=x", "out=y", "stepz=3"])
    with pytest.raises(ValueError, match="data"):
        read(RunConfig, None, ["out=y"])


def test_yaml_and_overrides_meet(tmp_path):
    (tmp_path / "run.yaml").write_text("data: clips\nout: here\nlr: 0.5\n")
    config = read(RunConfig, str(tmp_path / "run.yaml"), ["lr=0.25"])
    assert (config.data, config.lr) == ("clips", 0.25)
