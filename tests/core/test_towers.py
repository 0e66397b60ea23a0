"""Text and image towers, and the picture they are given."""

import pytest
import torch

from toon_core.conditioning.encode import BranchTexts, encode_branches, grey_image, image_tokens
from toon_core.conditioning.preprocess import MEAN, STD, clip_pixels
from toon_core.conditioning.towers import ImageEncoder, TextEncoder, tokenize


def test_tokens_are_zero_padded_and_cut_with_the_end_token() -> None:
    empty, cat, long = tokenize(["", "a cat", "cat " * 200]).tolist()
    assert empty == [49406, 49407] + [0] * 75
    assert cat[0] == 49406 and cat[3] == 49407 and set(cat[4:]) == {0}
    assert len(long) == 77 and long[-1] == 49407 and 0 not in long


def test_text_is_the_state_before_the_last_block(tiny) -> None:
    """The last block has no say, the one before it has; later tokens do not reach earlier ones."""
    model = tiny.text.model
    prompts = ["a cat", "a dog runs"]
    out = tiny.text(prompts)
    assert out.shape == (2, 77, 32)
    for block, matters in ((1, False), (0, True)):
        weight = model.transformer.resblocks[block].mlp.c_fc.weight
        kept = weight.clone()
        weight.mul_(2)
        assert torch.equal(tiny.text(prompts), out) is not matters
        weight.copy_(kept)
    assert torch.allclose(out[0, :2], out[1, :2], atol=1e-6), "start and `a` are the same"
    assert not torch.allclose(out[0, 2], out[1, 2], atol=1e-3)


def test_text_batch_is_singles(tiny) -> None:
    out = tiny.text(["a cat", ""])
    assert torch.allclose(out[1:], tiny.text([""]), atol=1e-5)


def test_image_tower_gives_all_tokens_before_the_last_norm(tiny, rand) -> None:
    pixels = rand(2, 3, 224, 224)
    out = tiny.image(pixels)
    assert out.shape == (2, 17, 32)
    weight = tiny.image.model.visual.ln_post.weight
    weight.mul_(2)
    assert torch.equal(tiny.image(pixels), out)
    weight.div_(2)
    assert torch.allclose(out[1:], tiny.image(pixels[1:]), atol=1e-5)


@pytest.mark.parametrize("size", [(64, 96), (100, 400), (300, 224), (1, 1)])
def test_pixels_of_a_flat_picture_are_its_normalised_colour(size) -> None:
    out = clip_pixels(torch.full((1, 3, *size), 0.5))
    want = (0.75 - torch.tensor(MEAN)) / torch.tensor(STD)
    assert out.shape == (1, 3, 224, 224)
    assert torch.allclose(out, want.view(1, 3, 1, 1).expand_as(out), atol=1e-4)


def test_pixels_ignore_the_aspect() -> None:
    ramp = torch.linspace(-1, 1, 448).expand(1, 3, 90, 448)
    out = clip_pixels(ramp)[0, 0]
    colours = out * STD[0] + MEAN[0]
    assert torch.allclose(colours[100, 20:-20], torch.linspace(0, 1, 224)[20:-20], atol=0.01)


def test_branches(tiny, rand) -> None:
    first = rand(2, 3, 50, 70).tanh()
    parts = (BranchTexts.of(tiny.text, "a cat", "ugly"), tiny.image, tiny.resampler, first)
    b = encode_branches(*parts)
    cat, ugly, empty = (tiny.text([p])[0] for p in ("a cat", "ugly", ""))
    for k in range(2):
        tokens = image_tokens(tiny.image, tiny.resampler, first[k : k + 1])[0]
        assert torch.allclose(b.cond[k], torch.cat([cat, tokens]), atol=1e-4)
        assert torch.allclose(b.image[k], torch.cat([empty, tokens]), atol=1e-4)
        grey = image_tokens(tiny.image, tiny.resampler, grey_image(first))[0]
        assert torch.allclose(b.uncond[k], torch.cat([ugly, grey]), atol=1e-4)
    same = encode_branches(*parts, grey=False)
    assert torch.equal(same.uncond[:, 77:], same.cond[:, 77:])


@pytest.mark.parametrize("kind", [TextEncoder, ImageEncoder])
def test_a_meta_build_needs_only_its_weights(tiny, rand, kind) -> None:
    made = tiny.text if kind is TextEncoder else tiny.image
    with torch.device("meta"):
        fresh = kind(tiny.config.clip)
    fresh = fresh.to_empty(device="cpu").eval()
    fresh.load_state_dict(made.state_dict())
    if kind is TextEncoder:
        fresh.make_buffers("cpu")
    given = ["a cat"] if kind is TextEncoder else rand(1, 3, 224, 224)
    assert torch.equal(fresh(given), made(given))
