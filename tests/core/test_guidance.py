"""Guidance with two and three branches, and its rescale."""

import pytest
import torch

from toon_core.guidance import guide, rescale


def test_closed_formulas(rand) -> None:
    c, u, i = rand(2, 3), rand(2, 3), rand(2, 3)
    assert torch.allclose(guide(c, u, 7.5), u + 7.5 * (c - u))
    assert torch.allclose(guide(c, u, 7.5, i, 2.0), u + 2 * (i - u) + 7.5 * (c - i))
    assert torch.allclose(guide(c, u, 1.0), c, atol=1e-6)
    assert torch.allclose(guide(c, u, 4.0, i), guide(c, u, 4.0), atol=1e-5), "image cfg as cfg"


def test_rescale_is_per_clip_over_all_other_axes(rand) -> None:
    guided, cond = rand(2, 4, 3, 2, 2) * 5, rand(2, 4, 3, 2, 2)
    guided[1] *= 10
    out = rescale(guided, cond, 1.0)
    for clip in range(2):
        assert out[clip].std().item() == pytest.approx(cond[clip].std().item(), rel=1e-4)
        ratio = out[clip] / guided[clip]
        assert torch.allclose(ratio, ratio.flatten()[0].expand_as(ratio), rtol=1e-4)
    assert torch.equal(rescale(guided, cond, 0.0), guided)
    half = rescale(guided, cond, 0.5)
    assert torch.allclose(half, 0.5 * out + 0.5 * guided, atol=1e-5)
