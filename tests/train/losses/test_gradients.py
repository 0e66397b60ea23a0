"""A loss whose gradient is taken piece by piece is the same loss."""

import pytest
import torch
from torch import nn

from train.losses import gradients


def test_a_loss_taken_apart_is_the_same_loss():
    torch.manual_seed(0)
    net = nn.Conv2d(3, 3, 3, padding=1)
    x, truth = torch.rand(2, 5, 3, 8, 8)

    def loss(a, b):
        return (a - b).square().mean()

    loss(net(x), truth).backward()
    expected = [p.grad.clone() for p in net.parameters()]
    net.zero_grad()
    out = net(x)
    value, gradient = gradients.value_and_gradient(loss, out, truth, at_once=2)
    total = gradients.with_gradient(out, value, gradient)
    (3 * total).backward()
    assert total.item() == pytest.approx(loss(out, truth).item(), rel=1e-5)
    for p, wanted in zip(net.parameters(), expected, strict=True):
        assert torch.allclose(p.grad, 3 * wanted, atol=1e-6)
