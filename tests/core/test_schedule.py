"""Schedule against closed formulas."""

import math

import numpy as np
import pytest
import torch

from toon_core.config import ScheduleConfig
from toon_core.schedule import Schedule


@pytest.fixture(scope="module")
def schedule() -> Schedule:
    return Schedule(ScheduleConfig())


def test_terminal_snr_is_zero_and_the_start_is_kept(schedule: Schedule) -> None:
    assert schedule.alphas_cumprod[-1] == 0
    assert schedule.alphas_cumprod[0] == pytest.approx(1 - 0.00085, abs=1e-12)
    assert (np.diff(schedule.alphas_cumprod) < 0).all()


def test_zero_snr_is_an_affine_map_of_the_plain_signal() -> None:
    plain = Schedule(ScheduleConfig(rescale_betas_zero_snr=False))
    line = np.linspace(math.sqrt(0.00085), math.sqrt(0.012), 1000)
    assert np.allclose(plain.betas, line**2, rtol=1e-12)
    s = np.sqrt(plain.alphas_cumprod)
    ours = np.sqrt(Schedule(ScheduleConfig()).alphas_cumprod)
    assert np.allclose(ours, (s - s[-1]) * s[0] / (s[0] - s[-1]), atol=1e-7)


def test_buffers_are_consistent(schedule: Schedule) -> None:
    b = schedule.buffers()
    assert len(b) == 13 and all(v.dtype == torch.float32 for v in b.values())
    assert sum(v.numel() for v in b.values()) == 13_400
    assert torch.allclose(b["sqrt_alphas_cumprod"] ** 2, b["alphas_cumprod"], atol=1e-7)
    ones = b["sqrt_alphas_cumprod"] ** 2 + b["sqrt_one_minus_alphas_cumprod"] ** 2
    assert torch.allclose(ones, torch.ones(1000))
    assert b["alphas_cumprod_prev"][0] == 1
    assert torch.equal(b["alphas_cumprod_prev"][1:], b["alphas_cumprod"][:-1])
    assert b["scale_arr"][0] == 1 and torch.all(b["scale_arr"][399:] == np.float32(0.7))
    assert float(b["scale_arr"][100]) == pytest.approx(1 - 0.3 * 100 / 399, abs=1e-6)


@pytest.mark.parametrize("steps", [1, 2, 5, 6, 25, 30, 50, 60, 61, 103, 333, 1000])
@pytest.mark.parametrize("spacing", ["uniform", "uniform_trailing"])
@pytest.mark.parametrize("eta", [0.0, 1.0])
def test_tables_are_finite_and_in_range(
    schedule: Schedule, steps: int, spacing: str, eta: float
) -> None:
    table = schedule.ddim(steps, spacing, eta)
    tau = table.timesteps
    assert all(0 <= t <= 999 for t in tau) and tau == sorted(set(tau))
    if spacing == "uniform_trailing":
        assert len(table) == steps and tau[-1] == 999
    for a, prev, sigma in zip(table.alphas, table.alphas_prev, table.sigmas, strict=True):
        assert math.isfinite(sigma) and 0 <= sigma**2 <= 1 - prev + 1e-9 and a <= prev
    assert table.alphas_prev[1:] == table.alphas[:-1]
    assert table.scale_prev[0] == table.scale[0]


def test_uniform_can_give_more_than_asked(schedule: Schedule) -> None:
    counts = {s: len(schedule.timesteps(s, "uniform")) for s in (30, 60, 6)}
    assert counts == {30: 31, 60: 63, 6: 7}


@pytest.mark.parametrize(("steps", "spacing"), [(0, "uniform"), (1001, "uniform"), (5, "karras")])
def test_refuses(schedule: Schedule, steps: int, spacing: str) -> None:
    with pytest.raises(ValueError, match=r"steps|spacing"):
        schedule.timesteps(steps, spacing)


def test_training_pair_gives_the_scaled_latent_back(schedule: Schedule, rand) -> None:
    x0, eps, t = rand(3, 4, 2, 2, 2), rand(3, 4, 2, 2, 2), torch.tensor([0, 500, 999])
    x, v = schedule.add_noise(x0, eps, t)
    a, b = schedule.coefficients(t)
    scale = torch.from_numpy(schedule.scale_arr)[t].view(-1, 1, 1, 1, 1)
    assert torch.allclose(a * x - b * v, scale * x0, atol=1e-5)
    assert torch.allclose(a * v + b * x, eps, atol=1e-5)
    assert torch.allclose(x[2], eps[2]), "pure noise at the last step"
