"""Live memory of every part of the official model, in the units of nodes/memory.py.

    python benchmarks/node_memory.py

Runs the official configuration on fake tensors: no weights, no arithmetic, but every allocation
is seen, and the peak of what is alive at once is counted. Attention counts as its fused kernel,
which ComfyUI's supported devices all have. Weights are not counted.
"""

from __future__ import annotations

import sys
import weakref
from collections.abc import Callable
from pathlib import Path

import torch
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from toon_core.model import ToonModel  # noqa: E402
from toon_core.presets import official_512, official_sketch  # noqa: E402
from toon_core.sketch.encoder import SketchEncoder  # noqa: E402
from toon_core.vae.autoencoder import stack_references  # noqa: E402

HEIGHT, WIDTH, FRAMES = 320, 512, 16
DTYPE = torch.bfloat16


class Peak(TorchDispatchMode):
    """Bytes of the storages that operations make, alive at once at most."""

    def __init__(self) -> None:
        super().__init__()
        self.alive, self.most = 0, 0
        self.seen: set[int] = set()

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        given = _storages((args, kwargs))  # a view of a weight is no new memory
        out = func(*args, **(kwargs or {}))
        for key, storage in _storages(out).items():
            if key not in given and key not in self.seen:
                self._watch(key, storage)
        return out

    def _watch(self, key: int, storage: torch.UntypedStorage) -> None:
        size = storage.nbytes()
        self.seen.add(key)
        self.alive += size
        self.most = max(self.most, self.alive)
        weakref.finalize(storage, self._gone, key, size)

    def _gone(self, key: int, size: int) -> None:
        self.seen.discard(key)
        self.alive -= size


def _storages(tree: object) -> dict[int, torch.UntypedStorage]:
    tensors = (leaf for leaf in tree_leaves(tree) if isinstance(leaf, torch.Tensor))
    return {s._cdata: s for s in (tensor.untyped_storage() for tensor in tensors)}


class FusedAttention(TorchFunctionMode):
    """Fake tensors would take the plain form, with all scores in memory."""

    def __torch_function__(self, func, types, args=(), kwargs=None):
        if func is torch.nn.functional.scaled_dot_product_attention:
            return torch.empty_like(args[0])
        return func(*args, **(kwargs or {}))


def peak(run: Callable[[], object]) -> int:
    with torch.inference_mode(False), torch.no_grad(), FusedAttention(), Peak() as mode:
        run()
    return mode.most


def rows() -> list[tuple[str, float, float]]:
    """(name, GiB, elements per unit) of each part; units as in nodes/memory.py."""
    model = ToonModel(official_512()).eval()
    sketch = SketchEncoder(official_sketch()).eval()
    config, size = model.config, DTYPE.itemsize
    h, w, clip = HEIGHT // 8, WIDTH // 8, (FRAMES, HEIGHT // 8, WIDTH // 8)
    x = torch.zeros(1, 8, *clip, dtype=DTYPE)
    t, tokens = torch.zeros(1), torch.zeros(1, 333, 1024, dtype=DTYPE)
    keys = torch.zeros(2, 3, HEIGHT, WIDTH, dtype=DTYPE)
    maps = model.vae.encode_with_features(keys[:1])[1]
    references = stack_references(maps, maps)
    hint = sketch.hint(torch.zeros(1, 1, FRAMES, HEIGHT, WIDTH, dtype=DTYPE))
    latent = FRAMES * h * w
    pixels = HEIGHT * WIDTH
    z = x[:, :4]
    parts = [
        ("UNet, a clip", lambda: model.unet(x, t, tokens), latent * config.unet.model_channels),
        ("encode, two images", lambda: model.vae.encode_with_features(keys), 2 * pixels * 128),
        ("decode", lambda: model.vae.decode(z, references), FRAMES * pixels * 128),
        (
            "decode, a frame at a time",
            lambda: model.vae.decode(z, references, frames_at_once=1),
            FRAMES * pixels * 128,
        ),
        ("sketch encoder", lambda: sketch(z, hint, t, tokens), latent * 320),
        ("towers, an image", lambda: towers(model, 1), 257 * 1280),
        ("towers, four images", lambda: towers(model, 4), 4 * 257 * 1280),
    ]
    out = []
    for name, run, units in parts:
        most = peak(run)
        out.append((name, most / 2**30, most / size / units))
    return out


def towers(model: ToonModel, images: int) -> torch.Tensor:
    """Tokens of preprocessed images, and of a prompt."""
    model.text.encode(torch.zeros(1, 77, dtype=torch.long))
    return model.resampler(model.image(torch.zeros(images, 3, 224, 224, dtype=DTYPE)))


def main() -> None:
    torch.set_default_dtype(DTYPE)
    with FakeTensorMode(allow_non_fake_inputs=True):
        for name, gigabytes, elements in rows():
            print(f"{name:28} {gigabytes:6.2f} GiB  {elements:6.1f} elements per unit")


if __name__ == "__main__":
    main()
