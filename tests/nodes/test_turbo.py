"""turbo of Toon Sample, and of Toon Decode after it."""

from __future__ import annotations

from typing import Any

import torch
from graphs import decode, deviation, encode, picture, sample

from toon_core import pipeline
from toon_core.images import Fit
from toon_core.presets import Recipe, turbo

LEFT = {"steps": 0, "eta": -1, "cfg_scale": 0, "guidance_rescale": -1, "cfg_image": -1}


def test_off_is_as_if_it_were_not_there(ready: Any) -> None:
    frames = [
        ready.run({**sample(steps=2, **more), **decode()}, keep=["6"]).value("6")
        for more in ({}, {"turbo": False})
    ]
    assert torch.equal(*frames)


def test_it_is_the_core_s(toon: Any, tiny: Any) -> None:
    """All that is left to the model, Toon Decode's choice among it."""
    first, last = picture(1, (64, 64)), picture(2, (64, 64))
    prompt = {
        **encode(toon, first, last, seed=7, fs=12, length=8),
        **sample(**{**LEFT, "steps": 6}, seed=7, turbo=True),
        **decode(replace_middle_frames="model's own"),
    }
    run = toon.run(prompt, keep=["6"])
    assert run.success, run.error
    keys = [Fit((64, 64), (64, 64), "crop").apply(x.movedim(-1, 1) * 2 - 1) for x in (first, last)]
    recipe = turbo(Recipe(frames=8, fps=12, steps=6, seed=7))
    frames = pipeline.interpolate(
        tiny, *keys, "an anime scene", recipe=recipe, semantic=first.movedim(-1, 1) * 2 - 1
    )
    wanted = ((frames[0] + 1) / 2).clamp(0, 1).permute(1, 2, 3, 0)
    assert deviation(run.value("6"), wanted) < 1e-3
    assert "turbo: 2 steps share the UNet's deep features" in run.said("5")[-1]
    assert run.said("6")[-1] == "The model's own: replace_middle_frames off"


def test_a_decode_set_by_hand_stays(toon: Any) -> None:
    nodes = {
        **encode(toon, picture(1), picture(2), length=8),
        **sample(steps=2, turbo=True),
        **decode(replace_middle_frames="on"),
        "7": decode(replace_middle_frames="model's own")["6"],
    }
    run = toon.run(nodes, keep=["6", "7"])
    assert run.success, run.error
    difference = (run.value("6") - run.value("7")).abs().amax(dim=(1, 2, 3))
    assert (difference > 0).nonzero().flatten().tolist() == [3, 4]
