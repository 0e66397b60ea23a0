"""What stands still keeps the keys' pixels, and nothing else does."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import Tensor

from toon_core.pipeline import interpolate
from toon_core.recipe import Recipe
from toon_core.vae.still import keep_still

SIDE, FRAMES = 128, 6


@pytest.fixture
def ground() -> Tensor:
    """(1 3 h w) in [-1, 1], with texture."""
    return torch.rand(1, 3, SIDE, SIDE, generator=torch.Generator().manual_seed(0)) * 1.6 - 0.8


def made(ground: Tensor, error: float = 0.03) -> Tensor:
    """Frames of that ground as a decoder draws them: with errors."""
    frames = ground[:, :, None].expand(-1, -1, FRAMES, -1, -1)
    noise = torch.randn(frames.shape, generator=torch.Generator().manual_seed(1))
    return frames + error * noise


def test_a_still_ground_is_the_keys_own(ground: Tensor) -> None:
    kept = keep_still(made(ground), ground, ground)
    assert torch.allclose(kept, ground[:, :, None].expand_as(kept), atol=1e-6)


def test_what_passes_before_it_stays(ground: Tensor) -> None:
    """Also where a line is as thin as ink on such a picture."""
    frames = made(ground)
    frames[:, :, 2, 40:60, 40:60] = 1.0
    frames[:, :, 3, 80:82, 20:90] = -1.0
    kept = keep_still(frames.clone(), ground, ground)
    assert torch.equal(kept[:, :, 2, 43:57, 43:57], frames[:, :, 2, 43:57, 43:57])
    line = (kept - frames)[:, :, 3, 80:82, 24:86]
    assert line.abs().mean() < 0.05
    assert torch.allclose(kept[:, :, 1], ground, atol=1e-6)


def test_where_the_keys_differ_the_frames_stay(ground: Tensor) -> None:
    last = ground.clone()
    last[..., 64:] = -last[..., 64:]
    frames = made(ground)
    kept = keep_still(frames.clone(), ground, last)
    assert torch.equal(kept[..., 66:], frames[..., 66:])
    assert torch.allclose(kept[..., :58], ground[:, :, None, :, :58].expand_as(kept[..., :58]))


def test_a_slow_change_of_light_is_followed(ground: Tensor) -> None:
    """Keys that differ by less than the limit: each frame takes their mean by its time."""
    last = ground + 0.04
    kept = keep_still(made(ground), ground, last)
    steps = torch.linspace(0, 0.04, FRAMES)
    assert torch.allclose((kept - ground[:, :, None]).mean((0, 1, 3, 4)), steps, atol=2e-3)


def test_it_grows_with_the_picture() -> None:
    """Twice the size, twice the reach: the same picture, larger, is kept in the same places."""
    small = torch.zeros(1, 3, SIDE, SIDE)
    last = small.clone()
    last[..., 60:68, 60:68] = 1.0
    frames = torch.full((1, 3, 2, SIDE, SIDE), 0.05)
    reach = []
    for factor in (1, 2):
        first, other, clip = (x.repeat_interleave(factor, -1) for x in (small, last, frames))
        first, other, clip = (x.repeat_interleave(factor, -2) for x in (first, other, clip))
        kept = keep_still(clip.clone(), first, other)
        reach.append(int((kept[0, 0, 0] == clip[0, 0, 0]).sum()) / factor**2)
    assert reach[1] == pytest.approx(reach[0], rel=0.25) and reach[0] > 64


def test_a_recipe_asks_for_it(tiny: Any, ground: Tensor, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("toon_core.vae.still.LEFT", 10.0)  # an untrained model draws anything
    key = ground[..., :64, :64]
    recipe = Recipe(steps=1, frames=4, cfg_scale=1.0, guidance_rescale=0.0)
    plain = interpolate(tiny, key, key, recipe=recipe)
    off = interpolate(tiny, key, key, recipe=replace(recipe, keep_still=False))
    kept = interpolate(tiny, key, key, recipe=replace(recipe, keep_still=True))
    assert torch.equal(plain, off)
    assert not torch.equal(kept, plain)
    assert torch.equal(kept, keep_still(plain.clone(), key, key))
