"""Toon Score Clip in ComfyUI."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
import torch
from graphs import node

if TYPE_CHECKING:
    from inprocess import Comfy


def square(frames: int = 6, size: int = 72) -> torch.Tensor:
    """A white square that moves right over grey, IMAGE."""
    clip = torch.full((frames, size, size, 3), 0.3)
    for i in range(frames):
        clip[i, 20:44, 8 + 6 * i : 32 + 6 * i] = 1.0
    return clip


def score(comfy: Comfy, **given: Any) -> tuple[dict[str, float], str]:
    prompt, values = {}, {}
    for name, value in given.items():
        if isinstance(value, torch.Tensor):
            prompt[name], value = comfy.give(value), [name, 0]
        values[name] = value
    run = comfy.run(prompt | {"9": node("ToonScoreClip", **values)}, keep=["9"])
    assert run.success, run.error
    return json.loads(run.value("9", 1)), run.value("9")


def test_the_truth_gets_full_marks_and_a_fade_does_not(comfy: Comfy) -> None:
    truth = square()
    weights = torch.linspace(0, 1, len(truth)).view(-1, 1, 1, 1)
    fade = truth[:1] * (1 - weights) + truth[-1:] * weights
    best, _ = score(comfy, images=truth, truth=truth)
    found, report = score(comfy, images=fade, truth=truth)
    assert best["ssim"] == pytest.approx(1) and best["motion_ratio"] == best["line_sharpness"] == 1
    assert found["psnr"] < 30 < best["psnr"] and found["motion_ratio"] < 0.9
    assert found["crossfade_residual"] < 1e-3 < 0.01 < best["crossfade_residual"]
    assert f"| psnr | {found['psnr']:.2f} |" in report


def test_without_truth_the_keys_are_scored(comfy: Comfy) -> None:
    clip = square()
    found, _ = score(comfy, images=clip, first_image=clip[:1], last_image=clip[:1])
    assert {"end_frame_error", "crossfade_residual", "cpbd"} <= set(found)
    assert not {"psnr", "motion_ratio", "sketch_f"} & set(found)
    difference = (clip[-1] - clip[0]).abs().mean().item()
    assert found["end_frame_error"] == pytest.approx(difference / 2, rel=1e-4)


def test_a_sketch_agrees_on_its_own_frame(comfy: Comfy) -> None:
    clip = square()
    lines = torch.zeros(1, 72, 72, 3)
    lines[:, [20, 43], 26:50] = 1.0
    lines[:, 20:44, [26, 49]] = 1.0
    right, _ = score(comfy, images=clip, sketch=lines, sketch_frame=3)
    wrong, _ = score(comfy, images=clip, sketch=lines, sketch_frame=0)
    assert right["sketch_f"] > 0.95 > 0.8 > wrong["sketch_f"]


@pytest.mark.parametrize(
    ("given", "reason"),
    [
        ({"truth": square(5)}, "truth has 5 frames and images 6"),
        ({"sketch": square(1), "sketch_frame": 6}, "the frames 0 to 5"),
        ({"images": square(3)}, "needs 2 keys and 2 inner ones"),
    ],
)
def test_what_does_not_fit_is_refused(comfy: Comfy, given: Any, reason: str) -> None:
    with pytest.raises(AssertionError, match=reason):
        score(comfy, **({"images": square()} | given))
