"""The weighting of steps in the denoiser's loss."""

import pytest
import torch

from toon_core.presets import nano
from toon_core.schedule import Schedule
from train.engine.draws import Draws
from train.losses.diffusion import noised, step_weights, v_loss


@pytest.fixture(scope="module")
def schedule():
    return Schedule(nano().schedule)


def test_min_snr_weights_are_the_papers(schedule):
    """Hang et al. 2023, section 3.4: min(SNR, gamma) / (SNR + 1) for v-prediction."""
    t = torch.tensor([0, 300, 700, 999])
    x0, eps = torch.ones(4, 1, 1, 1, 1), torch.zeros(4, 1, 1, 1, 1)
    signal = schedule.add_noise(x0, eps, t)[0].flatten() / torch.from_numpy(schedule.scale_arr)[t]
    snr = signal.square() / (1 - signal.square())
    expected = torch.minimum(snr, torch.tensor(5.0)) / (snr + 1)
    found = step_weights(schedule, t, "min_snr")
    torch.testing.assert_close(found, expected, rtol=1e-3, atol=1e-6)
    assert found[0] < found[1] and found[3] == 0 and found.max() <= 5 / 6


def test_a_clips_error_counts_by_its_step(schedule):
    t, v = torch.tensor([100, 900]), torch.zeros(2, 4, 2, 2, 2)
    out = torch.ones_like(v) * torch.tensor([1.0, 2.0]).view(2, 1, 1, 1, 1)
    plain, values = v_loss(out, v, t, schedule)
    assert plain == 2.5 and values == {"noisy": 4.0, "clean": 1.0}
    weights = step_weights(schedule, t, "min_snr")
    weighted, _ = v_loss(out, v, t, schedule, "min_snr")
    assert weighted == pytest.approx(float(weights[0] + 4 * weights[1]) / 2)
    with pytest.raises(ValueError, match="plain, min_snr"):
        v_loss(out, v, t, schedule, "snr")


def test_shift_draws_more_of_the_noisy_steps(schedule):
    """Esser et al. 2024, eq. 23, of the steps that the same draws give without it."""
    latents = torch.zeros(64, 1, 1, 1, 1)
    plain, shifted = (
        noised(schedule, latents, Draws(0, 0, range(64)), shift)[2] for shift in (1.0, 3.0)
    )
    u = plain.double() / 1000
    assert (shifted - 1000 * 3 * u / (1 + 2 * u)).abs().max() < 0.7  # rounded, and at most 999
    assert 400 < plain.double().mean() < 600 < shifted.double().mean() < 999
    assert plain.unique().numel() > 50 and shifted.min() >= 0 and shifted.max() <= 999
