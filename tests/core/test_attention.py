"""Attention: batches beyond what a GPU's kernels take go in pieces."""

from __future__ import annotations

import pytest
import torch

from toon_core.layers import attention
from toon_core.layers.attention import attend


@pytest.mark.parametrize("batch", [1, 7, 8, 15, 16, 17])
@pytest.mark.parametrize(("name", "most"), [("MOST_ITEMS", 8), ("MOST_CHANNELS", 8 * 12 + 3)])
def test_pieces_equal_the_whole(batch: int, name: str, most: int, rand, monkeypatch) -> None:
    q, k, v = rand(batch, 5, 12), rand(batch, 6, 12), rand(batch, 6, 12)
    whole = attend(q, k, v, heads=3)
    sizes, inner = [], attention.scaled_dot_product_attention

    def watched(q, k, v):
        sizes.append(len(q))
        return inner(q, k, v)

    monkeypatch.setattr(attention, "scaled_dot_product_attention", watched)
    monkeypatch.setattr(attention, name, most)
    assert torch.allclose(attend(q, k, v, heads=3), whole, atol=1e-6)
    assert sum(sizes) == batch and max(sizes) <= 8 and len(sizes) == -(-batch // 8)


def test_limits_are_below_the_kernels() -> None:
    """Of the widest attention at its widest: grids of 65535, and 2^31 elements of a backward
    pass's buffer of 128 for each channel."""
    assert attention.MOST_ITEMS < 65536
    for width in (320, 512, 640, 1280):
        items = min(attention.MOST_ITEMS, attention.MOST_CHANNELS // width)
        assert items * width * 128 < 2**31
