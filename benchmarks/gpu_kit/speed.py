"""How long a step, a clip, a decode and an encode take, beside the naive baseline: the same weights
in fp32 under autocast with the habits of `habits.py`, attention fused as with xformers."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cached_property
from typing import Any

import torch
from torch import Tensor
from torch.utils.flop_counter import FlopCounterMode

from benchmarks.baseline import (
    HABITS,
    STEPS,
    Case,
    Run,
    compared,
    naive,
    seconds,
    widened,
    with_habits,
)
from benchmarks.gpu_kit.results import Figures, Item
from benchmarks.gpu_kit.scale import Scale, in_fp32, median_seconds, peak
from toon_core.denoiser import Denoiser
from toon_core.guidance import Branches, Guidance
from toon_core.presets import sketch_for
from toon_core.sketch.control import SketchControl
from toon_core.sketch.encoder import SketchEncoder


class Ceilings:
    """What the device can do at most, measured once a call."""

    def __init__(self, scale: Scale) -> None:
        self.scale = scale

    @cached_property
    def products(self) -> float:
        """FLOP a second of a matrix product in half precision."""
        n = 256 if self.scale.small else 8192
        a, b = (torch.randn(n, n, device=self.scale.device, dtype=torch.bfloat16) for _ in "ab")
        return 2 * n**3 / median_seconds(lambda: a @ b, self.scale)

    @cached_property
    def bandwidth(self) -> float:
        """Bytes a second that a copy reads and writes."""
        n = 2**20 if self.scale.small else 2**30
        a = torch.zeros(n, device=self.scale.device, dtype=torch.uint8)
        b = torch.empty_like(a)
        return 2 * n / median_seconds(lambda: b.copy_(a), self.scale)

    def figures(self) -> Figures:
        return {"tflops": self.products / 1e12, "gb_s": self.bandwidth / 1e9}


def items(scale: Scale) -> Iterator[Item]:
    top = Ceilings(scale)
    yield Item("ceilings", top.figures)
    yield Item("unet", lambda: beside(scale, top, "unet", scale.half), 30)
    yield Item("clip", lambda: clip(scale), 75)
    yield Item("decode", lambda: beside(scale, top, "decode", scale.half), 30)
    yield Item("encode", lambda: beside(scale, top, "encode", scale.half))
    yield Item("graph", lambda: graph(scale))
    for branches in (1, 2, 3):
        yield Item(f"branches {branches}", lambda n=branches: step(scale, n))
    yield Item("sketch", lambda: step(scale, 2, sketch=True))
    for dtype in scale.halves[1:]:
        for name in ("unet", "decode"):
            yield Item(f"{name} bf16", lambda n=name, d=dtype: beside(scale, top, n, d), 30)
    for name in ("encode",) if scale.small else ("unet", "decode"):
        yield Item(f"habits of {name}", lambda n=name: one_by_one(scale, n), 60)


def fused(name: str) -> list[Any]:
    """The habits of a case but for scores, which the release has only without xformers."""
    return [habit for known, habit in HABITS[name].items() if known != "scores"]


@torch.no_grad()
def beside(scale: Scale, top: Ceilings, name: str, dtype: torch.dtype) -> Figures:
    """Ours and the naive baseline in turns, and how much of the device's products ours uses."""
    case = scale.case(name, dtype)
    ours, wide = case.made(), widened(case)
    theirs = with_habits(wide, fused(name), dtype)
    found = compared(ours, theirs, scale.device, scale.repeats, wide.made()())
    with FlopCounterMode(display=False) as counter:
        ours()
    flop = counter.get_total_flops()
    found |= {"tflop": flop / 1e12, "used": flop / found["seconds"] / top.products}
    with peak(scale.device) as most:
        ours()
    return found | most.figures


@torch.no_grad()
def one_by_one(scale: Scale, name: str) -> Figures:
    """Times ours, with one habit each."""
    case = scale.case(name, scale.half)
    ours, truth = case.made(), widened(case).made()()
    found = {}
    for habit, enter in HABITS[name].items():
        theirs = with_habits(case, [enter])
        found[habit] = compared(ours, theirs, scale.device, scale.repeats, truth)["ratio"]
    return found


@torch.no_grad()
def clip(scale: Scale) -> Figures:
    """Two keys to frames with the released recipe, all models on the device, warm."""
    model = scale.model(scale.half)
    ours = scale.clip(model)
    first = seconds(ours, scale.device)
    with peak(scale.device) as most:
        times = [seconds(ours, scale.device) for _ in range(scale.clips)]
    found = {"seconds": min(times), "first": first, **most.figures}
    wide = in_fp32(model)
    del model, ours
    theirs = scale.clip(wide)
    used = [*dict.fromkeys(fused("unet") + fused("decode") + fused("encode"))]
    with naive(used, scale.device, scale.half):
        theirs()
        with peak(scale.device) as most:
            naive_time = min(seconds(theirs, scale.device) for _ in range(scale.clips))
    return found | {
        "naive": naive_time,
        "ratio": naive_time / found["seconds"],
        "naive_peak_gb": most.tensors / 1e9,
    }


@torch.no_grad()
def step(scale: Scale, branches: int, sketch: bool = False) -> Figures:
    """A later step of a run."""
    run = a_step(scale.case("unet", scale.half), branches, sketch)
    taken = median_seconds(run, scale)
    with peak(scale.device) as most:
        run()
    return {"seconds": taken, **most.figures}


def a_step(
    case: Case, branches: int = 2, sketch: bool = False, network: Any = None, **options: bool
) -> Run:
    """network: called in place of the case's; options: the denoiser's own."""
    guidance = Guidance(
        cfg_scale=7.5 if branches > 1 else 1.0, cfg_image=3.0 if branches > 2 else None
    )
    cond, uncond = case.tokens.cond, case.tokens.uncond
    tokens = Branches(cond, uncond, case.random(*cond.shape))
    control = None
    if sketch:
        place: dict[str, Any] = {"device": case.device, "dtype": case.dtype}
        shape = sketch_for(case.network.config)
        encoder = SketchEncoder(shape, **place).eval().requires_grad_(False)
        h, w = case.size
        control = SketchControl(encoder, torch.zeros(1, 1, 16, 8 * h, 8 * w, **place))
    unet = case.network if network is None else network
    args = (unet, case.concat, tokens, case.fs, guidance)
    denoiser = Denoiser(*args, control=control, steps=STEPS, **options)
    denoiser(case.x, STEPS[0])
    return lambda: denoiser(case.x, STEPS[1])


@torch.no_grad()
def graph(scale: Scale) -> Figures:
    """A step as one CUDA graph beside the same step."""
    if scale.device == "cpu":
        return {"skipped": "a CPU has no graphs"}
    case = scale.case("unet", scale.half)
    run, truth = a_step(case), widened(case).made()()
    return compared(graphed(run), run, scale.device, scale.repeats, truth)


def graphed(run: Run) -> Run:
    """`run` recorded once and played again; its result lies where it lay."""
    stream = torch.cuda.Stream()
    stream.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(stream):
        for _ in range(3):
            run()
    torch.cuda.current_stream().wait_stream(stream)
    recorded = torch.cuda.CUDAGraph()
    with torch.cuda.graph(recorded):
        out = run()

    def play() -> Tensor:
        recorded.replay()
        return out

    return play
