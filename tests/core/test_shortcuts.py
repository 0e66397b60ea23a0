"""Shortcuts of sampling: off, they change nothing; on, they do what they say and no more."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

import pytest
import torch

from toon_core.denoiser import Denoiser
from toon_core.guidance import Branches, Guidance
from toon_core.pipeline import interpolate
from toon_core.presets import RELEASED, turbo
from toon_core.recipe import SHORTCUTS, Recipe
from toon_core.sketch.control import SketchControl

FRAMES = 3


@pytest.fixture
def parts(rand):
    """x, concat, branches, fs of two clips."""
    shape = (2, 4, FRAMES, 4, 4)
    contexts = [rand(2, 77 + 16 * FRAMES, 32) for _ in range(3)]
    return rand(*shape), rand(*shape), Branches(*contexts), torch.tensor([10, 24])


@contextmanager
def passes(unet) -> Iterator[list[tuple[int, bool]]]:
    """Of each call of the UNet: its clips, and whether it is shallow."""
    seen: list[tuple[int, bool]] = []
    hook = unet.register_forward_pre_hook(
        lambda _, args: seen.append((len(args[2].text), args[2].shallow))
    )
    yield seen
    hook.remove()


def test_they_are_off_by_default() -> None:
    off = {"cfg_start": 0.0, "cfg_end": 1.0, "reuse": 1}
    assert {name: getattr(RELEASED, name) for name in SHORTCUTS} == off


def test_an_interval_without_a_step_is_refused() -> None:
    with pytest.raises(ValueError, match=r"cfg_start = 0.6 is after cfg_end = 0.4"):
        Recipe(cfg_start=0.6, cfg_end=0.4)


def test_guidance_acts_in_its_interval_alone(tiny, parts) -> None:
    x, concat, branches, fs = parts
    cut = Guidance(cfg_scale=3.0, start=0.2, end=0.7)
    args = tiny.unet, concat, branches, fs
    denoise, always = Denoiser(*args, cut), Denoiser(*args, Guidance(cfg_scale=3.0))
    never = Denoiser(*args, Guidance(cfg_scale=1.0))
    for t in (999, 810, 790, 310, 290, 5):
        inside = 300 <= t <= 800
        with passes(tiny.unet) as seen:
            found = denoise(x, t)
        assert seen == [(4 if inside else 2, False)]
        torch.testing.assert_close(found, (always if inside else never)(x, t))


def test_a_shallow_pass_takes_what_the_one_before_left(tiny, parts) -> None:
    """At the same place it is that pass; farther on it is another than a whole one."""
    x, concat, branches, fs = parts
    args = tiny.unet, concat, branches, fs, Guidance(cfg_scale=3.0)
    denoise, whole = Denoiser(*args, reuse=2), Denoiser(*args)
    with passes(tiny.unet) as seen:
        first, again, third, fourth = (denoise(x, t) for t in (800, 800, 700, 600))
    assert seen == [(4, False), (4, True), (4, False), (4, True)]
    assert torch.equal(first, again) and torch.equal(third, whole(x, 700))
    assert not torch.allclose(fourth, whole(x, 600), atol=1e-4)
    assert torch.equal(first, whole(x, 800))
    assert all(one.context.deep is None for one in whole.guided)


@pytest.mark.parametrize("batched", [True, False])
def test_deep_features_never_outlive_their_branches(tiny, parts, batched: bool) -> None:
    """Where guidance begins or ends, and a sketch does, the pass is a whole one."""
    x, concat, branches, fs = parts
    cut = Guidance(cfg_scale=3.0, start=0.3, end=0.6)
    denoise = Denoiser(tiny.unet, concat, branches, fs, cut, batched=batched, reuse=3)
    with passes(tiny.unet) as seen:
        for t in (999, 900, 650, 500, 300, 200, 100, 0):
            denoise(x, t)
    guided = [[(4, False)], [(4, True)]] if batched else [[(2, False)] * 2, [(2, True)] * 2]
    alone = [(2, False), (2, True)]
    assert seen == [*alone, *guided[0], *guided[1], *alone, (2, True), (2, False)]


def test_sketches_act_in_shallow_passes(tiny, tiny_sketch, parts, rand) -> None:
    x, concat, branches, fs = parts
    sketches = rand(2, 1, FRAMES, 32, 32).abs()
    args = tiny.unet, concat, branches, fs, Guidance(cfg_scale=1.0)
    control = SketchControl(tiny_sketch, sketches, start=0.3, end=1.0)
    denoise = Denoiser(*args, control=control, reuse=4)
    with passes(tiny.unet) as seen:
        plain, _, drawn, again = (denoise(x, t) for t in (900, 800, 600, 600))
    assert [shallow for _, shallow in seen] == [False, True, False, True]
    assert torch.equal(drawn, again), "also what the sketch adds to the first blocks"
    assert torch.equal(drawn, Denoiser(*args, control=control)(x, 600))
    assert torch.equal(plain, Denoiser(*args)(x, 900))


def test_turbo_asks_for_less(tiny, rand) -> None:
    keys = [rand(1, 3, 32, 16).tanh() for _ in range(2)]
    work, decoded = [], []
    hook = tiny.vae.decoder.register_forward_pre_hook(lambda *_: decoded.append(1))
    for recipe in (RELEASED, turbo(RELEASED)):
        decoded.clear()
        with passes(tiny.unet) as seen:
            out = interpolate(tiny, *keys, "a cat", recipe=replace(recipe, frames=8, steps=20))
        assert out.isfinite().all()
        shallow = sum(kind for _, kind in seen)
        work.append((len(seen) - shallow, shallow, len(decoded)))
    hook.remove()
    assert work == [(20, 0, 2), (10, 10, 1)]
