"""`torch.compile` of the denoiser and the decoder beside the plain ones. It takes minutes at first,
which are measured, too."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

import torch

from benchmarks.baseline import Run, compared, widened
from benchmarks.gpu_kit.results import Figures, Item
from benchmarks.gpu_kit.scale import Scale
from benchmarks.gpu_kit.speed import a_step, graphed


def items(scale: Scale) -> Iterator[Item]:
    yield Item("unet", lambda: unet(scale), 200)
    if not scale.small:
        yield Item("decode", lambda: decode(scale), 150)


@torch.no_grad()
def unet(scale: Scale) -> Figures:
    """A step with two branches; then as a graph, too."""
    case = scale.case("unet", scale.half)
    plain, truth = a_step(case), widened(case).made()()
    begin = time.monotonic()
    run = a_step(case, network=made(case.network, scale))
    found = _first(run, begin) | compared(run, plain, scale.device, scale.repeats, truth)
    if scale.device == "cuda":
        both = compared(graphed(run), plain, scale.device, scale.repeats, truth)
        found |= {"graph_seconds": both["seconds"], "graph_ratio": both["ratio"]}
    return found


@torch.no_grad()
def decode(scale: Scale) -> Figures:
    """Both decodes of the release; the frames of the second are fewer."""
    case = scale.case("decode", scale.half)
    plain, truth = case.made(), widened(case).made()()
    decoder = case.network.decoder
    run = case.made()
    compiled = made(decoder, scale)

    def other() -> Any:
        case.network.decoder = compiled
        try:
            return run()
        finally:
            case.network.decoder = decoder

    return _first(other, time.monotonic()) | compared(
        other, plain, scale.device, scale.repeats, truth
    )


def _first(run: Run, begin: float) -> Figures:
    run()
    return {"first": time.monotonic() - begin}


def made(network: torch.nn.Module, scale: Scale) -> Any:
    """Whole, with no break in it. A rehearsal makes no kernels, which takes minutes."""
    backend = "eager" if scale.small else "inductor"
    return torch.compile(network, fullgraph=True, dynamic=False, backend=backend)
