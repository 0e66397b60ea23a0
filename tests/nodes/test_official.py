"""The official workflow on the golden model: the golden frames come out."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
from conftest import to_image
from graphs import decode, deviation, encode, sample

if TYPE_CHECKING:
    from inprocess import Comfy

OFFICIAL = {"width": 128, "height": 64, "length": 8}


def test_official_workflow_gives_the_golden_frames(
    toon: Comfy, golden: dict[str, Any], golden_noise: list, expected: dict[str, torch.Tensor]
) -> None:
    case = golden["e2e/t8"]
    keys = [to_image(case.input(name)) for name in ("image1", "image2")]
    prompt = {**encode(toon, *keys, **OFFICIAL), **sample(), **decode()}
    run = toon.run(prompt, keep=["5", "6", "4"])
    assert run.success, run.error
    positive = run.value("4", 0)
    assert deviation(positive[0][0], expected["t8/context_cond"]) < 1e-3
    latents = run.value("5")["samples"] * 0.18215
    assert deviation(latents, expected["t8/samples"]) < 1e-3
    frames = expected["t8/frames_final"]
    wanted = ((frames + 1) / 2).clamp(0, 1).permute(1, 2, 3, 0)
    assert (run.value("6") - wanted).abs().max() < 1e-3 * frames.abs().max() / 2
    for draws in golden_noise[1:]:
        draws.finish()
