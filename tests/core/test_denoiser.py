"""Branches, batching, caching and host syncs of one denoising run."""

import pytest
import torch
from torch import Tensor

from toon_core.denoiser import Denoiser
from toon_core.guidance import Branches, Guidance, guide, rescale
from toon_core.layers.attention import CrossAttention
from toon_core.samplers.ddim import step
from toon_core.sketch.control import SketchControl
from toon_core.sketch.encoder import SketchEncoder
from toon_core.unet.model import VideoUNet

FRAMES = 3
TOKENS = 77 + 16 * FRAMES


@pytest.fixture
def parts(rand):
    shape = (2, 4, FRAMES, 4, 4)
    contexts = [rand(2, TOKENS, 32) for _ in range(3)]
    return rand(*shape), rand(*shape), Branches(*contexts), torch.tensor([10, 24])


def test_cfg_1_is_a_single_pass(tiny, parts) -> None:
    x, concat, branches, fs = parts
    calls = []
    hook = tiny.unet.register_forward_hook(lambda _, args, out: calls.append(args[0].shape[0]))
    v = Denoiser(tiny.unet, concat, branches, fs, Guidance(cfg_scale=1.0))(x, 500)
    hook.remove()
    plain = tiny.unet(torch.cat([x, concat], 1), torch.tensor([500, 500]), branches.cond, fs)
    assert calls == [2]
    assert torch.allclose(v, plain, atol=1e-5)


@pytest.mark.parametrize("image", [None, 2.0])
@pytest.mark.parametrize("sketch", [None, "full", "text"])
def test_batched_equals_sequential(tiny, tiny_sketch, parts, rand, image, sketch) -> None:
    x, concat, branches, fs = parts
    control = None
    if sketch:
        control = SketchControl(tiny_sketch, rand(2, 1, FRAMES, 32, 32).abs(), context=sketch)
    guidance = Guidance(cfg_scale=3.0, cfg_image=image)
    both = [
        Denoiser(tiny.unet, concat, branches, fs, guidance, control=control, batched=b)(x, 400)
        for b in (True, False)
    ]
    assert (both[0] - both[1]).abs().max() <= 1e-5 * both[1].abs().max()


@pytest.mark.parametrize("cfg_scale", [5.0, 1.0])
def test_is_the_formula_over_single_forwards(tiny, parts, cfg_scale) -> None:
    """Also where cfg_scale is 1: that leaves out no branch but with guidance of two."""
    x, concat, branches, fs = parts
    t, joined = torch.tensor([300, 300]), torch.cat([x, concat], 1)
    c, u, i = (tiny.unet(joined, t, tokens, fs) for tokens in vars(branches).values())
    want = rescale(guide(c, u, cfg_scale, i, 2.0), c, 0.7)
    guidance = Guidance(cfg_scale=cfg_scale, cfg_image=2.0)
    got = Denoiser(tiny.unet, concat, branches, fs, guidance)(x, 300)
    assert torch.allclose(got, want, atol=1e-4)


def test_batch_of_two_is_two_singles(tiny, parts) -> None:
    x, concat, branches, fs = parts
    guidance = Guidance(cfg_scale=3.0)
    both = Denoiser(tiny.unet, concat, branches, fs, guidance)(x, 100)
    for k in range(2):
        one = slice(k, k + 1)
        alone = Branches(*(tokens[one] for tokens in vars(branches).values()))
        single = Denoiser(tiny.unet, concat[one], alone, fs[one], guidance)(x[one], 100)
        assert torch.allclose(both[one], single, atol=1e-5)


def test_context_keys_and_values_once_a_run(tiny, parts) -> None:
    x, concat, branches, fs = parts
    layers = [m for m in tiny.unet.modules() if isinstance(m, CrossAttention)]
    calls: list[int] = []
    hooks = [
        linear.register_forward_hook(lambda *_: calls.append(1))
        for layer in layers
        for linear in (layer.to_k, layer.to_v, layer.to_k_ip, layer.to_v_ip)
    ]
    denoiser = Denoiser(tiny.unet, concat, branches, fs, Guidance(cfg_scale=3.0))
    cached = [denoiser(x, t) for t in (900, 500, 100)]
    once = len(calls)
    for hook in hooks:
        hook.remove()
    assert layers and once == 4 * len(layers)
    fresh = Denoiser(tiny.unet, concat, branches, fs, Guidance(cfg_scale=3.0))(x, 100)
    assert torch.equal(cached[-1], fresh)


def test_branches_of_unequal_length_still_run(tiny, parts, rand) -> None:
    x, concat, branches, fs = parts
    uneven = Branches(branches.cond, rand(2, 77, 32))
    assert Denoiser(tiny.unet, concat, uneven, fs, Guidance())(x, 3).isfinite().all()


def test_no_host_sync_in_a_step(tiny, tiny_sketch, parts) -> None:
    """On the meta device there are no values: asking for one, in whatever way, is an error."""
    x, concat, branches, fs = (
        Branches(*(t.to("meta") for t in vars(p).values()))
        if isinstance(p, Branches)
        else p.to("meta")
        for p in parts
    )
    for wait in (Tensor.item, Tensor.cpu, int, float, bool, lambda y: y.to("cpu")):
        with pytest.raises((RuntimeError, NotImplementedError)):
            wait(x.sum())
    unet = VideoUNet(tiny.config.unet, device="meta")
    encoder = SketchEncoder(tiny_sketch.config, device="meta")
    control = SketchControl(encoder, x.new_zeros(2, 1, FRAMES, 32, 32), start=0.1, end=0.9)
    table = tiny.schedule.ddim(4, "uniform_trailing", 1.0)
    denoiser = Denoiser(unet, concat, branches, fs, Guidance(cfg_image=2.0), control=control)
    for i in (3, 2, 1, 0):
        x, _ = step(x, denoiser(x, table.timesteps[i]), table, i, torch.empty_like(x))
    assert x.is_meta


def test_sketch_acts_between_start_and_end(tiny, tiny_sketch, parts, rand) -> None:
    x, concat, branches, fs = parts
    sketches = rand(2, 1, FRAMES, 32, 32).abs()
    control = SketchControl(tiny_sketch, sketches, start=0.2, end=0.6)
    plain = Denoiser(tiny.unet, concat, branches, fs, Guidance())
    drawn = Denoiser(tiny.unet, concat, branches, fs, Guidance(), control=control)
    for t, acts in ((999, False), (810, False), (790, True), (410, True), (390, False)):
        assert torch.equal(plain(x, t), drawn(x, t)) is not acts
