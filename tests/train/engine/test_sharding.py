"""Blocks that are computed again give the same gradients in less memory."""

import torch
from torch import nn
from toy_recipe import SHAPE, Denoise, ToyConfig

from benchmarks.live import LiveMemory
from toon_core.layers.transformers import TemporalTransformer
from train.engine.batches import SampleRNG, collate
from train.engine.state import set_checkpointing


def loss_and_gradients(objective):
    items = [{"x": torch.rand(SHAPE, generator=torch.Generator().manual_seed(i))} for i in range(4)]
    batch = {**collate(items), "name": [""] * 4}
    objective.zero_grad()
    torch.manual_seed(1)
    with LiveMemory() as live:
        loss, _ = objective.train()(batch, SampleRNG(0, 0, range(4)))
        held = live.live
    loss.backward()
    return loss.detach(), [p.grad.clone() for p in objective.parameters()], held


def test_recomputed_blocks_give_the_same_gradients_with_less_memory():
    torch.manual_seed(0)
    objective = Denoise(ToyConfig(data="", out="", dropout=0.3))
    nn.init.normal_(objective.unet.out[2].weight)
    loss, gradients, held = loss_and_gradients(objective)
    set_checkpointing([objective], True)
    again, same, less = loss_and_gradients(objective)
    assert torch.equal(loss, again)
    assert all(torch.equal(a, b) for a, b in zip(gradients, same, strict=True))
    assert less < 0.6 * held


def test_every_transformer_of_the_denoiser_is_computed_again():
    """`init_attn` among them: it stands beside the blocks."""
    unet = Denoise(ToyConfig(data="", out="")).unet
    set_checkpointing([unet], True)
    calls = {name: 0 for name, m in unet.named_modules() if isinstance(m, TemporalTransformer)}

    def count(name):
        def hook(*_):
            calls[name] += 1

        return hook

    for name in calls:
        unet.get_submodule(name).register_forward_pre_hook(count(name))
    unet(torch.rand(1, *SHAPE), torch.tensor([5]), torch.ones(1, 78, 4)).sum().backward()
    assert "init_attn.0" in calls and set(calls.values()) == {2}
    set_checkpointing([unet], False)
    unet(torch.rand(1, *SHAPE), torch.tensor([5]), torch.ones(1, 78, 4)).sum().backward()
    assert set(calls.values()) == {3}
