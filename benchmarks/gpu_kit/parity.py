"""Is it the same on this device: golden outputs by number type, attention at its limits, and
whether a run waits for the device."""

from __future__ import annotations

import sys
import warnings
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, redirect_stdout
from dataclasses import replace
from io import StringIO
from pathlib import Path

import torch

from benchmarks.baseline import apart
from benchmarks.gpu_kit.results import Figures, Item
from benchmarks.gpu_kit.scale import Scale
from toon_core.layers import attention
from toon_core.pipeline import interpolate

ROOT = Path(__file__).resolve().parents[2]
PARITY = ROOT / "tests" / "parity"
if str(PARITY) not in sys.path:
    sys.path.append(str(PARITY))

from compare import compare_all, exact_products  # noqa: E402

QUICK = ("resampler", "schedule")  # kinds of golden files for a rehearsal


def items(scale: Scale) -> Iterator[Item]:
    for dtype in (torch.float32, *scale.halves):
        yield Item(f"golden {_name(dtype)}", lambda dtype=dtype: golden(scale, dtype), 40)
    yield Item("waits in sampling", lambda: waits_in_sampling(scale))
    for dtype in (torch.float32, *scale.halves):
        yield Item(f"attention {_name(dtype)}", lambda dtype=dtype: attention_limits(scale, dtype))


def golden(scale: Scale, dtype: torch.dtype) -> Figures:
    """Recorded outputs of the release; in fp32 and half precision with IEEE products and sums."""
    with products_as_before(), redirect_stdout(StringIO()):  # a line an output
        exact_products()
        report = compare_all(PARITY / "golden", scale.device, dtype, QUICK if scale.small else None)
    if report.failed:
        raise ValueError(f"{report.count} outputs, off: {', '.join(report.off) or 'not compared'}")
    return {"outputs": report.count, "worst": report.worst}


@contextmanager
def products_as_before() -> Iterator[None]:
    """Leaves torch's switches as they were."""
    cudnn, matmul = torch.backends.cudnn, torch.backends.cuda.matmul
    names = (
        "allow_tf32",
        "allow_fp16_reduced_precision_reduction",
        "allow_bf16_reduced_precision_reduction",
    )
    kept = cudnn.allow_tf32, [getattr(matmul, name) for name in names]
    try:
        yield
    finally:
        cudnn.allow_tf32 = kept[0]
        for name, value in zip(names, kept[1], strict=True):
            setattr(matmul, name, value)


def attention_limits(scale: Scale, dtype: torch.dtype) -> Figures:
    """Temporal attention of so many places that pieces are needed, forward and backward, and the
    widest ones: every kernel that torch picks takes them, and gives what the plain form gives."""
    if scale.small:
        shapes = {"temporal": (40, 16, 16, 2), "wide": (1, 64, 64, 1)}
    else:
        shapes = {"temporal": (2**16 + 5, 16, 320, 5), "wide": (1, 2560, 512, 1)}
        shapes["references"] = (1, 20480, 512, 8)
    found: Figures = {}
    for name, (batch, tokens, width, heads) in shapes.items():
        torch.manual_seed(0)
        qkv = [torch.randn(batch, tokens, width, device=scale.device, dtype=dtype) for _ in "qkv"]
        for x in qkv:
            x.requires_grad_(True)
        out = attention.attend(*qkv, heads)
        out.float().square().mean().backward()
        few = slice(-8, None)
        q, k, v = (x.detach()[few].float().unflatten(-1, (heads, -1)).transpose(1, 2) for x in qkv)
        scores = q[:, :, :64] @ k.transpose(-1, -2) * q.shape[-1] ** -0.5
        wanted = (scores.softmax(-1) @ v).transpose(1, 2).flatten(2)
        error = apart(out.detach()[few][:, :64], wanted)
        if not (error < 2e-2 and all(torch.isfinite(x.grad).all() for x in qkv)):
            raise ValueError(f"attention {name}: {error:.1e} from the plain form")
        found[name] = error
    return found


@contextmanager
def waits(device: str) -> Iterator[list[str]]:
    """What waits for the device inside; a CPU has nothing that it could wait for."""
    seen: list[str] = []
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        if device == "cuda":
            torch.cuda.set_sync_debug_mode("warn")
        try:
            yield seen
        finally:
            if device == "cuda":
                torch.cuda.set_sync_debug_mode("default")
            seen += [f"{w.filename}:{w.lineno}" for w in caught if "synchroniz" in str(w.message)]


def waits_in_sampling(scale: Scale) -> Figures:
    """From the first step's end to the last one's; there must be none."""
    small = Scale(scale.device, small=True)
    model, seen = small.model(torch.float32), []
    first, last = (torch.rand(1, 3, 64, 64, device=scale.device) for _ in range(2))
    with ExitStack() as steps:

        def after(i: int, total: int, *_: torch.Tensor) -> None:
            if i == 0:
                seen.append(steps.enter_context(waits(scale.device)))
            if i == total - 1:
                steps.close()

        interpolate(model, first, last, "", recipe=replace(small.recipe, steps=4), callback=after)
    (found,) = seen
    if found:
        raise ValueError(f"a step waits at {', '.join(sorted(set(found)))}")
    return {"waits": len(found)}


def _name(dtype: torch.dtype) -> str:
    return str(dtype).removeprefix("torch.")
