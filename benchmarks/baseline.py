"""Ours against the naive baseline, habit by habit: parity first, then time side by side.

    python benchmarks/baseline.py [case ...] [--device cuda] [--full] [--repeats 5]
    python benchmarks/baseline.py --count

Cases: unet (a step with two branches), decode, encode. Both sides have the same random weights. The
first line of a case is ours against all habits of `habits.py` together, and `autocast` beside
them: weights in fp32, cast at each use. The lines after it are ours against ours with one habit, so
that each shows what its lever brings. The runs take turns in one process; printed are the median
of the ratios of neighbours, their spread, and how far the results are apart (rms over rms). A ratio
above 1 is in our favour. --full: the official model; else small networks, of seconds. --count:
launches and bytes on fake tensors of a GPU at the official size, in place of time.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [p for p in (str(ROOT), str(ROOT / "benchmarks")) if p not in sys.path]

import habits  # noqa: E402
import static  # noqa: E402
from counting import Count, fused_attention, pinning  # noqa: E402
from torch._subclasses.fake_tensor import FakeTensorMode  # noqa: E402

from toon_core.conditioning.encode import encode_keys  # noqa: E402
from toon_core.denoiser import Denoiser  # noqa: E402
from toon_core.guidance import Branches, Guidance  # noqa: E402
from toon_core.presets import official_512  # noqa: E402
from toon_core.unet.model import VideoUNet  # noqa: E402
from toon_core.vae.autoencoder import Autoencoder  # noqa: E402
from toon_core.vae.clips import decode  # noqa: E402

HALF = {"cuda": torch.float16, "cpu": torch.bfloat16}
NEAR = {torch.float32: 1e-4, torch.float16: 2e-2, torch.bfloat16: 5e-2}
STEPS = (999, 979)


@contextmanager
def autocast(device: str, dtype: torch.dtype) -> Iterator[None]:
    """As `torch.autocast`, which refuses a device that is not there."""
    kept = torch.is_autocast_enabled(device), torch.get_autocast_dtype(device)
    torch.set_autocast_enabled(device, True)
    torch.set_autocast_dtype(device, dtype)
    torch.autocast_increment_nesting()
    try:
        yield
    finally:
        if torch.autocast_decrement_nesting() == 0:
            torch.clear_autocast_cache()
        torch.set_autocast_enabled(device, kept[0])
        torch.set_autocast_dtype(device, kept[1])


class Case:
    """One network and its inputs, in `dtype`; `run` gives what is compared and counted."""

    def __init__(self, name: str, device: str, full: bool, dtype: torch.dtype) -> None:
        self.name, self.device, self.dtype = name, device, dtype
        config = official_512()
        unet = config.unet if full else replace(config.unet, model_channels=64)
        vae = config.vae if full else replace(config.vae, ch=64)
        self.width, self.channels = unet.context_dim, config.vae.z_channels
        h, w = (40, 64) if full else (8, 8) if name == "unet" else (4, 8)
        self.size = (h, w)
        torch.manual_seed(0)
        options: dict[str, Any] = {"device": device, "dtype": dtype}
        self.network: Any = VideoUNet(unet, **options) if name == "unet" else None
        self.network = self.network or Autoencoder(vae, **options)
        self.network.eval().requires_grad_(False)
        _wake(self.network)
        if name == "unet":
            self.run = self._unet()
        else:
            keys = [self.random(1, 3, 8 * h, 8 * w) for _ in range(2)]
            noise = self.random(1, 16, self.channels, h, w)
            self.run = lambda: encode_keys(self.network, *keys, noise).concat
        if name == "decode":
            kept = encode_keys(self.network, *keys, noise).references
            z = self.random(1, self.channels, 16, h, w)
            self.run = lambda: decode(self.network, z, kept, replace_middle=True)

    def random(self, *shape: int) -> Tensor:
        return torch.randn(*shape, device=self.device, dtype=self.dtype)

    def _unet(self) -> Callable[[], Tensor]:
        concat = self.random(1, 4, 16, *self.size)
        tokens = [self.random(1, 333, self.width) for _ in range(2)]
        x = torch.randn(1, 4, 16, *self.size, device=self.device)
        fs = torch.full((1,), 10.0, device=self.device)
        kept: dict[int, Denoiser] = {}

        def run() -> Tensor:
            """A later step of a run: what is worked out once has been."""
            made = id(Denoiser.__init__)  # another with each set of habits
            if made not in kept:
                kept.clear()
                args = (self.network, concat, Branches(*tokens), fs, Guidance())
                kept[made] = Denoiser(*args, steps=STEPS)
                kept[made](x, STEPS[0])
            return kept[made](x, STEPS[1])

        return run


@torch.no_grad()
def _wake(network: torch.nn.Module) -> None:
    """Layers that begin at zero would hide what comes before them."""
    for parameter in network.parameters():
        if not parameter.any():
            parameter.normal_(std=0.02)


def seconds(run: Callable[[], Any], device: str) -> float:
    """Of the device's clock, or of this process's on a CPU."""
    if device == "cpu":
        start = time.process_time()
        run()
        return time.process_time() - start
    begin, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))
    begin.record()
    run()
    end.record()
    end.synchronize()
    return begin.elapsed_time(end) / 1000


def apart(a: Tensor, b: Tensor) -> float:
    a, b = a.float(), b.float()
    return float((a - b).square().mean().sqrt() / b.square().mean().sqrt())


Side = Callable[[], Any]


def compared(name: str, ours: Side, theirs: Side, device: str, repeats: int, near: float) -> None:
    """Prints the line of one comparison; SystemExit where the results differ."""
    error = apart(ours(), theirs())
    if not error <= near:
        raise SystemExit(f"{name}: the results are {error:.1e} apart, {near:.0e} is allowed")
    ratios, own = [], []
    for _ in range(repeats):
        own.append(seconds(ours, device))
        ratios.append(seconds(theirs, device) / own[-1])
    print(
        f"  {name:14} {statistics.median(ratios):5.2f}x  ({min(ratios):.2f} to {max(ratios):.2f})  "
        f"ours {statistics.median(own):7.3f} s  apart {error:.1e}",
        flush=True,
    )


HABITS = {"unet": habits.UNET, "decode": habits.DECODE, "encode": habits.ENCODE}


@torch.no_grad()
def timed(name: str, device: str, full: bool, repeats: int) -> None:
    known = HABITS[name]
    for dtype in (HALF[device], torch.float32):
        print(f"{name}, {str(dtype)[6:]}")
        ours, near = Case(name, device, full, dtype), NEAR[dtype]
        if dtype != torch.float32:
            wide = Case(name, device, full, torch.float32)
            wide.network.load_state_dict(ours.network.state_dict())
            naive = partial(with_habits, wide, list(known.values()), dtype)
            compared("all, autocast", ours.run, naive, device, repeats, 2 * near)
        naive = partial(with_habits, ours, list(known.values()))
        compared("all habits", ours.run, naive, device, repeats, near)
        for habit, enter in known.items():
            compared(habit, ours.run, partial(with_habits, ours, [enter]), device, repeats, near)


def with_habits(case: Case, used: list[habits.Habit], wide: torch.dtype | None = None) -> Tensor:
    """wide: under autocast to this type."""
    with habits.entered(used), autocast(case.device, wide) if wide else nullcontext():
        return case.run()


def counted() -> None:
    """Ours and the baseline on fake tensors: what a step's network, an encode and a decode ask."""
    names = {"unet": ("unet_1", "unet_2"), "decode": ("decode_double",), "encode": ("encode",)}
    print(f"{'':16} launches        GB              peak GB")
    for case, parts in names.items():
        ours = static.measure(list(parts))
        for part in parts:
            used = [habit for name, habit in HABITS[case].items() if name != "scores"]
            with habits.entered(used):
                theirs = naive_count(part)
            a, b = ours[part], theirs
            print(
                f"{part:16} {a.launches:5} /{b.launches / a.launches:5.2f}   {a.bytes / 1e9:6.1f} "
                f"/{b.bytes / a.bytes:5.2f}   {a.peak / 1e9:6.2f} /{b.peak / a.peak:5.2f}"
            )


def naive_count(part: str) -> Count:
    """With weights in fp32 under autocast, and attention fused, as with the release's xformers."""
    with FakeTensorMode(), torch.no_grad(), fused_attention(), pinning():
        parts = static.Parts(torch.float32, torch.float32)
        count = Count()
        with autocast("cuda", torch.float16):
            parts.runs[part](count)
    return count


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("cases", nargs="*", choices=[*HABITS, []], metavar="case")
    parser.add_argument("--device", default="cpu", choices=list(HALF))
    parser.add_argument("--full", action="store_true")
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--count", action="store_true")
    options = parser.parse_args()
    if options.count:
        counted()
        return
    torch.set_num_threads(1)
    for name in options.cases or HABITS:
        timed(name, options.device, options.full, options.repeats)


if __name__ == "__main__":
    main()
