"""What the model asks of a GPU, counted on fake tensors of one (benchmarks/static.py)."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

import pytest
import torch
from torch._subclasses.fake_tensor import FakeTensorMode

from benchmarks import static
from benchmarks.counting import Count, counted, fused_attention, pinning
from toon_core.model import ToonModel, build_part
from toon_core.pipeline import interpolate
from toon_core.presets import RELEASED, nano, nano_sketch
from toon_core.sketch.control import SketchControl
from toon_core.sketch.encoder import SketchEncoder

HALF, BFLOAT, SINGLE = torch.float16, torch.bfloat16, torch.float32


@contextmanager
def cuda() -> Iterator[None]:
    with FakeTensorMode(), torch.no_grad(), fused_attention(), pinning():
        yield


def test_no_part_asks_for_more_than_its_budget() -> None:
    counts = static.measure()
    assert not static.over({n: c.figures() for n, c in counts.items()}, static.budgets())
    assert not any(c.waits or c.uploads or c.doubles for c in counts.values())


def test_budgets_only_go_down() -> None:
    allowed = {"a": {"launches": 10, "bytes": 10}}
    counted_ = {"a": {"launches": 12, "bytes": 8}, "b": {"launches": 1, "bytes": 1}}
    lower = static.tightened(counted_, allowed)
    assert lower == {"a": {"launches": 10, "bytes": 8}, "b": {"launches": 1, "bytes": 1}}
    assert static.over(counted_, lower) == ["a: 12 launches, budget 10"]
    assert static.over({}, {"a": {"peak": 1}}) == ["a: None peak, budget 1"]


def test_counts() -> None:
    with cuda():
        x, w = torch.zeros(8, 4, device="cuda"), torch.zeros(4, 2, device="cuda")
        product = counted(lambda: x @ w)
        assert (product.launches, product.bytes, product.flops) == (1, 4 * (32 + 8 + 16), 128)
        views = counted(lambda: x.t().unflatten(1, (2, 4)).expand(-1, -1, 4))
        assert (views.launches, views.bytes) == (0, 0)
        spread = counted(lambda: x + torch.zeros(4, device="cuda").expand(8, 4))
        assert spread.launches == 2 and spread.bytes == 4 * (4 + 32 + 4 + 32)
        cast = counted(lambda: x.half().t().contiguous())
        assert (cast.launches, cast.casts, cast.copies) == (2, 1, 1)
        assert cast.peak == 2 * 64
        wide = counted(lambda: x.double())
        assert list(wide.doubles.values()) == [1]


def test_what_waits_for_the_device() -> None:
    with cuda():
        x = torch.zeros(8, device="cuda")
        mask = x > 0
        for wait in (
            lambda: float(x[0]),
            lambda: bool(mask.any()),
            lambda: x[mask],
            lambda: x.nonzero(),
            lambda: torch.zeros(3).to("cuda"),
            lambda: x[[1, 2]],
            lambda: x.cpu(),
        ):
            assert sum(counted(wait).waits.values()) == 1
        pinned = counted(lambda: torch.zeros(3).pin_memory().to("cuda", non_blocking=True))
        assert not pinned.waits and sum(pinned.uploads.values()) == 1
        with pytest.raises(RuntimeError, match="device"):
            x + torch.zeros(8)


class Steps:
    """Counts each step by itself, from the first one's end."""

    def __init__(self) -> None:
        self.count, self.steps = Count(), 0

    def __call__(self, i: int, total: int, x0: torch.Tensor, x: torch.Tensor) -> None:
        assert x.dtype == x0.dtype == SINGLE and x.device.type == "cuda"
        self.steps += 1
        if i == 0:
            self.count.__enter__()
        if i == total - 1:
            self.count.__exit__(None, None, None)


@pytest.mark.parametrize(
    ("dtype", "autoencoder", "cfg_image", "sketch", "at_once", "batched"),
    [
        (HALF, HALF, None, False, None, True),
        (HALF, BFLOAT, 3.0, True, 1, True),
        (BFLOAT, BFLOAT, 3.0, False, None, False),
        (SINGLE, SINGLE, None, True, 2, True),
    ],
)
def test_steps_wait_for_nothing(dtype, autoencoder, cfg_image, sketch, at_once, batched) -> None:
    """And every tensor is where it belongs: fake ones of two devices do not mix."""
    config = nano()
    with cuda():
        torch.set_default_dtype(dtype)
        try:
            model = ToonModel(config, device="cuda")
        finally:
            torch.set_default_dtype(SINGLE)
        model.vae = build_part(config, "vae", dtype=autoencoder, device="cuda")
        model.eval().requires_grad_(False)
        model.text.make_buffers("cuda")
        first, last = (torch.rand(1, 3, 128, 128, device="cuda", dtype=dtype) for _ in range(2))
        control = None
        if sketch:
            encoder = SketchEncoder(nano_sketch(), device="cuda", dtype=dtype).eval()
            drawn = torch.zeros(1, 1, 16, 128, 128, device="cuda", dtype=dtype)
            control = SketchControl(encoder, drawn)
        steps = Steps()
        whole = Count()
        with whole:
            made = interpolate(
                model,
                first,
                last,
                "a cat",
                recipe=replace(RELEASED, steps=3, cfg_image=cfg_image),
                control=control,
                batched=batched,
                frames_at_once=at_once,
                callback=steps,
            )
    assert made.device.type == "cuda" and made.shape == (1, 3, 16, 128, 128)
    assert steps.steps == 3 and steps.count.launches > 100
    assert not steps.count.waits and not whole.doubles
    # The noise alone comes from the CPU, one draw a step, and nothing waits for it.
    assert sum(steps.count.uploads.values()) == 2
