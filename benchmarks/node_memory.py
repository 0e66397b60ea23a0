"""Live memory of every part of the official model and of nano, in the units of nodes/memory.py.

    python benchmarks/node_memory.py

Runs both configurations on fake tensors: no weights, no arithmetic, but every allocation is seen,
and the peak of what is alive at once is counted: by itself, and with what a GPU may want beside
it, a copy of each convolution's input and output, since cuDNN turns half precision to channels-last
and back. Attention counts as its fused kernel, which every device has for queries, keys and values
of one width. Weights are not counted.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import torch
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.overrides import TorchFunctionMode

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from benchmarks.live import LiveMemory  # noqa: E402
from toon_core.config import SketchConfig, ToonConfig  # noqa: E402
from toon_core.model import ToonModel  # noqa: E402
from toon_core.presets import nano, nano_sketch, official_512, official_sketch  # noqa: E402
from toon_core.sketch.encoder import SketchEncoder  # noqa: E402
from toon_core.vae.autoencoder import stack_references  # noqa: E402

HEIGHT, WIDTH, FRAMES = 320, 512, 16
DTYPE = torch.bfloat16


class Peak(LiveMemory):
    """Bytes of the storages that operations make, alive at once at most; `turned` with copies of
    each convolution's input and output."""

    turned = 0

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        out = super().__torch_dispatch__(func, types, args, kwargs)
        more = 0
        if func.overloadpacket is torch.ops.aten.convolution:
            more = args[0].nbytes + out.nbytes
        self.turned = max(self.turned, self.peak, self.live + more)
        return out


class FusedAttention(TorchFunctionMode):
    """Fake tensors would take the plain form, with all scores in memory; ValueError where a CPU
    would, too."""

    def __torch_function__(self, func, types, args=(), kwargs=None):
        if func is torch.nn.functional.scaled_dot_product_attention:
            widths = [x.shape[-1] for x in args[:3]]
            if len(set(widths)) > 1:
                raise ValueError(f"q, k and v are {widths} wide: no fused kernel on a CPU")
            return torch.empty_like(args[0])
        return func(*args, **(kwargs or {}))


def peak(run: Callable[[], object]) -> Peak:
    with torch.inference_mode(False), torch.no_grad(), FusedAttention(), Peak() as mode:
        run()
    return mode


def rows(config: ToonConfig, sketch_config: SketchConfig) -> list[tuple[str, Peak, int]]:
    """(name, peak, bytes in a unit of nodes/memory.py for one element in each) of each part."""
    model = ToonModel(config).eval()
    sketch = SketchEncoder(sketch_config).eval()
    size, width, ch = DTYPE.itemsize, config.unet.context_dim, config.vae.ch
    h, w, clip = HEIGHT // 8, WIDTH // 8, (FRAMES, HEIGHT // 8, WIDTH // 8)
    x = torch.zeros(1, 8, *clip, dtype=DTYPE)
    t, tokens = torch.zeros(1), torch.zeros(1, 333, width, dtype=DTYPE)
    keys = torch.zeros(2, 3, HEIGHT, WIDTH, dtype=DTYPE)
    maps = model.vae.encode_with_features(keys[:1])[1]
    references = stack_references(maps, maps)
    hint = sketch.hint(torch.zeros(1, 1, FRAMES, HEIGHT, WIDTH, dtype=DTYPE))
    latent, pixels = FRAMES * h * w, HEIGHT * WIDTH
    tower = 257 * config.resampler.embedding_dim
    z = x[:, :4]
    parts = [
        ("UNet, a clip", lambda: model.unet(x, t, tokens), latent * config.unet.model_channels),
        ("encode, two images", lambda: model.vae.encode_with_features(keys), 2 * pixels * ch),
        ("decode", lambda: model.vae.decode(z, references), FRAMES * pixels * ch),
        (
            "decode, a frame at a time",
            lambda: model.vae.decode(z, references, frames_at_once=1),
            FRAMES * pixels * ch,
        ),
        (
            "sketch encoder",
            lambda: sketch(z, hint, t, tokens),
            latent * sketch_config.model_channels,
        ),
        ("towers, an image", lambda: towers(model, 1), tower),
        ("towers, four images", lambda: towers(model, 4), 4 * tower),
    ]
    return [(name, peak(run), units * size) for name, run, units in parts]


def towers(model: ToonModel, images: int) -> torch.Tensor:
    """Tokens of preprocessed images, and of a prompt."""
    model.text.encode(torch.zeros(1, 77, dtype=torch.long))
    return model.resampler(model.image(torch.zeros(images, 3, 224, 224, dtype=DTYPE)))


def main() -> None:
    torch.set_default_dtype(DTYPE)
    with FakeTensorMode(allow_non_fake_inputs=True):
        for title, config, sketch in (
            ("official", official_512(), official_sketch()),
            ("nano", with_nearness(nano()), nano_sketch()),
        ):
            print(f"{title:27}   GiB  elements per unit  convolutions turned")
            for name, found, unit in rows(config, sketch):
                elements, turned = found.peak / unit, found.turned / unit
                print(f"  {name:25} {found.peak / 2**30:6.3f}  {elements:17.1f}  {turned:19.1f}")


def with_nearness(config: ToonConfig) -> ToonConfig:
    """As nano's file is."""
    return replace(config, vae=replace(config.vae, reference_nearness=True))


if __name__ == "__main__":
    main()
