"""What Toon Sample says in the log, and when it says nothing."""

from __future__ import annotations

import logging
from typing import Any

import pytest
import torch
from graphs import Prompt, node, sample


def told(ready: Any, caplog: pytest.LogCaptureFixture, prompt: Prompt) -> list[str]:
    """Lines about Toon Sample in the log of a run of node 5."""
    caplog.clear()
    with caplog.at_level(logging.INFO, "toon.nodes"):
        run = ready.run(prompt, keep=["5"])
    assert run.success, run.error
    return [r.message for r in caplog.records if r.message.startswith("Toon Sample")]


def test_what_has_no_effect_is_named(ready: Any, caplog: pytest.LogCaptureFixture) -> None:
    assert told(ready, caplog, sample(steps=1, cfg_scale=2.0)) == []
    prompt = sample(steps=1, cfg_scale=2.0, latent=["8", 0], negative=["9", 0])
    prompt["7"] = ready.comfy.give(torch.ones(1, 64, 64))
    prompt["8"] = node("SetLatentNoiseMask", samples=["4", 3], mask=["7", 0])
    prompt["9"] = node("ConditioningSetTimestepRange", conditioning=["4", 1], start=0.0, end=0.5)
    [line] = told(ready, caplog, prompt)
    assert "noise_mask of latent" in line
    assert "start_percent of negative" in line and "end_percent of negative" in line
    assert "of positive" not in line and "of model" not in line


def test_guidance_patches_are_named(ready: Any, caplog: pytest.LogCaptureFixture) -> None:
    prompt = sample(steps=1, cfg_scale=2.0, model=["7", 0])
    prompt["7"] = node("ToonRescaleGuidance", model=["1", 0], guidance_rescale=0.7)
    [line] = told(ready, caplog, prompt)
    assert "sampler_post_cfg_function (ToonRescaleGuidance) of model" in line


def test_patches_and_wrappers_are_named_and_sketches_are_none(
    ready: Any, caplog: pytest.LogCaptureFixture
) -> None:
    values = {"frames": "1", "strength": 0.6, "polarity": "auto", "context": "full"}
    values |= {"start_percent": 0.0, "end_percent": 1.0, "latent": ["4", 3]}
    prompt = sample(steps=1, cfg_scale=2.0, model=["9", 0])
    prompt["7"] = ready.comfy.give(torch.ones(1, 64, 64, 3))
    prompt["8"] = node("ToonLoadSketchEncoder", file="tiny_sketch.safetensors")
    links = {"model": ["1", 0], "sketch_encoder": ["8", 0], "sketches": ["7", 0]}
    prompt["9"] = node("ToonApplySketch", **links, **values)
    assert told(ready, caplog, prompt) == []
    model = ready.run(prompt, keep=["9"]).value("9").clone()
    model.add_wrapper_with_key("apply_model", "other", lambda run, *args, **more: run(*args))
    model.set_model_attn1_patch(lambda q, k, v, extra: (q, k, v))
    model.set_model_attn2_replace(lambda *_: None, "middle", 0)
    prompt["5"]["inputs"]["model"] = ["10", 0]
    [line] = told(ready, caplog, {**prompt, "10": ready.comfy.give(model)})
    known, unread = line.split(". ")
    assert "ignores wrappers (other) of model: ComfyUI's own samplers" in known
    assert "ignores patches (" in unread and "patches_replace (" in unread
    assert "of model: this model's layers take no patches" in unread
