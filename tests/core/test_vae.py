"""Autoencoder: posterior, reference features, and decoding a few frames at a time."""

from dataclasses import replace

import pytest
import torch

from toon_core.conditioning.encode import encode_keys
from toon_core.vae.autoencoder import Autoencoder, Posterior, stack_references


@pytest.fixture
def plain(tiny, randomise):
    return randomise(Autoencoder(replace(tiny.config.vae, references=False, pseudo_3d=False)))


def references(vae, rand, b=1, h=32, w=16):
    features = [vae.encode_with_features(rand(b, 3, h, w))[1] for _ in range(2)]
    return stack_references(*features)


def test_posterior(rand) -> None:
    moments = rand(2, 8, 3, 3) * 100
    p = Posterior.of(moments)
    assert torch.equal(p.mean, moments[:, :4])
    assert p.logvar.min() >= -30 and p.logvar.max() <= 20
    noise = rand(2, 4, 3, 3)
    assert torch.equal(p.sample(0 * noise), p.mean)
    unit = Posterior(0 * noise, 0 * noise)
    assert torch.equal(unit.sample(noise), noise) and unit.kl().abs().max() == 0


def test_features_are_one_a_level_and_the_first_convolution(tiny, rand) -> None:
    _, features = tiny.vae.encode_with_features(rand(2, 3, 32, 48))
    sizes = [(2, 16, 32, 48), (2, 16, 16, 24), (2, 32, 8, 12), (2, 16, 4, 6), (2, 16, 32, 48)]
    assert [tuple(f.shape) for f in features] == sizes


@pytest.mark.parametrize("frames", [1, 2, 5, 16])
@pytest.mark.parametrize("with_references", [True, False])
def test_streamed_decode_equals_whole(tiny, rand, frames: int, with_references: bool) -> None:
    z = rand(1, 4, frames, 4, 2) * 5
    refs = references(tiny.vae, rand) if with_references else None
    whole = tiny.vae.decode(z, refs)
    assert whole.shape == (1, 3, frames, 32, 16)
    for size in (1, 2, 3, 5):
        streamed = tiny.vae.decode(z, refs, frames_at_once=size)
        assert (streamed - whole).abs().max() <= 1e-4 * whole.abs().max(), size


def test_decoding_is_one_graph(tiny, rand) -> None:
    """Nothing in it makes torch.compile give up a part; eager is the backend that needs none."""
    z, refs = rand(1, 4, 5, 4, 2), references(tiny.vae, rand)
    compiled = torch.compile(tiny.vae.decoder, backend="eager", fullgraph=True)
    clip = z.transpose(1, 2)
    made, wanted = compiled(clip, refs), tiny.vae.decoder(clip, refs)
    assert (made - wanted).abs().max() <= 1e-5 * wanted.abs().max()


def test_streamed_decode_with_gradients(tiny, rand) -> None:
    refs = references(tiny.vae, rand)
    grads = []
    for size in (None, 2):
        z = rand.generator.manual_seed(5) and rand(1, 4, 5, 4, 2)
        with torch.enable_grad():
            out = tiny.vae.decode(z.requires_grad_(), refs, frames_at_once=size)
            grads.append(torch.autograd.grad(out.square().sum(), z)[0])
    assert torch.allclose(*grads, rtol=1e-3, atol=1e-3 * float(grads[0].abs().max()))


def test_decode_leaves_its_inputs_alone(tiny, rand) -> None:
    z, refs = rand(1, 4, 4, 4, 2), references(tiny.vae, rand)
    before = [z.clone(), *(r.clone() for r in refs)]
    tiny.vae.decode(z, refs, frames_at_once=3)
    assert all(torch.equal(a, b) for a, b in zip(before, [z, *refs], strict=True))


def test_batch_of_two_has_its_own_end_frames(tiny, rand) -> None:
    z, refs = rand(2, 4, 5, 4, 2), references(tiny.vae, rand, b=2)
    for size in (None, 2):
        both = tiny.vae.decode(z, refs, frames_at_once=size)
        for k in (0, 1):
            one = tiny.vae.decode(z[k : k + 1], [r[k : k + 1] for r in refs])
            assert (both[k : k + 1] - one).abs().max() <= 1e-4 * one.abs().max()


