"""The sampler with predictors whose result is known."""

import pytest
import torch

from toon_core.config import ScheduleConfig
from toon_core.samplers.ddim import ddim
from toon_core.schedule import Schedule

SCHEDULE = Schedule(ScheduleConfig())


def perfect(clean, eps_of):
    """v of a model that knows the clean latent, scaled as in training."""

    def denoise(x, t):
        a, b = SCHEDULE.coefficients(torch.tensor([t]))
        x0 = clean * float(SCHEDULE.scale_arr[t])
        eps = (x - a * x0) / b
        eps_of.append(eps)
        return a * eps - b * x0

    return denoise


@pytest.mark.parametrize("spacing", ["uniform", "uniform_trailing"])
@pytest.mark.parametrize("eta", [0.0, 1.0])
def test_perfect_denoiser_returns_x0(rand, spacing: str, eta: float) -> None:
    clean, x = rand(1, 4, 3, 2, 2), rand(1, 4, 3, 2, 2)
    table = SCHEDULE.ddim(8, spacing, eta)
    seen, predictions = [], []
    out = ddim(
        perfect(clean, predictions), x, table, lambda: rand(1, 4, 3, 2, 2),
        lambda i, n, x0, x: seen.append((i, n, x0)),
    )  # fmt: skip
    assert [s[:2] for s in seen] == [(i, len(table)) for i in range(len(table))]
    # The last x0 carries the scale of its step, as the release leaves it.
    assert torch.allclose(seen[-1][2], clean * table.scale[0], atol=1e-3)
    left = (1 - table.alphas_prev[0]) ** 0.5  # the noise that remains at abar[0]
    assert (out - clean * table.scale[0] * table.alphas_prev[0] ** 0.5).abs().max() < 5 * left


def test_eta_0_keeps_the_noise_of_a_perfect_denoiser(rand) -> None:
    """Without fresh noise the trajectory stays on one (x0, eps) pair."""
    clean, x, predictions = rand(1, 4, 1, 2, 2), rand(1, 4, 1, 2, 2), []
    ddim(perfect(clean, predictions), x, SCHEDULE.ddim(10, "uniform_trailing", 0.0), lambda: 0 * x)
    assert max((eps - x).abs().max() for eps in predictions[:-1]) < 1e-3


def test_temperature_is_a_factor_of_all_noise(rand) -> None:
    """A perfect denoiser sees the start and each step's noise, each times the temperature."""
    x, fresh = rand(1, 4, 1, 2, 2), [rand(1, 4, 1, 2, 2) for _ in range(4)]

    def seen(temperature: float) -> torch.Tensor:
        draws, predictions = iter(fresh), []
        table = SCHEDULE.ddim(4, "uniform_trailing", 1.0)
        ddim(
            perfect(0 * x, predictions), x, table, lambda: next(draws), temperature=temperature
        )  # of an x0 of zero all that is left is noise
        return torch.stack(predictions)

    whole = seen(1.0)
    assert (whole[0] - x).abs().max() < 1e-4 and (whole[1] - whole[0]).abs().max() > 0.1
    torch.testing.assert_close(seen(0.3), 0.3 * whole)
    assert not seen(0.0).any()


def test_noise_is_drawn_at_every_step(rand) -> None:
    draws = []
    x = rand(1, 4, 1, 2, 2)

    def noise():
        draws.append(1)
        return torch.full_like(x, 1e6)

    out = ddim(lambda x, t: 0 * x, x, SCHEDULE.ddim(5, "uniform_trailing", 0.0), noise)
    assert len(draws) == 5
    assert out.abs().max() < 10, "multiplied by zero"


def test_step_from_pure_noise() -> None:
    """At t = 999 x0 = -v and eps = x (architecture.md 8.2)."""
    from toon_core.samplers.ddim import step

    table = SCHEDULE.ddim(4, "uniform_trailing", 0.0)
    x, v = torch.randn(1, 4, 1, 1, 1), torch.randn(1, 4, 1, 1, 1)
    out, x0 = step(x, v, table, 3, torch.zeros(()))
    ratio = table.scale_prev[3] / table.scale[3]
    prev = table.alphas_prev[3]
    assert torch.allclose(x0, -v * ratio)
    assert torch.allclose(out, prev**0.5 * x0 + (1 - prev) ** 0.5 * x, atol=1e-6)
