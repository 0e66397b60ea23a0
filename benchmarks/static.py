"""What the official model asks of a GPU, part by part, counted without one.

    python benchmarks/static.py                      a table
    python benchmarks/static.py --json FILE          the figures of the default types
    python benchmarks/static.py --sites unet_1       the lines that ask for most
    python benchmarks/static.py --fused              with the kernels of toon_core/layers/fused.py
    python benchmarks/static.py --tighten            lower budgets.json to what is counted

512x320 pixels, 16 frames, one clip, on fake tensors (`counting.py`). UNet and sketch encoder in
fp16, as the nodes run them on an NVIDIA card, and in a run's second step: keys and values of the
text are there. The autoencoder in the type that the nodes choose for it. `budgets.json` has the
most that each part may ask for; a test compares, and `--tighten` never raises it.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable
from contextlib import nullcontext
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch._subclasses.fake_tensor import FakeTensorMode

ROOT = Path(__file__).resolve().parents[1]
if str(ROOT) not in sys.path:
    sys.path.insert(0, str(ROOT))

from benchmarks.counting import Count, fused_attention, pinning  # noqa: E402
from toon_core.conditioning.encode import encode_keys  # noqa: E402
from toon_core.denoiser import Denoiser  # noqa: E402
from toon_core.guidance import Branches, Guidance  # noqa: E402
from toon_core.layers.fused import kernels  # noqa: E402
from toon_core.presets import official_512, official_sketch  # noqa: E402
from toon_core.sketch.control import SketchControl  # noqa: E402
from toon_core.sketch.encoder import SketchEncoder  # noqa: E402
from toon_core.unet.model import VideoUNet  # noqa: E402
from toon_core.vae.autoencoder import Autoencoder  # noqa: E402
from toon_core.vae.clips import decode  # noqa: E402

BUDGETS = ROOT / "benchmarks" / "budgets.json"
HEIGHT, WIDTH, FRAMES = 320, 512, 16
DTYPE = torch.float16
AUTOENCODER = torch.float16
STEPS = (999, 979)  # of the run: the second is counted


class Parts:
    """The official networks, and what is counted of each, by name."""

    def __init__(self, dtype: torch.dtype = DTYPE, autoencoder: torch.dtype = AUTOENCODER) -> None:
        self.dtype, self.autoencoder = dtype, autoencoder
        options: dict[str, Any] = {"device": "cuda", "dtype": dtype}
        config = official_512()
        self.unet = VideoUNet(config.unet, **options).eval().requires_grad_(False)
        self.encoder = SketchEncoder(official_sketch(), **options).eval().requires_grad_(False)
        self.vae = Autoencoder(config.vae, device="cuda", dtype=self.autoencoder)
        self.vae.eval().requires_grad_(False)
        self.size = (HEIGHT // 8, WIDTH // 8)
        width = config.unet.context_dim
        self.tokens = [
            torch.randn(1, 333, width, device="cuda", dtype=self.dtype) for _ in range(3)
        ]
        self.runs: dict[str, Callable[[Count], object]] = {
            **{f"unet_{n}": partial(self.unet_pass, n) for n in (1, 2, 3)},
            "unet_2_shallow": partial(self.unet_pass, 2, reuse=2),
            "sketch": self.sketch_pass,
            "encode": self.encode,
            "decode": partial(self.decode, twice=False),
            "decode_double": partial(self.decode, twice=True),
            "decode_streamed": partial(self.decode, twice=False, at_once=1),
        }

    def denoiser(self, branches: int, unet: Any, control: Any = None, reuse: int = 1) -> Denoiser:
        concat = torch.randn(1, 4, FRAMES, *self.size, device="cuda", dtype=self.dtype)
        guidance = Guidance(
            cfg_scale=7.5 if branches > 1 else 1.0, cfg_image=3.0 if branches > 2 else None
        )
        tokens = Branches(*self.tokens[:branches])
        fs = torch.full((1,), 10.0, device="cuda")
        options = {"control": control, "steps": STEPS, "reuse": reuse}
        return Denoiser(unet, concat, tokens, fs, guidance, **options)

    def unet_pass(self, branches: int, count: Count, reuse: int = 1) -> None:
        """The network's call alone, as a step makes it; with reuse it is a shallow one."""
        made = partial(self.denoiser, branches, reuse=reuse)
        self._second_call(self.unet, count, made)

    def sketch_pass(self, count: Count) -> None:
        sketches = torch.zeros(1, 1, FRAMES, HEIGHT, WIDTH, device="cuda", dtype=self.dtype)

        def made(encoder: Any) -> Denoiser:
            return self.denoiser(1, self.unet, SketchControl(encoder, sketches))

        self._second_call(self.encoder, count, made)

    def _second_call(self, network: Any, count: Count, made: Callable[[Any], Denoiser]) -> None:
        denoise = made(Counted(network, count))
        x = torch.randn(1, 4, FRAMES, *self.size, device="cuda")
        for i, t in enumerate(STEPS):
            count.wanted = i == len(STEPS) - 1  # type: ignore[attr-defined]
            denoise(x, t)

    def keys(self) -> list[Any]:
        return [
            torch.randn(1, 3, HEIGHT, WIDTH, device="cuda", dtype=self.autoencoder)
            for _ in range(2)
        ]

    def encode(self, count: Count) -> None:
        keys, noise = self.keys(), torch.randn(1, FRAMES, 4, *self.size, device="cuda")
        with count:
            encode_keys(self.vae, *keys, noise)

    def decode(self, count: Count, twice: bool, at_once: int | None = None) -> None:
        noise = torch.randn(1, FRAMES, 4, *self.size, device="cuda")
        references = encode_keys(self.vae, *self.keys(), noise).references
        z = torch.randn(1, 4, FRAMES, *self.size, device="cuda", dtype=self.autoencoder)
        with count:
            decode(self.vae, z, references, twice, at_once)


