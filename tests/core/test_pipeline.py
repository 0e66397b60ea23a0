"""The method from end to end at the smallest widths."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from toon_core.config import ToonConfig
from toon_core.model import ToonModel
from toon_core.pipeline import decode, interpolate
from toon_core.presets import (
    RELEASED,
    SMALL,
    dynamicrafter_512,
    nano,
    official_512,
    released_for,
)
from toon_core.recipe import Recipe
from toon_core.sketch.control import SketchControl
from toon_core.weights.checkpoint import read

WEIGHTS = Path(__file__).parents[2] / "weights"
QUICK = replace(RELEASED, steps=2, frames=4)


def keys(rand, b=1, h=32, w=16):
    return rand(b, 3, h, w).tanh(), rand(b, 3, h, w).tanh()


def test_the_released_recipe() -> None:
    assert Recipe() == RELEASED
    r = RELEASED
    assert (r.steps, r.eta, r.cfg_scale, r.guidance_rescale) == (50, 1.0, 7.5, 0.7)
    assert (r.spacing, r.frames, r.fps, r.seed) == ("uniform_trailing", 16, 10, 123)
    assert (r.height, r.width, r.sketch_scale) == (320, 512, 0.6)
    assert released_for(64) == r
    small = released_for(32)
    assert (small.spacing, small.guidance_rescale) == ("uniform", 0.0)


def test_models_have_the_released_recipe_or_their_own() -> None:
    assert official_512().recipe == dynamicrafter_512().recipe == RELEASED
    assert (
        nano().recipe == replace(SMALL, height=128, width=128, fps=24, sketch_scale=1.5)
        and SMALL.temperature < 1 == RELEASED.temperature
    )
    assert ToonConfig.from_dict(nano().to_dict()).recipe == SMALL
    assert read(WEIGHTS / "nano.safetensors").config.recipe == SMALL


@pytest.mark.parametrize("frames", [1, 2, 5, 8, 16, 24])
def test_any_number_of_frames(tiny, rand, frames: int) -> None:
    recipe = replace(QUICK, frames=frames, steps=1)
    out = interpolate(tiny, *keys(rand, h=16), "a cat", recipe=recipe)
    assert out.shape == (1, 3, frames, 16, 16) and out.isfinite().all()


@pytest.mark.parametrize(
    "change",
    [
        {"seed": 5},
        {"steps": 3},
        {"eta": 0.0},
        {"temperature": 0.5},
        {"spacing": "uniform"},
        {"cfg_scale": 1.0},
        {"cfg_image": 2.0},
        {"guidance_rescale": 0.0},
        {"fps": 25},
        {"replace_middle_frames": False},
        {"grey_uncond_image": False},
    ],
)
def test_every_choice_of_the_recipe_counts(tiny, rand, change: dict) -> None:
    pair = keys(rand)
    recipe = replace(QUICK, frames=6)
    plain = interpolate(tiny, *pair, "a cat", recipe=recipe)
    assert torch.equal(plain, interpolate(tiny, *pair, "a cat", recipe=recipe))
    other = interpolate(tiny, *pair, "a cat", recipe=replace(recipe, **change))
    assert not torch.allclose(plain, other, atol=1e-4)


def test_prompts_and_the_semantic_image_count(tiny, rand) -> None:
    first, last = keys(rand)
    plain = interpolate(tiny, first, last, "a cat", recipe=QUICK)
    others = (
        interpolate(tiny, first, last, "a dog", recipe=QUICK),
        interpolate(tiny, first, last, "a cat", negative="blurry", recipe=QUICK),
        interpolate(tiny, first, last, "a cat", recipe=QUICK, semantic=rand(1, 3, 50, 40)),
        interpolate(tiny, last, first, "a cat", recipe=QUICK),
    )
    assert not any(torch.allclose(plain, other, atol=1e-4) for other in others)


class Shared:
    """The draws of a batch, or one clip's part of them."""

    def __init__(self, rand, b: int, frames: int, clip: int | None = None) -> None:
        shapes = [(b * frames, 4, 4, 2), *[(b, 4, frames, 4, 2)] * 3]
        self.draws = [rand(*shape) for shape in shapes]
        if clip is not None:
            part = slice(clip * frames, (clip + 1) * frames)
            self.draws = [self.draws[0][part], *(d[clip : clip + 1] for d in self.draws[1:])]

    def __call__(self, shape: tuple[int, ...]) -> torch.Tensor:
        noise = self.draws.pop(0)
        assert tuple(noise.shape) == tuple(shape)
        return noise


