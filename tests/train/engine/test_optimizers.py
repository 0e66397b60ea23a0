"""AdamW in 8 bits, Muon and the scale of fp16's gradients: each works, and goes on exactly."""

import sys

import pytest
import torch
import torch._dynamo
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from torch import nn
from toy_recipe import ToyRecipe, same, states, tensors, toy_config, train

from train.engine import launch
from train.engine.optimizers import is_matrix, make_optimizer
from train.engine.state import TrainState


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

    monkeypatch.setattr(TrainState, "_clipped_norm", overflowed)
    with pytest.raises(ValueError, match=r"denoise, step 19: .*not finite; last good checkpoint"):
        train(out=str(tmp_path), steps=30, judge=False)


def test_weights_that_no_result_can_hold_are_not_saved(tmp_path):
    options = {"out": str(tmp_path), "save_every": 1, "warmup": 0, "judge": False}
    with pytest.raises(ValueError, match="step 1: its weights are not finite.*good.*: none yet"):
        train(steps=3, lr=1e30, **options)
    assert not list(tmp_path.rglob("*.pt"))
    assert train(steps=3, lr=1e-3, **options).step == 3
    with pytest.raises(ValueError, match="step_00000003.pt.*If it fails here again.*delete it"):
        train(steps=5, lr=1e-3, bad_step=3, **options)
    with pytest.raises(ValueError, match="step 4: its weights are not finite"):
        train(steps=4, lr=1e30, **options)
    assert not list(tmp_path.glob("*.safetensors")), "an end with such weights has no result"


def test_the_8_bit_optimizer_says_what_it_needs(monkeypatch):
    monkeypatch.setitem(sys.modules, "bitsandbytes", None)
    with pytest.raises(ValueError, match="pip install bitsandbytes"):
        make_optimizer([nn.Parameter(torch.zeros(2))], toy_config(optimizer="adamw8bit"))


class Wide(nn.Module):
    """Weights of 4096 numbers or more, the least of which bitsandbytes keeps 8-bit moments."""

    def __init__(self):
        super().__init__()
        self.net = nn.Sequential(nn.Flatten(), nn.Linear(64, 128), nn.GELU(), nn.Linear(128, 64))

    def forward(self, batch, rng):
        return (self.net(batch["x"]) - batch["x"].flatten(1)).square().mean(), {}


class WideRecipe(ToyRecipe):
    def __init__(self, config, device):
        super().__init__(config, device)
        self.objectives = {"denoise": Wide()}


def trained_and_resumed(out, optimizer):
    """A run of 6 steps whose loss falls, and what equals it: 3, a stop, and 3 more."""

    def run(name, steps):
        options = {"optimizer": optimizer, "lr": 1e-2, "steps": steps, "judge": False}
        return train(WideRecipe, out=str(out / name), device="cpu", **options)

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
    make_optimizer([weight], toy_config(optimizer="muon", lr=0.01, weight_decay=0.0)).step()
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


def test_muon_moves_each_weight_as_if_it_were_alone():
    """Weights of one shape go together; one without a gradient stays where it is."""
    torch.manual_seed(0)
    shapes = [(16, 8), (16, 8), (16, 8, 1, 1), (8, 16), (16,), (3,), (16, 8)]
    values = [torch.randn(shape) for shape in shapes]
    options = toy_config(optimizer="muon", lr=0.01, weight_decay=0.1)
    together = [nn.Parameter(value.clone()) for value in values]
    apart = [nn.Parameter(value.clone()) for value in values]
    optimizers = [make_optimizer(together, options), *(make_optimizer([p], options) for p in apart)]
    for _ in range(3):
        for p, q in zip(together[:-1], apart[:-1], strict=True):
            p.grad = torch.randn(p.shape)
            q.grad = p.grad.clone()
        for optimizer in optimizers:
            optimizer.step()
    for p, q, value in zip(together, apart, values, strict=True):
        assert torch.allclose(p, q, atol=1e-6)
        assert torch.equal(p, value) == (p.grad is None)
