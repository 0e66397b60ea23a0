"""The adversarial loss in closed form, its weight on several processes, and its discriminator."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from train.losses import adversarial
from train.losses.adversarial import Discriminator

ROOT = Path(__file__).parents[3]


def test_hinge_losses_in_closed_form():
    real, fake = torch.tensor([2.0, 0.5, -1.0]), torch.tensor([-3.0, 0.0, 1.0])
    loss = adversarial.hinge(real, fake)
    assert loss.item() == pytest.approx((0 + 0.5 + 2) / 3 + (0 + 1 + 2) / 3)


def test_adaptive_weight_by_hand():
    weight = adversarial.adaptive_weight(torch.tensor([3.0, 4.0]), torch.tensor([0.0, 0.5]))
    assert weight.item() == pytest.approx(5 / (0.5 + 1e-6))
    none = torch.zeros(2)
    assert adversarial.adaptive_weight(none, torch.ones(2)).item() == 0
    assert adversarial.adaptive_weight(torch.ones(2), none).item() == 1e4


SPREAD = """
import torch
from torch import distributed
from train.losses.adversarial import adaptive_weight
distributed.init_process_group("gloo")
rank = distributed.get_rank()
mine = torch.tensor([[6.0, 0.0], [0.0, 8.0]])[rank], torch.tensor([[2.0, 0.0], [-2.0, 2.0]])[rank]
weight = adaptive_weight(*mine).item()
assert abs(weight - 5 / (1 + 1e-6)) < 1e-5, weight
distributed.destroy_process_group()
"""


def test_all_processes_take_the_weight_of_the_whole_batch(tmp_path):
    """Means of the gradients: (3, 4) and (0, 1)."""
    (tmp_path / "spread.py").write_text(SPREAD)
    run = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2"]
    environment = os.environ | {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    done = subprocess.run(
        [*run, str(tmp_path / "spread.py")],
        env=environment,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr


def test_logits_do_not_depend_on_the_rest_of_the_batch():
    torch.manual_seed(0)
    judge = Discriminator(width=16).net
    clips = torch.rand(2, 3, 4, 64, 64) * 2 - 1
    both, single = judge(clips), judge(clips[1:])
    assert both.shape == (8, 1, 6, 6)
    assert torch.allclose(both.chunk(2)[1], single, atol=1e-6)


def test_frames_too_small_for_the_discriminator_are_refused():
    with pytest.raises(ValueError, match="at least 32 pixels, given 64x16"):
        Discriminator(width=16).generator_loss(torch.zeros(1, 3, 2, 64, 16))
    with pytest.raises(ValueError, match="disc_width=20"):
        Discriminator(width=20)
