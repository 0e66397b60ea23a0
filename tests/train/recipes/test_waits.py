"""A training step's losses on a GPU that is not there: nothing in them waits for the device."""

from __future__ import annotations

import pytest
import torch
from torch._subclasses.fake_tensor import FakeTensorMode

from benchmarks.counting import Count, fused_attention, pinning
from benchmarks.recipes import RECIPES, RealNumbers, blank_batch, objectives_of
from toon_core.model import ToonModel
from toon_core.presets import nano
from toon_core.schedule import Schedule
from toon_core.weights.load import make_tower_buffers
from train.engine.options import with_values

CUDA = torch.device("cuda")


@pytest.mark.parametrize("recipe", ["rectify", "pretrain"])
def test_a_loss_waits_for_nothing(recipe: str) -> None:
    """Its clips and draws come from the CPU, pinned, and its tables stay on the device."""
    config = RECIPES[recipe]
    config = with_values(config, {**config.SMALL, "batch": 2})
    with FakeTensorMode(allow_non_fake_inputs=True), fused_attention(), pinning():
        with CUDA:
            model = ToonModel(nano()).requires_grad_(False)
            make_tower_buffers(model, CUDA)
            networks, _ = objectives_of(config, model)
        batch, counts = blank_batch(config, 2), [Count(), Count()]
        for count in counts:
            with torch.no_grad(), count:
                for network in networks.values():
                    network(batch, RealNumbers(0, config.steps - 1, range(2)))
    first, later = (sum(count.waits.values()) for count in counts)
    assert first == 2 and later == 0  # the schedule's two tables are brought there once
    assert sum(counts[1].uploads.values()) <= 9 and counts[1].launches > 1000


def test_kept_tables_let_gradients_pass() -> None:
    """Also where they were first needed in inference mode, as by a held-out loss."""
    schedule, t = Schedule(nano().schedule), torch.tensor([500])
    clip = torch.ones(1, 4, 2, 1, 1)
    with torch.inference_mode():
        wanted, _ = schedule.add_noise(clip, clip, t)
    x = clip.clone().requires_grad_(True)
    made, _ = schedule.add_noise(x, clip, t)
    made.sum().backward()
    assert torch.equal(made, wanted) and torch.isfinite(x.grad).all()
