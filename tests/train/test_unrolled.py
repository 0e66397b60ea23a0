"""Training on the model's own samples."""

import pytest
import torch

import toon_core
from toon_core.model import ToonModel
from toon_core.presets import RELEASED, nano
from toon_core.samplers.ddim import ddim
from train import autoencoder, pretrain
from train.engine.draws import Draws
from train.pretrain import PretrainConfig
from train.unrolled import UnrolledObjective

STEPS, TEMPERATURE = 3, 0.5
SHORT = ["height=64", "width=64", "workers=0", "threads=1", "batch=1", "sheet_clips=1"]


@pytest.fixture(scope="module")
def objective():
    torch.manual_seed(0)
    config = PretrainConfig(data="", out="", autoencoder="", drop=0.0)
    model = ToonModel(nano()).requires_grad_(False)
    torch.nn.init.normal_(model.unet.out[2].weight, std=0.1)  # zero in an untrained network
    return UnrolledObjective(model, config, False, None, STEPS, TEMPERATURE)


@pytest.fixture
def batch():
    generator = torch.Generator().manual_seed(5)
    moments = torch.randn(2, 2, 4, 16, 8, 8, generator=generator)
    first = torch.rand(2, 3, 64, 64, generator=generator) * 2 - 1
    return {"moments": moments, "first": first, "prompt": ["a cat", "a fox"], "fs": [24, 8]}


def noises(count):
    """Those that `_come_to` draws: one to begin with, one for every step but the last."""
    draws = Draws(1, 0, [0, 1])
    return [draws.normal(4, 16, 8, 8) for _ in range(count)]


def linear(x, t, chosen=slice(None)):
    return 0.3 * x[chosen] + 0.001 * t[chosen].view(-1, 1, 1, 1, 1)


def test_it_comes_to_where_the_sampler_comes(objective):
    """Clip 0 stops before the last step, clip 1 has not begun."""
    x = objective._come_to(
        torch.tensor([0, STEPS - 1]), torch.zeros(2, 4, 16, 8, 8), linear, Draws(1, 0, [0, 1])
    )
    start, *rest = noises(STEPS)
    seen = []
    table = objective.table
    ddim(
        lambda x, t: linear(x, torch.full((2,), int(t))),
        start,
        table,
        iter([*rest, torch.zeros_like(start)]).__next__,
        callback=lambda i, total, x0, x: seen.append(x.clone()),
        temperature=TEMPERATURE,
    )
    torch.testing.assert_close(x[0], seen[-2][0], rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(x[1], TEMPERATURE * start[1])


def test_the_loss_is_the_error_of_the_estimate_at_the_drawn_step(objective, batch):
    objective.unet.requires_grad_(True)
    loss, values = objective(batch, Draws(0, 0, [0, 1]))
    loss.backward()
    assert loss > 0.1 and values.keys() <= {"noisy", "clean"}
    assert objective.unet.out[2].weight.grad.abs().max() > 0
    objective.unet.requires_grad_(False)
    again, _ = objective(batch, Draws(0, 0, [0, 1]))
    assert again == pytest.approx(loss.item(), rel=1e-5)
    other, _ = objective(batch, Draws(0, 1, [0, 1]))
    assert other != pytest.approx(loss.item(), rel=1e-3)


def test_its_steps_are_the_releases(objective):
    assert len(objective.table) == STEPS
    assert objective.table.timesteps[-1] == 999 and RELEASED.spacing == "uniform_trailing"


def test_pretrain_trains_so(clip_folders, tmp_path):
    data = f"data={clip_folders}"
    autoencoder.main([data, f"out={tmp_path}/vae", "steps=1", *SHORT])
    words = [data, f"autoencoder={tmp_path}/vae/autoencoder.safetensors", f"out={tmp_path}/run"]
    words += ["unrolled=2", "lambda_p=0.5", "perceptual_crop=32", "sheet_steps=1", "steps=1"]
    pretrain.main([*words, *SHORT])
    assert toon_core.load(tmp_path / "run" / "model.safetensors").config.unet == nano().unet