@pytest.mark.parametrize("sketched", [False, True])
def test_batch_of_two_is_two_singles(tiny, tiny_sketch, rand, sketched: bool) -> None:
    first, last = keys(rand, b=2)
    sketches = rand(2, 1, 5, 32, 16).abs()
    recipe, fs = replace(QUICK, frames=5), torch.tensor([5, 25])
    state = rand.generator.get_state()

    def run(clip: int | None):
        rand.generator.set_state(state)
        part = slice(None) if clip is None else slice(clip, clip + 1)
        control = SketchControl(tiny_sketch, sketches[part]) if sketched else None
        return interpolate(
            tiny, first[part], last[part], "a cat", recipe=recipe, control=control,
            draw=Shared(rand, 2, 5, clip), fs=fs[part],
        )  # fmt: skip

    both = run(None)
    for k in range(2):
        assert (both[k : k + 1] - run(k)).abs().max() <= 1e-3 * both.abs().max()
    fs = torch.tensor([5])
    with pytest.raises(ValueError, match="one number for each of 2 clips"):
        run(None)


def test_batched_and_sequential_branches_agree(tiny, rand) -> None:
    pair = keys(rand)
    outs = [interpolate(tiny, *pair, recipe=QUICK, batched=b) for b in (True, False)]
    assert torch.allclose(*outs, atol=1e-3)


def test_callback_follows_every_step(tiny, rand) -> None:
    seen = []
    interpolate(
        tiny, *keys(rand), recipe=replace(QUICK, steps=3),
        callback=lambda i, n, x0, x: seen.append((i, n, tuple(x0.shape))),
    )  # fmt: skip
    assert seen == [(i, 3, (1, 4, 4, 4, 2)) for i in range(3)]


@pytest.mark.parametrize("frames", [3, 4, 5, 8])
def test_the_middle_frames_come_from_a_decode_with_two_fewer(tiny, rand, frames: int) -> None:
    z = rand(1, 4, frames, 4, 2)
    _, features = tiny.vae.encode_with_features(rand(1, 3, 32, 16))
    refs = [torch.stack([f, f], dim=2) for f in features]
    plain, final = decode(tiny.vae, z, refs, False), decode(tiny.vae, z, refs)
    middle = [frames // 2 - 1, frames // 2]
    kept = [i for i in range(frames) if i not in (1, frames - 2)]
    if frames >= 4:
        second = tiny.vae.decode(z[:, :, kept], refs)
    for i in range(frames):
        if frames >= 4 and i in middle and i in kept:
            assert torch.equal(final[:, :, i], second[:, :, kept.index(i)])
            assert not torch.allclose(final[:, :, i], plain[:, :, i], atol=1e-4)
        else:
            assert torch.equal(final[:, :, i], plain[:, :, i])


@pytest.mark.parametrize(("dtype", "bound"), [(torch.bfloat16, 0.15), (torch.float16, 0.02)])
def test_half_precision(tiny, rand, dtype, bound: float) -> None:
    pair = keys(rand)
    recipe = replace(QUICK, cfg_scale=1.0)  # guidance of random weights multiplies any error
    want = interpolate(tiny, *pair, "a cat", recipe=recipe)
    half = ToonModel(tiny.config, dtype=dtype).eval()
    half.load_state_dict(tiny.state_dict())
    got = interpolate(half, *pair, "a cat", recipe=recipe)
    assert got.dtype == dtype
    drift = float((got.float() - want).square().mean().sqrt() / want.std())
    print(f"{dtype} drift {drift:.4f}")
    assert drift < bound, drift