def test_endpoint_adders_touch_the_end_frames_only(tiny, rand) -> None:
    adder, x, ref = tiny.vae.decoder.attn_refinement[0], rand(5, 16, 4, 4), rand(1, 16, 2, 4, 4)
    from toon_core.vae.frames import Span

    out = adder(x.clone(), Span(0, 5, 5), ref)
    assert torch.equal(out[1:4], x[1:4])
    assert torch.allclose(out[0], x[0] + adder.conv(ref[:, :, 0])[0])
    assert torch.allclose(out[4], x[4] + adder.conv(ref[:, :, 1])[0])
    both = adder(x[:1].clone(), Span(0, 1, 1), ref)
    want = x[:1] + adder.conv(ref[:, :, 0]) + adder.conv(ref[:, :, 1])
    assert torch.allclose(both, want, atol=1e-6)


def test_post_quant_conv_is_of_the_plain_decoder_only(tiny, plain, rand) -> None:
    z = rand(1, 4, 2, 4, 2)
    for vae, used in ((tiny.vae, False), (plain, True)):
        calls = []
        hook = vae.post_quant_conv.register_forward_hook(lambda *_, c=calls: c.append(1))
        vae.decode(z)
        hook.remove()
        assert bool(calls) is used


def test_plain_decoder_treats_frames_alone(plain, rand) -> None:
    z = rand(1, 4, 3, 4, 2)
    whole = plain.decode(z)
    alone = torch.cat([plain.decode(z[:, :, i : i + 1]) for i in range(3)], dim=2)
    assert torch.allclose(whole, alone, atol=1e-5)


def test_two_keys_are_encoded_as_a_clip_of_copies_would_be(tiny, rand) -> None:
    """The release encodes f images and draws their noise at once; only two of them matter."""
    first, last, noise = rand(2, 3, 32, 16), rand(2, 3, 32, 16), rand(2, 6, 4, 4, 2)
    seen = []
    hook = tiny.vae.encoder.register_forward_hook(lambda _, args, out: seen.append(len(args[0])))
    keys = encode_keys(tiny.vae, first, last, noise)
    hook.remove()
    assert seen == [4], "two keys of each of two clips"
    for k in range(2):
        clip = torch.stack([first[k]] * 3 + [last[k]] * 3)
        posterior, features = tiny.vae.encode_with_features(clip)
        latents = 0.18215 * posterior.sample(noise[k])
        assert torch.allclose(keys.concat[k, :, 0], latents[0], atol=1e-5)
        assert torch.allclose(keys.concat[k, :, -1], latents[-1], atol=1e-5)
        for ours, theirs in zip(keys.references, features, strict=True):
            assert torch.allclose(ours[k, :, 0], theirs[0], atol=1e-5)
            assert torch.allclose(ours[k, :, 1], theirs[-1], atol=1e-5)
    assert keys.concat[:, :, 1:-1].abs().max() == 0


@pytest.mark.parametrize(("dtype", "bound"), [(torch.bfloat16, 0.08), (torch.float16, 0.01)])
def test_half_precision(tiny, rand, dtype, bound: float) -> None:
    z, images = rand(1, 4, 4, 4, 2), rand(2, 3, 32, 16)
    refs = references(tiny.vae, rand)
    half = Autoencoder(tiny.config.vae, dtype=dtype).eval()
    half.load_state_dict(tiny.vae.state_dict())
    lower = [r.to(dtype) for r in refs]
    pairs = {
        "encode": (tiny.vae.encode(images).mean, half.encode(images.to(dtype)).mean),
        "decode": (tiny.vae.decode(z, refs), half.decode(z.to(dtype), lower)),
        "streamed": (tiny.vae.decode(z, refs), half.decode(z.to(dtype), lower, frames_at_once=2)),
    }
    for name, (want, got) in pairs.items():
        assert got.dtype == dtype
        drift = float((got.float() - want).square().mean().sqrt() / want.std())
        print(f"{dtype} {name} drift {drift:.4f}")
        assert drift < bound, (name, drift)
