"""The denoiser's loss and the timesteps it is taken at."""

import pytest
import torch

from toon_core.presets import nano
from toon_core.schedule import Schedule
from train.engine.batches import SampleRNG
from train.losses.diffusion import add_noise, v_loss


@pytest.fixture(scope="module")
def schedule():
    return Schedule(nano().schedule)


def test_the_loss_is_the_mean_and_tells_both_halves_of_the_timesteps_apart(schedule):
    t, v = torch.tensor([100, 900]), torch.zeros(2, 4, 2, 2, 2)
    out = torch.ones_like(v) * torch.tensor([1.0, 2.0]).view(2, 1, 1, 1, 1)
    loss, values = v_loss(out, v, t, schedule)
    assert loss == 2.5 and values == {"noisy": 4.0, "clean": 1.0}
    _, values = v_loss(out, v, torch.tensor([700, 900]), schedule)
    assert values["noisy"] == 2.5 and values["clean"].isnan()


def test_shift_draws_more_of_the_noisy_steps(schedule):
    """Esser et al. 2024, eq. 23, of the steps that the same draws give without it."""
    latents = torch.zeros(64, 1, 1, 1, 1)
    plain, shifted = (
        add_noise(schedule, latents, SampleRNG(0, 0, range(64)), shift)[2] for shift in (1.0, 3.0)
    )
    u = plain.double() / 1000
    assert (shifted - 1000 * 3 * u / (1 + 2 * u)).abs().max() < 0.7  # rounded, and at most 999
    assert 400 < plain.double().mean() < 600 < shifted.double().mean() < 999
    assert plain.unique().numel() > 50 and shifted.min() >= 0 and shifted.max() <= 999
