"""The kernels of `toon_core/layers/kernels.py` beside torch's own layers: norms by shape, then a
step and a decode with all of them. On a CPU both sides are torch's layers: the kernels run there in
Triton's interpreter alone, in tests/core/test_fused.py, and a network would take minutes."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch
from torch import nn

from benchmarks.baseline import Run, compared, widened
from benchmarks.gpu_kit.results import Figures, Item
from benchmarks.gpu_kit.scale import Scale, peak
from benchmarks.gpu_kit.speed import a_step
from toon_core.layers import fused

# (frames, channels, height, width, frames whose statistics are joint) of norms of the official
# model: in the UNet by frame and over a clip, and in the decoder.
NORMS = {
    "unet level 0": (16, 320, 40, 64, 1),
    "unet level 0 joint": (16, 320, 40, 64, 16),
    "unet level 2": (16, 1280, 10, 16, 1),
    "unet level 2 joint": (16, 1280, 10, 16, 16),
    "decoder level 0": (16, 128, 320, 512, 1),
    "decoder level 0 joint": (16, 128, 320, 512, 16),
    "decoder level 3": (16, 512, 40, 64, 1),
}
TINY = {"tiny": (2, 64, 4, 4, 1), "tiny joint": (4, 64, 4, 4, 4)}


def items(scale: Scale) -> Iterator[Item]:
    yield Item("norms", lambda: norms(scale), 40)
    yield Item("unet", lambda: network(scale, "unet"), 30)
    yield Item("decode", lambda: network(scale, "decode"), 30)


@torch.no_grad()
def norms(scale: Scale) -> Figures:
    """Group norm with SiLU: times the kernel's of torch's two layers, in their own layout."""
    found: Figures = {}
    for name, (n, c, h, w, joint) in (TINY if scale.small else NORMS).items():
        norm = nn.GroupNorm(32, c, device=scale.device, dtype=scale.half)
        x = torch.randn(n, c, h, w, device=scale.device, dtype=scale.half)
        last = x.contiguous(memory_format=torch.channels_last)
        wide = nn.GroupNorm(32, c, device=scale.device)
        truth = fused.norm_silu(wide, x.float(), joint)

        def ours(norm: Any = norm, x: Any = last, joint: int = joint) -> Any:
            with fused.kernels():
                if scale.device == "cuda" and not fused.usable(x):
                    raise RuntimeError("the kernels do not take this tensor")
                return fused.norm_silu(norm, x, joint)

        def theirs(norm: Any = norm, x: Any = x, joint: int = joint) -> Any:
            return fused.norm_silu(norm, x, joint)

        made = compared(ours, theirs, scale.device, scale.repeats, truth)
        # What it reads and writes once, over the time: beside the copy's of `speed/ceilings`.
        moved = 2 * x.numel() * x.element_size()
        found[name] = {"ratio": made["ratio"], "gb_s": moved / made["seconds"] / 1e9}
    return found


@torch.no_grad()
def network(scale: Scale, name: str) -> Figures:
    case = scale.case(name, scale.half)
    plain, truth = _plain(case, name), widened(case).made()()
    with fused.kernels():
        run = _plain(case, name)

    def ours() -> Any:
        with fused.kernels():
            return run()

    found = compared(ours, plain, scale.device, scale.repeats, truth)
    with peak(scale.device) as most:
        ours()
    return found | most.figures


def _plain(case: Any, name: str) -> Run:
    return a_step(case) if name == "unet" else case.made()
