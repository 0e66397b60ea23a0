"""Sketch encoder and what it is given."""

import pytest
import torch

from toon_core.sketch.control import SketchControl, bright_lines, place


def drawing(light: bool) -> torch.Tensor:
    page = torch.zeros(1, 1, 32, 32)
    page[..., 10:12, 4:28] = 1
    return page if light else 1 - page


def test_polarity() -> None:
    lines = drawing(light=True)
    both = torch.cat([drawing(light=False), lines]).expand(-1, 3, -1, -1)
    assert torch.allclose(bright_lines(both), lines.expand(2, -1, -1, -1), atol=1e-6)
    assert torch.allclose(bright_lines(both[:1], "light on dark"), 1 - lines, atol=1e-6)
    assert torch.allclose(bright_lines(both[:1], "dark on light"), lines, atol=1e-6)
    with pytest.raises(ValueError, match="polarity"):
        bright_lines(both, "red on green")


def test_place() -> None:
    out = place({1: drawing(True)[0], 3: drawing(True)[0] * 0.5}, 5, 32, 32)
    assert out.shape == (1, 1, 5, 32, 32)
    assert [float(v) for v in out.amax(dim=(0, 1, 3, 4))] == [0, 1, 0, 0.5, 0]
    with pytest.raises(ValueError, match="outside"):
        place({5: drawing(True)[0]}, 5, 32, 32)
    with pytest.raises(ValueError, match="32x32, the clip is 64x32"):
        place({0: drawing(True)[0]}, 5, 32, 64)
    with pytest.raises(ValueError, match="no sketch"):
        place({}, 5, 32, 32)


def features(encoder, x, hint, tokens, **options):
    control = SketchControl(encoder, hint, **options)
    t = torch.full((x.shape[0],), 500)
    return control.features(x, t, control.tokens(tokens))


def test_frames_do_not_see_each_other(tiny_sketch, rand) -> None:
    x, hint, context = rand(1, 4, 4, 4, 4), rand(1, 1, 4, 32, 32).abs(), rand(1, 99, 32)
    whole = features(tiny_sketch, x, hint, context)
    alone = features(tiny_sketch, x[:, :, 2:3], hint[:, :, 2:3], context)
    for a, b in zip(whole, alone, strict=True):
        assert torch.allclose(a[2:3], b, atol=1e-5)


def test_scale_context_and_empty_frames(tiny_sketch, rand) -> None:
    x, hint, context = rand(1, 4, 2, 4, 4), rand(1, 1, 2, 32, 32).abs(), rand(1, 99, 32)
    full = features(tiny_sketch, x, hint, context, scale=1.0)
    assert len(full) == len(tiny_sketch.input_blocks) + 1
    for a, b in zip(full, features(tiny_sketch, x, hint, context, scale=0.6), strict=True):
        assert torch.allclose(0.6 * a, b, atol=1e-5)
    text = features(tiny_sketch, x, hint, context, scale=1.0, context="text")
    cut = features(tiny_sketch, x, hint, context[:, :77], scale=1.0)
    assert all(torch.equal(a, b) for a, b in zip(text, cut, strict=True))
    assert not torch.allclose(text[-1], full[-1], atol=1e-3)
    empty = features(tiny_sketch, x, 0 * hint, context, scale=1.0)
    assert all(m.abs().max() > 0.01 for m in empty), "an empty sketch still goes through"


def test_hints_are_encoded_once_and_repeated_for_branches(tiny_sketch, rand) -> None:
    x, hint, context = rand(2, 4, 3, 4, 4), rand(2, 1, 3, 32, 32).abs(), rand(2, 99, 32)
    calls = []
    hook = tiny_sketch.input_hint_block.register_forward_hook(lambda *_: calls.append(1))
    control = SketchControl(tiny_sketch, hint)
    both = control.features(
        torch.cat([x, x]), torch.full((4,), 9), control.tokens(torch.cat([context, context]))
    )
    once = control.features(x, torch.full((2,), 9), control.tokens(context))
    hook.remove()
    assert len(calls) == 1
    for a, b in zip(both, once, strict=True):
        assert torch.allclose(a, torch.cat([b, b]), atol=1e-5)
