"""Nearness in the decoder's attention to the keys."""

import math
from dataclasses import replace

import pytest
import torch
from torch import nn

from toon_core.ops import Ops
from toon_core.vae.autoencoder import Autoencoder, stack_references
from toon_core.vae.frames import Span
from toon_core.vae.references import Nearness, ReferenceAttention, places
from train.recipes.decoder_init import start_decoder

HEADS, WIDTH, H, W = 2, 4, 5, 7


@pytest.fixture
def attentions() -> tuple[ReferenceAttention, ReferenceAttention]:
    """With nearness and without, else the same."""
    torch.manual_seed(0)
    near, far = (ReferenceAttention(6, HEADS, WIDTH, Ops(norm_groups=2), n) for n in (True, False))
    for parameter in near.parameters():
        nn.init.normal_(parameter)
    far.load_state_dict(near.state_dict(), strict=False)
    return near, far


def scores(module: ReferenceAttention, x: torch.Tensor, keys: torch.Tensor) -> torch.Tensor:
    """What its softmax is taken of, (b heads hw 2hw)."""
    q, k = (
        y.unflatten(-1, (HEADS, -1)).transpose(1, 2) for y in (module.queries(x), module.keys(keys))
    )
    return q @ k.transpose(-1, -2) * q.shape[-1] ** -0.5


def test_it_adds_the_cosines_of_how_far_places_are_apart(attentions, rand):
    near, far = attentions
    x, keys = rand(1, 6, H, W), rand(1, 6, 2, H, W)
    added = scores(near, x, keys) - scores(far, x, keys)
    y, x = torch.meshgrid(torch.arange(H), torch.arange(W), indexing="ij")
    y, x = y.flatten().float(), x.flatten().float()
    apart = [(p[:, None] - p.repeat(2)) for p in (y, x)]
    for head, amounts in enumerate(near.nearness.amount):
        waves = [
            amount * sum((math.pi / 2**f * d).cos() for d in apart)
            for f, amount in enumerate(amounts, start=1)
        ]
        torch.testing.assert_close(added[0, head], sum(waves), atol=1e-4, rtol=1e-4)


def test_narrower_values_are_averaged_as_they_are(attentions, rand):
    """Which torch's kernels without a map of scores do not take."""
    near, _ = attentions
    x, keys = rand(1, 6, H, W), rand(1, 6, 2, H, W)
    weights = scores(near, x, keys).softmax(-1)
    values = near.to_v(places(keys)).unflatten(-1, (HEADS, -1)).transpose(1, 2)
    wanted = near.to_out((weights @ values).transpose(1, 2).flatten(2)).transpose(1, 2)
    found = near(x, Span(1, 2, 3), keys) - x
    torch.testing.assert_close(found, wanted.unflatten(-1, (H, W)), atol=1e-5, rtol=1e-5)


def test_it_starts_with_every_second_head_looking_at_its_own_place():
    nearness = Nearness(3, Ops())
    nothing = torch.zeros(1, H * W, 3 * WIDTH)
    q = nearness.with_queries(nothing, torch.Size((H, W)))
    k = nearness.with_keys(nothing.repeat(1, 2, 1), torch.Size((H, W)))
    q, k = (y.unflatten(-1, (3, -1)).transpose(1, 2)[0] for y in (q, k))
    weights = (q @ k.transpose(-1, -2) * q.shape[-1] ** -0.5).softmax(-1)
    own = weights.unflatten(-1, (2, H * W)).sum(-2).diagonal(dim1=-2, dim2=-1)
    assert own[0].min() > 0.75 and own[2].min() > 0.75
    torch.testing.assert_close(own[1], torch.full((H * W,), 1 / (H * W)))


def test_every_head_can_learn_it(attentions, rand):
    near, _ = attentions
    with torch.no_grad():
        near.nearness.amount.copy_(Nearness(HEADS, Ops()).amount)
    with torch.enable_grad():
        near(rand(2, 6, H, W), Span(0, 2, 2), rand(1, 6, 2, H, W)).square().sum().backward()
    assert near.nearness.amount.grad.abs().min() > 0


def test_a_decoder_takes_it_on_and_keeps_it(tiny, rand):
    started = start_decoder(tiny.vae, "full", nearness=True)
    assert started.config == replace(tiny.config.vae, reference_nearness=True)
    went_on = start_decoder(started, "full")
    z, refs = rand(1, 4, 3, 4, 2), stack_references(*_features(started, rand))
    whole = went_on.decode(z, refs)
    torch.testing.assert_close(whole, started.decode(z, refs))
    torch.testing.assert_close(went_on.decode(z, refs, frames_at_once=2), whole)
    without = Autoencoder(tiny.config.vae)
    without.load_state_dict(started.state_dict(), strict=False)
    assert (without.decode(z, refs) - whole).abs().max() > 1e-3 * whole.abs().max()


def _features(vae: Autoencoder, rand) -> list[list[torch.Tensor]]:
    return [vae.encode_with_features(rand(1, 3, 32, 16))[1] for _ in range(2)]
