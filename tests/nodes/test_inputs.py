"""What reaches a node over links is held against its schema before the node works."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
import torch
from graphs import decode, encode, node, picture, sample

if TYPE_CHECKING:
    from inprocess import Comfy


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"steps": 5000}, "steps = 5000: expected a whole number from"),
        ({"steps": 2.5}, "steps = 2.5: expected a whole number"),
        ({"eta": float("nan")}, "eta = nan: expected a number"),
        ({"eta": "x"}, "eta = 'x': expected a number"),
        ({"spacing": None}, "spacing = None is not in the list"),
        ({"positive": []}, "positive is an empty list, not a CONDITIONING"),
        ({"positive": "x"}, "positive is an object of type str, not a CONDITIONING"),
        ({"latent": torch.zeros(1)}, "latent is an object of type Tensor, not a LATENT"),
        ({"latent": {}}, "latent is an empty dict, not a LATENT"),
        ({"model": "x"}, "connect the MODEL of Toon Load Model"),
    ],
)
def test_values_over_links(ready: Any, changes: dict[str, Any], message: str) -> None:
    prompt = sample(steps=1, cfg_scale=1.0)
    for name, value in changes.items():
        prompt[f"give {name}"] = ready.comfy.give(value)
        prompt["5"]["inputs"][name] = [f"give {name}", 0]
    run = ready.run(prompt, keep=["5"])
    assert not run.success and message in run.error


@pytest.mark.parametrize("place", ["conditioner", "toon_vae"])
def test_objects_of_another_kind(toon: Comfy, place: str) -> None:
    prompt = {**encode(toon, picture(1), picture(2)), "9": toon.give(object())}
    prompt["4"]["inputs"][place] = ["9", 0]
    error = toon.run(prompt, keep=["4"]).error
    assert f"{place} is an object of type object, not the {place} of Toon Load Model" in error


@pytest.mark.parametrize(
    ("image", "message"),
    [
        ((picture(1) * 255).to(torch.uint8), "first_image holds uint8 numbers"),
        (picture(1) * 255, "but an IMAGE is in [0, 1]"),
        (picture(1) * 2 - 1, "but an IMAGE is in [0, 1]"),
    ],
)
def test_images_of_another_convention(toon: Comfy, image: torch.Tensor, message: str) -> None:
    run = toon.run(encode(toon, image, picture(2)), keep=["4"])
    assert not run.success and message in run.error


def test_a_little_overshoot_is_cut_off(toon: Comfy) -> None:
    """As resizing leaves it."""
    over = picture(1) * 1.3 - 0.15
    prompt = {
        **encode(toon, over, picture(2)),
        "7": encode(toon, over, picture(2))["4"],
        "8": toon.give(over.clamp(0, 1)),
    }
    prompt["7"]["inputs"]["first_image"] = ["8", 0]
    run = toon.run(prompt, keep=["4", "7"])
    first, second = (run.value(k)[0][1]["concat_latent_image"] for k in ("4", "7"))
    assert torch.equal(first, second)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"fs": None}, "Connect a CONDITIONING of Toon Encode Keys"),
        ({"fs": float("nan")}, "Connect a CONDITIONING of Toon Encode Keys"),
        ({"concat_latent_image": torch.zeros(1, 9, 4, 8, 8)}, "Connect a CONDITIONING"),
        ({"concat_latent_image": torch.full((1, 4, 4, 8, 8), float("nan"))}, "key frames hold NaN"),
    ],
)
@pytest.mark.parametrize("kind", ["ToonSample", "KSampler"])
def test_conditioning_that_was_changed(ready: Any, kind: str, changes: dict, message: str) -> None:
    [[tokens, values]] = ready.run({}, keep=["4"]).value("4")
    changed = {k: v for k, v in {**values, **changes}.items() if v is not None}
    prompt = {"7": ready.comfy.give([[tokens, changed]]), **sample(steps=1, cfg_scale=1.0)}
    if kind == "KSampler":
        native = {"sampler_name": "euler", "scheduler": "normal", "denoise": 1.0, "seed": 1}
        native |= {"model": ["1", 0], "latent_image": ["4", 3], "negative": ["4", 1]}
        prompt["5"] = node(kind, steps=1, cfg=1.0, **native)
    prompt["5"]["inputs"]["positive"] = ["7", 0]
    run = ready.run(prompt, keep=["5"])
    assert not run.success and message in run.error


def test_text_that_is_a_batch(toon: Comfy) -> None:
    prompt = encode(toon, picture(1), picture(2), positive_text=["9", 0])
    prompt["9"] = toon.give([[torch.zeros(3, 77, 64), {}]])
    assert "positive_text is a batch of 3" in toon.run(prompt, keep=["4"]).error


@pytest.mark.parametrize(
    ("kind", "field"), [("ToonLoadSketchEncoder", "file"), ("ToonLoadModel", "weight_dtype")]
)
def test_a_null_in_a_prompt(toon: Comfy, kind: str, field: str) -> None:
    values = {"file": "tiny.safetensors", "weight_dtype": "default"}
    inputs = {**(values if kind == "ToonLoadModel" else {}), field: None}
    error = toon.run({"1": node(kind, **inputs)}, keep=["1"]).error
    assert f"{field} = None is not in the list" in error


def test_decode_with_a_null(ready: Any) -> None:
    prompt = {**sample(steps=1, cfg_scale=1.0), **decode(low_memory=None)}
    assert "low_memory = None is not in the list" in ready.run(prompt, keep=["6"]).error
