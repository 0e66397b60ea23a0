"""Where the decoder's attention to the keys is told to look."""

import pytest
import torch
from einops import rearrange
from torch import nn

from toon_core.ops import Ops
from toon_core.vae.frames import Span
from toon_core.vae.references import ReferenceAttention
from train.engine.batches import SampleRNG
from train.losses.matching import attention, matching, record_attention, targets

FRAMES, SIDE, PLACES = 5, 8, 16  # pixels of a place; places 4x4


@pytest.fixture
def video() -> torch.Tensor:
    """Squares of random colours that all move by one place a frame, (1 3 5 32 32)."""
    generator = torch.Generator().manual_seed(0)
    colours = torch.rand(1, 3, 1, 4, 4 + FRAMES, generator=generator) * 2 - 1
    large = colours.repeat_interleave(SIDE, -1).repeat_interleave(SIDE, -2)
    return torch.cat([large[..., SIDE * i : SIDE * (i + 4)] for i in range(FRAMES)], dim=2)


def module_of(heads: int) -> ReferenceAttention:
    torch.manual_seed(1)
    module = ReferenceAttention(6, heads, 4, Ops(norm_groups=2))
    for parameter in module.parameters():
        nn.init.normal_(parameter)
    return module


def test_the_targets_follow_what_moves(video):
    every = torch.arange(PLACES)[None]
    found = targets(video, torch.Size((4, 4)), every)
    assert found.shape == (1, FRAMES, PLACES, 2 * PLACES)
    assert found.sum(-1).allclose(torch.ones(()))
    row, column, frame = 1, 1, 1  # away from the borders, where patches reach out
    here = found[0, frame, 4 * row + column]
    assert int(here.argmax()) == 4 * row + column + 1  # the first key: one place to the right
    assert here.max() > 0.9


def test_the_attention_is_the_modules_own():
    module, x = module_of(1), torch.randn(3, 6, 4, 4)
    keys = torch.randn(1, 6, 2, 4, 4)
    weights = attention(module, x, keys, torch.arange(PLACES)[None]).exp()[0]
    values = module.to_v(rearrange(keys, "b c k h w -> b (k h w) c"))[0]
    out = rearrange(module.to_out(weights @ values), "f (h w) c -> f c h w", h=4)
    torch.testing.assert_close(module(x, Span(0, 3, 3), keys), x + out)


def test_it_teaches_an_attention_to_find_its_places(video):
    module = module_of(2)
    small = rearrange(video, "b c f h w -> (b f) c h w")[..., SIDE // 2 :: SIDE, SIDE // 2 :: SIDE]
    x = torch.cat([small, small.square()], dim=1)
    keys = rearrange(x[[0, -1]], "(b k) c h w -> b c k h w", k=2)
    optimizer = torch.optim.Adam([module.to_q.weight, module.to_k.weight], lr=0.1)
    losses = []
    for step in range(60):
        with record_attention(nn.ModuleList([module])) as seen:
            module(x, Span(0, FRAMES, FRAMES), keys)
        loss = matching(seen, video, SampleRNG(0, step, [0]))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(float(loss.detach()))
    assert len(seen) == 1
    assert 0 <= losses[-1] < 0.5 * losses[0]