class Counted:
    """A network whose calls are counted while `count.wanted`."""

    def __init__(self, network: Any, count: Count) -> None:
        self.network, self.count = network, count

    def __getattr__(self, name: str) -> Any:
        return getattr(self.network, name)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        if not getattr(self.count, "wanted", False):
            return self.network(*args, **kwargs)
        with self.count:
            return self.network(*args, **kwargs)


def measure(
    names: list[str] | None = None, sites: bool = False, fused: bool = False
) -> dict[str, Count]:
    """Counts of the parts, all or those of some names."""
    around = kernels() if fused else nullcontext()
    with around, FakeTensorMode(), torch.no_grad(), fused_attention(), pinning():
        parts = Parts()
        counts = {name: Count(sites=sites) for name in names or parts.runs}
        for name, count in counts.items():
            parts.runs[name](count)
    return counts


Figures = dict[str, dict[str, int]]


def budgets() -> Figures:
    return json.loads(BUDGETS.read_text())


def over(counted: Figures, allowed: Figures) -> list[str]:
    """What asks for more than it may, or is no longer counted, in words."""
    wrong = []
    for name, most in allowed.items():
        for key, value in most.items():
            found = counted.get(name, {}).get(key)
            if found is None or found > value:
                wrong.append(f"{name}: {found} {key}, budget {value}")
    return wrong


def tightened(counted: Figures, allowed: Figures) -> Figures:
    """The budgets with what is counted where that is less, and with what is new."""
    lowered = dict(allowed)
    for name, new in counted.items():
        old = allowed.get(name, {})
        lowered[name] = {key: min(value, old.get(key, value)) for key, value in new.items()}
    return lowered


def table(counts: dict[str, Count]) -> None:
    print(f"{'':16} launches    GB      TFLOP   peak GB  casts  copies  waits  uploads")
    for name, c in counts.items():
        print(
            f"{name:16} {c.launches:8}  {c.bytes / 1e9:6.1f}  {c.flops / 1e12:7.3f}  "
            f"{c.peak / 1e9:7.3f}  {c.casts:5}  {c.copies:6}  {sum(c.waits.values()):5}  "
            f"{sum(c.uploads.values()):7}"
        )


def lines(count: Count, most: int = 30) -> None:
    for (site, name), (launches, moved) in sorted(count.sites.items(), key=lambda s: -s[1][1])[
        :most
    ]:
        print(f"{moved / 1e9:7.2f} GB {launches:6}  {name:28} {site}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures there")
    parser.add_argument("--sites", metavar="PART", help="where a part's bytes come from")
    parser.add_argument("--tighten", action="store_true", help="lower the budgets")
    parser.add_argument("--fused", action="store_true", help="with the fused kernels")
    options = parser.parse_args()
    if options.tighten and options.fused:
        parser.error("the budgets are those of the kernels that are used by default")
    names = [options.sites] if options.sites else None
    counts = measure(names, bool(options.sites), options.fused)
    table(counts)
    if options.sites:
        lines(counts[options.sites])
    figures = {name: count.figures() for name, count in counts.items()}
    if options.json:
        options.json.write_text(json.dumps(figures, indent=1) + "\n")
    if options.tighten:
        BUDGETS.write_text(json.dumps(tightened(figures, budgets()), indent=1) + "\n")


if __name__ == "__main__":
    main()
