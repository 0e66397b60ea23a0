"""What is chosen on cards of 24, 12, 8, 6 and 4 GB, with the official model's sizes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from conftest import Ready
    from inprocess import Comfy

MIB = 2**20
UNET, ENCODER, PASS, SKETCH_PASS, COPIES = 2744, 694, 900, 600, 215


def card(gigabytes: float) -> float:
    """MiB that ComfyUI counts as free: without 3 %, a context of 500 MiB and its own reserve."""
    return gigabytes * 1024 * 0.97 - 500 - 400


def chosen(comfy: Comfy, gigabytes: float, branches: int, sketch: bool, fp8: bool = False) -> Any:
    weights = UNET // (2 if fp8 else 1) + (ENCODER if sketch else 0)
    one = PASS + (SKETCH_PASS if sketch else 0)
    loaded = min(weights, max(0, card(gigabytes) - one))  # as ComfyUI loads for one branch
    return comfy.part("plan").choose(
        free=(card(gigabytes) - loaded) * MIB,
        one=one * MIB,
        branches=branches,
        copies=COPIES * MIB,
        weights=weights * MIB,
        loaded=loaded * MIB,
    )


@pytest.mark.parametrize(
    ("gigabytes", "branches", "sketch", "batched", "packed", "resident"),
    [
        (24, 3, True, True, True, True),
        (12, 3, True, True, True, True),
        (12, 2, False, True, True, True),
        (8, 2, False, True, True, True),
        (8, 3, True, False, True, True),
        (6, 2, False, False, True, True),
        (6, 2, True, False, False, True),
        (4, 2, False, False, False, False),
    ],
)
def test_cards(comfy: Comfy, gigabytes, branches, sketch, batched, packed, resident) -> None:
    plan = chosen(comfy, gigabytes, branches, sketch)
    assert (plan.batched, plan.packed, not plan.streamed) == (batched, packed, resident)
    assert ("All weights have room" in plan.words) == resident
    assert ("at once" in plan.words) == batched and ("one by one" in plan.words) != batched


def test_four_gigabytes_hold_fp8_weights(comfy: Comfy) -> None:
    assert not chosen(comfy, 4, 2, sketch=False, fp8=True).streamed
    assert "fp8_e4m3fn" in chosen(comfy, 4, 2, sketch=False).words


def test_sizes_are_the_official_models(comfy: Comfy) -> None:
    """Those that the other tests assume, from the networks themselves."""
    import torch

    from toon_core.presets import official_512, official_sketch
    from toon_core.sketch.encoder import SketchEncoder
    from toon_core.unet.model import VideoUNet

    unet = VideoUNet(official_512().unet, device="meta", dtype=torch.float16)
    encoder = SketchEncoder(official_sketch(), device="meta", dtype=torch.float16)
    for network, size in ((unet, UNET), (encoder, ENCODER)):
        assert sum(p.nbytes for p in network.parameters()) // MIB == size
    assert unet.packed_bytes() // MIB == COPIES


def test_sampling_says_its_plan(ready: Ready, monkeypatch: Any) -> None:
    """On a device that is not the CPU, before the run."""
    from graphs import sample

    sampling = ready.comfy.part("sampling")
    monkeypatch.setattr(sampling, "on_cpu", lambda device: False)
    run = ready.run(sample(steps=1, seed=77), keep=["5"])
    assert run.success, run.error
    assert "All weights have room" in run.said("5")[-1]
