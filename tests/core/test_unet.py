"""The UNet on shapes, frame counts and number formats users bring."""

from dataclasses import replace

import pytest
import torch
from torch import nn

from toon_core.config import UNetConfig
from toon_core.layers.blocks import conv_over_frames
from toon_core.layers.context import Context
from toon_core.ops import Ops
from toon_core.unet.model import VideoUNet

DRIFT = {torch.bfloat16: 0.08, torch.float16: 0.01}


def run(unet, rand, frames=4, size=(4, 6), tokens=None, b=1, **options):
    x = rand(b, 8, frames, *size)
    context = rand(b, 77 + 16 * frames if tokens is None else tokens, 32)
    return unet(x, torch.full((b,), 400), context, **options)


@pytest.mark.parametrize("frames", [1, 2, 5, 8, 16, 24])
def test_any_number_of_frames(tiny, rand, frames: int) -> None:
    out = run(tiny.unet, rand, frames, size=(2, 4))
    assert out.shape == (1, 4, frames, 2, 4) and out.isfinite().all()


def test_default_frame_rate(tiny, rand) -> None:
    x, context, t = rand(1, 8, 2, 4, 4), rand(1, 90, 32), torch.tensor([3])
    default = tiny.unet(x, t, context)
    assert torch.equal(default, tiny.unet(x, t, context, torch.tensor([24])))
    assert not torch.allclose(default, tiny.unet(x, t, context, torch.tensor([5])))


def test_image_tokens_go_to_their_frame_only(tiny, rand) -> None:
    """Split where L = 77 + 16 f; otherwise all frames see all (architecture.md 2.2)."""
    tokens = rand(2, 77 + 16 * 3, 32)
    split = Context.route(tokens, 3)
    assert split.image.shape == (6, 16, 32)
    assert torch.equal(split.image[4], tokens[1, 77 + 16 : 77 + 32])
    assert Context.route(tokens, 4).image.shape == (2, 48, 32)
    assert Context.route(tokens[:, :77], 4).image is None


def test_one_context_serves_a_batch(tiny, rand) -> None:
    x, one, t = rand(2, 8, 3, 4, 4), rand(1, 77 + 48, 32), torch.tensor([7, 7])
    whole = tiny.unet(x, t, one)
    for k in range(2):
        assert torch.allclose(whole[k : k + 1], tiny.unet(x[k : k + 1], t[:1], one), atol=1e-5)


@pytest.mark.parametrize("size", [(3, 4), (4, 5)])
def test_refuses_sizes_that_cannot_be_halved(tiny, rand, size) -> None:
    with pytest.raises(ValueError, match=r"multiple of 2.*16"):
        run(tiny.unet, rand, size=size)


def test_control_adds_to_the_named_places(tiny, rand) -> None:
    maps = []
    hooks = [
        b.register_forward_hook(lambda _, args, out: maps.append(torch.zeros_like(out)))
        for b in [*tiny.unet.input_blocks, tiny.unet.middle_block]
    ]
    rng = rand.generator.get_state()
    plain = run(tiny.unet, rand)
    for hook in hooks:
        hook.remove()
    rand.generator.set_state(rng)
    assert torch.equal(run(tiny.unet, rand, control=maps), plain)
    for i in range(len(maps)):
        changed = [m + 1.0 * (j == i) for j, m in enumerate(maps)]
        rand.generator.set_state(rng)
        assert not torch.allclose(run(tiny.unet, rand, control=changed), plain), i
    rand.generator.set_state(rng)
    with pytest.raises(ValueError, match=r"zip|argument"):
        run(tiny.unet, rand, control=[*maps, maps[-1]])


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_half_precision(tiny, rand, dtype) -> None:
    x, context, t = rand(1, 8, 4, 8, 8), rand(1, 77 + 64, 32), torch.tensor([600])
    want = tiny.unet(x, t, context)
    half = VideoUNet(tiny.config.unet, dtype=dtype)
    half.load_state_dict(tiny.unet.state_dict())
    got = half.eval()(x.to(dtype), t, context.to(dtype))
    assert got.dtype == dtype
    drift = float((got.float() - want).square().mean().sqrt() / want.std())
    print(f"{dtype} drift {drift:.4f}")
    assert drift < DRIFT[dtype], drift


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_norm_statistics_are_float32(dtype) -> None:
    """A large mean must not swallow the deviation."""
    x = (torch.randn(1, 32, 64, 64) * 4 + 100).to(dtype)
    norm = Ops(dtype=dtype).group_norm(32, 1e-6)
    want = torch.nn.functional.group_norm(x.double(), 32, eps=1e-6)
    assert (norm(x).double() - want).abs().max() < 0.03


class Padding:
    """Layers as newer versions of ComfyUI have them, which tell a convolution how it is padded."""

    class Conv3d(nn.Conv3d):
        def forward(self, x):
            return self._conv_forward(x, self.weight, self.bias, autopad=None)


def test_convolutions_over_frames_are_the_three_dimensional_ones(rand) -> None:
    """Whatever else a host's layers give them."""
    for namespace in (nn, Padding):
        conv = conv_over_frames(4, Ops(namespace))
        assert isinstance(conv, namespace.Conv3d) and list(conv.state_dict()) == ["weight", "bias"]
        plain = nn.Conv3d(4, 4, (3, 1, 1), padding=(1, 0, 0))
        plain.load_state_dict(conv.state_dict())
        x = rand(2, 4, 5, 3, 2)
        torch.testing.assert_close(conv(x), plain(x))


def test_config_refuses_widths_the_norms_cannot_take() -> None:
    with pytest.raises(ValueError, match="multiple of 32"):
        UNetConfig(model_channels=48)
    with pytest.raises(ValueError, match="must be a multiple of 24"):
        replace(UNetConfig(), num_head_channels=24)
