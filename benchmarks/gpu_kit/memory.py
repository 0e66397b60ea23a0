"""What parts take, and whether what the nodes choose on a card of 24, 12, 8 or 6 GB fits: with the
allocator held to what such a card leaves after its context."""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch

from benchmarks.baseline import Case
from benchmarks.gpu_kit.results import Figures, Item, give_back
from benchmarks.gpu_kit.scale import Scale, peak
from benchmarks.gpu_kit.speed import a_step
from toon_core.conditioning.encode import encode_keys
from toon_core.vae.clips import decode

ROOT = Path(__file__).resolve().parents[2]
CARDS = (24, 12, 8, 6)  # GB
KEPT, CONTEXT = 0.97, 500 * 2**20  # of a card: share that can be had, and what CUDA takes


def items(scale: Scale) -> Iterator[Item]:
    yield Item("parts", lambda: parts(scale), 20)
    for card in CARDS[:1] if scale.small else CARDS:
        yield Item(f"{card} GB", lambda gb=card: plans(scale, gb), 20)


@torch.no_grad()
def parts(scale: Scale) -> Figures:
    """GB beside the weights, of tensors and of what the allocator took: to correct the factors of
    `nodes/model.py` and `nodes/memory.py` by."""
    found: Figures = {}
    for branches in (1, 2, 3):
        found[f"unet {branches}"] = _beside(a_step(_case(scale, "unet"), branches), scale)
        give_back()
    found["sketch"] = _beside(a_step(_case(scale, "unet"), 1, sketch=True), scale)
    give_back()
    for name in ("encode", "decode"):
        found[name] = _beside(_case(scale, name).made(), scale)
        give_back()
    found["streamed"] = _beside(_decoding(_case(scale, "decode"), 1), scale)
    return found


def _case(scale: Scale, name: str) -> Case:
    return scale.case(name, scale.half)


def _beside(run: Any, scale: Scale) -> list[float]:
    run()
    give_back()
    before = torch.cuda.memory_allocated() if scale.device == "cuda" else 0
    with peak(scale.device) as most:
        run()
    return [(most.tensors - before) / 1e9, (most.reserved - before) / 1e9]


def _decoding(case: Case, at_once: int | None) -> Any:
    kept = encode_keys(case.network, *case.keys, case.noise).references
    return lambda: decode(case.network, case.z, kept, True, at_once)


@torch.no_grad()
def plans(scale: Scale, gigabytes: float) -> Figures:
    """Two branches, two with a sketch, and a decode as the nodes plan them; "too much" where it
    then did not fit, as the sampling of a plan never should."""
    found: Figures = {}
    with card(scale, gigabytes) as room:
        for name, sketch in (("two branches", False), ("with sketch", True)):
            found[name] = _sampled(scale, room, sketch)
            give_back()
        found["decode"] = _decoded(scale)
    return found


@contextmanager
def card(scale: Scale, gigabytes: float) -> Iterator[float]:
    """The bytes that a card of such a size leaves to tensors. A CPU is not held to them."""
    room = gigabytes * 2**30 * KEPT - CONTEXT
    if scale.device == "cpu":
        yield room
        return
    give_back()
    total = torch.cuda.get_device_properties(0).total_memory
    if room > total:
        raise ValueError(f"this device has {total / 2**30:.0f} GB, less than {gigabytes}")
    torch.cuda.set_per_process_memory_fraction(room / total)
    try:
        yield room
    finally:
        torch.cuda.set_per_process_memory_fraction(1.0)
        give_back()


def _sampled(scale: Scale, room: float, sketch: bool) -> Figures:
    case = _case(scale, "unet")
    size = sum(p.nbytes for p in case.network.parameters())
    one = _asked(scale) * (5 / 3 if sketch else 1)  # a sketch's 600 MiB beside a pass's 900
    chosen = plan_module().choose(
        free=room - size,
        one=one,
        branches=2,
        copies=case.network.packed_bytes(),
        weights=size,
        loaded=size,
    )
    with peak(scale.device) as most:
        try:
            a_step(case, 2, sketch, batched=chosen.batched, packed=chosen.packed)()
        except torch.OutOfMemoryError:
            return {"batched": chosen.batched, "packed": chosen.packed, "too much": True}
    return {"batched": chosen.batched, "packed": chosen.packed, **most.figures}


def _asked(scale: Scale) -> float:
    """Bytes that Toon Sample asks for a branch: 36 elements a latent place and base channel."""
    h, w = scale.size
    return 16 * h * w * scale.config.unet.model_channels * 36 * 2


def _decoded(scale: Scale) -> Figures:
    """All frames at once where they fit, else one at a time, as Toon Decode goes on after it."""
    case = _case(scale, "decode")
    for at_once in (None, 1):
        run = _decoding(case, at_once)
        with peak(scale.device) as most:
            try:
                run()
            except torch.OutOfMemoryError:
                run = None
        if run is not None:
            return {"at_once": at_once or "all", **most.figures}
        give_back()
    return {"too much": True}


def plan_module() -> Any:
    """`nodes/plan.py` by itself: the nodes need ComfyUI, which it does not."""
    spec = importlib.util.spec_from_file_location("toon_plan", ROOT / "nodes" / "plan.py")
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module
