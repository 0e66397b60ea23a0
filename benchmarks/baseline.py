"""Ours against the naive baseline, habit by habit: parity first, then time side by side.

    python benchmarks/baseline.py [case ...] [--device cuda] [--full] [--repeats 5]
    python benchmarks/baseline.py --count

Cases: unet (a step with two branches), decode, encode. Both sides have the same random weights. The
first line of a case is ours against all habits of `habits.py` together, and `autocast` beside
them: weights in fp32, cast for each run. The lines after it are ours against ours with one habit,
so that each shows what its lever brings. The runs take turns in one process; printed are the median
of the ratios of neighbours, their spread, and how far the results are apart (rms over rms). A ratio
above 1 is in our favour. --full: the official model; else small networks, of seconds. --count:
launches and bytes on fake tensors of a GPU at the official size, in place of time.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

ROOT = Path(__file__).resolve().parents[1]
if str(ROOT) not in sys.path:
    sys.path.insert(0, str(ROOT))

from torch._subclasses.fake_tensor import FakeTensorMode  # noqa: E402

from benchmarks import habits, static  # noqa: E402
from benchmarks.counting import Count, fused_attention, pinning  # noqa: E402
from toon_core.conditioning.encode import encode_keys  # noqa: E402
from toon_core.config import ToonConfig  # noqa: E402
from toon_core.denoiser import Denoiser  # noqa: E402
from toon_core.guidance import Branches, Guidance  # noqa: E402
from toon_core.presets import official_512  # noqa: E402
from toon_core.unet.model import VideoUNet  # noqa: E402
from toon_core.vae.autoencoder import Autoencoder  # noqa: E402
from toon_core.vae.clips import decode  # noqa: E402

HALF = {"cuda": torch.float16, "cpu": torch.bfloat16}
SAME = 1e-4  # how far results in fp32 may be apart
WORSE = 1.5  # our error in half precision over theirs, both against fp32
STEPS = (999, 979)
WARM = {"cuda": 3, "cpu": 1}  # calls before time is taken; the first one is compared

Run = Callable[[], Any]


@contextmanager
def autocast(device: str, dtype: torch.dtype) -> Iterator[None]:
    """As one `torch.autocast` around a whole run, of which this is a part: the copies that it makes
    of weights stay until `torch.clear_autocast_cache`. And as it would be on a device that is not
    there."""
    kept = torch.is_autocast_enabled(device), torch.get_autocast_dtype(device)
    torch.set_autocast_enabled(device, True)
    torch.set_autocast_dtype(device, dtype)
    torch.autocast_increment_nesting()
    try:
        yield
    finally:
        torch.autocast_decrement_nesting()
        torch.set_autocast_enabled(device, kept[0])
        torch.set_autocast_dtype(device, kept[1])


class Case:
    """One network and its inputs, in `dtype`, at height x width of its latents."""

    def __init__(
        self,
        name: str,
        device: str,
        dtype: torch.dtype,
        config: ToonConfig,
        size: tuple[int, int],
    ) -> None:
        self.name, self.device, self.dtype, self.size = name, device, dtype, size
        self.width, self.channels = config.unet.context_dim, config.vae.z_channels
        torch.manual_seed(0)
        options: dict[str, Any] = {"device": device, "dtype": dtype}
        unet = name == "unet"
        self.network: Any = (
            VideoUNet(config.unet, **options) if unet else Autoencoder(config.vae, **options)
        )
        self.network.eval().requires_grad_(False)
        wake(self.network)
        h, w = size
        if unet:
            self.x = torch.randn(1, 4, 16, h, w, device=device)
            self.concat = self.random(1, 4, 16, h, w)
            self.tokens = Branches(*(self.random(1, 333, self.width) for _ in range(2)))
            self.fs = torch.full((1,), 10.0, device=device)
        else:
            self.keys = [self.random(1, 3, 8 * h, 8 * w) for _ in range(2)]
            self.noise = self.random(1, 16, self.channels, h, w)
            self.z = self.random(1, self.channels, 16, h, w)
        self.made: Callable[[], Run] = getattr(self, f"_{name}")

    def random(self, *shape: int) -> Tensor:
        return torch.randn(*shape, device=self.device, dtype=self.dtype)

    def _unet(self) -> Run:
        """A later step of a run: what is worked out once has been."""
        args = (self.network, self.concat, self.tokens, self.fs, Guidance())
        denoiser = Denoiser(*args, steps=STEPS)
        denoiser(self.x, STEPS[0])
        return lambda: denoiser(self.x, STEPS[1])

    def _encode(self) -> Run:
        return lambda: encode_keys(self.network, *self.keys, self.noise).concat

    def _decode(self) -> Run:
        kept = encode_keys(self.network, *self.keys, self.noise).references
        return lambda: decode(self.network, self.z, kept, replace_middle=True)


@torch.no_grad()
def wake(network: torch.nn.Module) -> None:
    """Layers that begin at zero would hide what comes before them."""
    for parameter in network.parameters():
        if not parameter.any():
            parameter.normal_(std=0.02)


@contextmanager
def naive(
    used: Sequence[habits.Habit], device: str, cast: torch.dtype | None = None
) -> Iterator[None]:
    """With habits; cast: weights are in fp32, and this is what autocast makes of them."""
    with habits.entered(used), autocast(device, cast) if cast else nullcontext():
        yield


def with_habits(case: Case, used: Sequence[habits.Habit], cast: torch.dtype | None = None) -> Run:
    with naive(used, case.device, cast):
        run = case.made()

    def again() -> Any:
        with naive(used, case.device, cast):
            return run()

    return again


def seconds(run: Run, device: str) -> float:
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


def compared(
    ours: Run, theirs: Run, device: str, repeats: int, truth: Tensor | None = None
) -> dict[str, Any]:
    """Time in turns: our seconds, the median of the ratios of neighbours and their ends, and how
    far the results are apart. truth: in fp32, of what is in half precision. ValueError where the
    results are further apart than SAME, or ours from the truth than WORSE times theirs."""
    a, b = ours(), theirs()
    found = {"apart": apart(a, b)}
    if truth is None:
        fine = found["apart"] <= SAME
    else:
        found |= {"error": apart(a, truth), "their_error": apart(b, truth)}
        fine = found["error"] <= WORSE * found["their_error"]
    if not fine:
        raise ValueError(f"the results are not the same: {found}")
    for _ in range(WARM[device] - 1):
        ours(), theirs()
    ratios, own = [], []
    for _ in range(repeats):
        own.append(seconds(ours, device))
        ratios.append(seconds(theirs, device) / own[-1])
    ends = {"least": min(ratios), "most": max(ratios)}
    return {"seconds": statistics.median(own), "ratio": statistics.median(ratios), **ends, **found}


HABITS = {"unet": habits.UNET, "decode": habits.DECODE, "encode": habits.ENCODE}


def pairs(case: Case) -> Iterator[tuple[str, Run, Run, Tensor | None]]:
    """(name, ours, with habits, the truth) of a case: all together, then each."""
    known, ours, truth = HABITS[case.name], case.made(), None
    if case.dtype != torch.float32:
        wide = widened(case)
        truth = wide.made()()
        yield "all, autocast", ours, with_habits(wide, [*known.values()], case.dtype), truth
        del wide
        torch.clear_autocast_cache()
    yield "all habits", ours, with_habits(case, [*known.values()]), truth
    for name, habit in known.items():
        yield name, ours, with_habits(case, [habit]), truth


def widened(case: Case) -> Case:
    """The same weights and inputs in fp32. Autocast keeps its copies of what may be trained."""
    wide: Case = object.__new__(Case)
    wide.__dict__ |= case.__dict__
    make, config = type(case.network), case.network.config
    wide.network = make(config, device=case.device, dtype=torch.float32).eval()
    wide.network.load_state_dict(case.network.state_dict())
    wide.made = getattr(wide, f"_{case.name}")
    wide.dtype = torch.float32
    for name in ("concat", "noise", "z"):
        if hasattr(case, name):
            setattr(wide, name, getattr(case, name).float())
    if hasattr(case, "keys"):
        wide.keys = [key.float() for key in case.keys]
    if hasattr(case, "tokens"):
        wide.tokens = Branches(case.tokens.cond.float(), case.tokens.uncond.float())
    return wide


@torch.no_grad()
def timed(name: str, device: str, full: bool, repeats: int) -> None:
    config, size = official_512(), (40, 64)
    if not full:
        config = replace(
            config,
            unet=replace(config.unet, model_channels=64),
            vae=replace(config.vae, ch=64),
        )
        size = (8, 8) if name == "unet" else (4, 8)
    for dtype in (HALF[device], torch.float32):
        print(f"{name}, {str(dtype)[6:]}")
        for what, ours, theirs, truth in pairs(Case(name, device, dtype, config, size)):
            try:
                found = compared(ours, theirs, device, repeats, truth)
            except ValueError as error:
                raise SystemExit(f"{name}, {what}: {error}") from error
            print(
                f"  {what:14} {found['ratio']:5.2f}x  ({found['least']:.2f} to "
                f"{found['most']:.2f})  ours {found['seconds']:7.3f} s  apart {found['apart']:.1e}",
                flush=True,
            )


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
        for network in (parts.unet, parts.encoder, parts.vae):
            network.requires_grad_(True)  # else autocast keeps no copies of weights
        count = Count()
        with autocast("cuda", torch.float16):
            parts.runs[part](count)
        torch.clear_autocast_cache()
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
