"""Attention as plain products is torch's own, in value and gradients."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import torch
from torch import Tensor
from torch.nn.functional import scaled_dot_product_attention

from toon_core.layers import attention as layers
from train.engine import attention


@pytest.fixture(autouse=True)
def torchs_own_afterwards() -> Iterator[None]:
    yield
    attention.use("sdpa")


def drawn(*shape: int) -> Tensor:
    return torch.randn(shape, dtype=torch.float64, requires_grad=True)


def gradients(kernel, qkv: list[Tensor], seed: Tensor) -> list[Tensor]:
    """The output, and the gradients of q, k and v."""
    out = kernel(*qkv)
    return [out, *torch.autograd.grad(out, qkv, seed)]


@pytest.mark.parametrize("block", [1, 75, 2**20])
@pytest.mark.parametrize(
    ("batch", "heads", "queries", "keys", "width"),
    [(3, 5, 7, 7, 8), (1, 3, 5, 13, 3), (2, 1, 9, 1, 16), (2, 2, 1, 77, 1)],
)
def test_products_are_torchs_attention(
    batch, heads, queries, keys, width, block, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Block by block, the last one smaller, and all at once; keys as many as queries or not."""
    monkeypatch.setattr(attention, "BLOCK", block)
    torch.manual_seed(0)
    qkv = [drawn(batch, heads, n, width) for n in (queries, keys, keys)]
    seed = torch.randn_like(qkv[0])
    found = gradients(attention.products, qkv, seed)
    wanted = gradients(scaled_dot_product_attention, qkv, seed)
    for ours, torchs in zip(found, wanted, strict=True):
        torch.testing.assert_close(ours, torchs, rtol=1e-10, atol=1e-12)


def test_products_take_what_the_layers_give_and_go_through_them() -> None:
    """Views of other strides, from (b n (heads d))."""
    torch.manual_seed(0)
    q, k, v = drawn(2, 6, 12), drawn(2, 9, 12), drawn(2, 9, 12)
    seed = torch.randn_like(q)
    attention.use("sdpa")
    wanted = gradients(lambda *x: layers.attend(*x, heads=3), [q, k, v], seed)
    attention.use("products")
    assert layers.scaled_dot_product_attention is attention.products
    found = gradients(lambda *x: layers.attend(*x, heads=3), [q, k, v], seed)
    torch.testing.assert_close(found, wanted, rtol=1e-10, atol=1e-12)


def test_products_work_under_autocast_in_their_own_precision() -> None:
    """Autocast takes other precisions for a softmax or a product than the tensors have."""
    torch.manual_seed(0)
    given = [torch.randn(2, 3, 7, 8) for _ in range(3)]
    for dtype, error in ((torch.bfloat16, 0.05), (torch.float32, 0.05)):
        q, k, v = (x.to(dtype).requires_grad_() for x in given)
        with torch.autocast("cpu", torch.bfloat16):
            found = attention.products(q, k, v)
        assert found.dtype == dtype
        torch.testing.assert_close(
            found.float(), scaled_dot_product_attention(*given), rtol=0, atol=error
        )
        found.sum().backward()
        assert q.grad.dtype == dtype


def test_the_kernel_is_chosen_by_name() -> None:
    attention.use("products")
    with pytest.raises(ValueError, match="attention=x: expected sdpa or products"):
        attention.use("x")
    assert layers.scaled_dot_product_attention is attention.products
    attention.use("sdpa")
    assert layers.scaled_dot_product_attention is scaled_dot_product_attention
