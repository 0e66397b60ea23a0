"""Recorded values of the networks on one picture: another size, range, mean, order of channels or
layout in what they are given would move them."""

import pytest
from torch import Tensor

from toon_core.metrics.networks.hed import load_hed, load_lpips_hed
from toon_core.metrics.networks.transnet import load_transnet

NEAR = {"rel": 2e-3, "abs": 1e-6}


def test_lpips_hed(clip: Tensor) -> None:
    assert load_lpips_hed()(clip[2:4], clip[:2]).tolist() == pytest.approx(
        [0.19881, 0.20904], **NEAR
    )


def test_lines_of_hed(clip: Tensor) -> None:
    """Their mean, and places on the outline, inside the disc and on the ground."""
    lines = load_hed().edges(clip[:1])[0, 0]
    assert lines.mean().item() == pytest.approx(0.12979, **NEAR)
    found = lines[32, [3, 29, 16, 50]].tolist()
    assert found[:2] == pytest.approx([0.94119, 0.98873], **NEAR)
    assert found[2] == pytest.approx(3.169e-5, rel=0.02) and found[3] < 1e-6


def test_transnet(clip: Tensor) -> None:
    found = load_transnet()(clip)
    assert found.norm().item() == pytest.approx(11.4341, **NEAR)
    expected = [0.69363, 0.74838, 0.82567, 0.42870]
    assert found[[0, 70, 140, 255]].tolist() == pytest.approx(expected, **NEAR)
