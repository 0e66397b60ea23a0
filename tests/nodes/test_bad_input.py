"""Whatever is wrong is said once and clearly, and the next run works."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import count
from typing import TYPE_CHECKING, Any

import pytest
import torch
from graphs import Prompt, decode, encode, node, picture, sample

if TYPE_CHECKING:
    from inprocess import Comfy


SEEDS = count(1000)


@pytest.fixture(autouse=True)
def the_next_run_works(ready: Any, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """After every test, from the keys to the frames; by one executor, as a server has."""
    monkeypatch.setattr(ready.comfy, "executor", lambda: ready.executor)
    yield
    seed = next(SEEDS)
    prompt = {**ready.keys, **sample(steps=1, cfg_scale=1.0, seed=seed)}
    prompt |= decode(replace_middle_frames="off")
    prompt["4"] = {**prompt["4"], "inputs": {**prompt["4"]["inputs"], "seed": seed}}
    run = ready.comfy.run(prompt, keep=["6"])
    assert run.success and not {"4", "5", "6"} & run.cached, run.error
    assert run.value("6").shape == (4, 64, 64, 3) and run.value("6").std() > 0


def graph(toon: Comfy, first: torch.Tensor | None = None) -> Prompt:
    first = picture(1) if first is None else first
    return {**encode(toon, first, picture(2)), **tail()}


def tail() -> Prompt:
    """What follows the keys."""
    return {**sample(steps=1, cfg_scale=1.0), **decode()}


def drawn(toon: Comfy, latent: list, file: str = "tiny_sketch.safetensors") -> Prompt:
    """Nodes 7 (a drawing), 8 (encoder) and 10 (the model with it on frame 1)."""
    values = {"frames": "1", "strength": 0.6, "polarity": "auto", "context": "full"}
    values |= {"start_percent": 0.0, "end_percent": 1.0, "latent": latent, "sketches": ["7", 0]}
    return {
        "7": toon.give(picture(3)),
        "8": node("ToonLoadSketchEncoder", file=file),
        "10": node("ToonApplySketch", model=["1", 0], sketch_encoder=["8", 0], **values),
    }


def with_nan() -> torch.Tensor:
    image = picture(1).clone()
    image[0, 3, 3, 1] = float("nan")
    return image


@pytest.mark.parametrize(
    ("image", "message"),
    [
        (with_nan(), "first_image holds NaN"),
        (torch.full((1, 64, 64, 4), float("nan")), "first_image holds NaN"),
        (torch.ones(1, 64, 64, 1), "expected 3 colour channels, got 1"),
        (torch.ones(64, 64, 3), "expected an IMAGE batch"),
        (torch.ones(0, 64, 64, 3), "expected an IMAGE batch"),
        (torch.rand(3, 64, 64, 3), None),
    ],
)
def test_images(toon: Comfy, image: torch.Tensor, message: str | None) -> None:
    run = toon.run(graph(toon, image), keep=["6"])
    if message is None:
        assert run.success and len(run.value("6")) == 12
    else:
        assert not run.success and message in run.error


def test_batches_that_do_not_match(toon: Comfy) -> None:
    prompt = graph(toon, picture(1, count=2))
    prompt["3"] = toon.give(picture(2, count=3))
    run = toon.run(prompt, keep=["6"])
    assert "first_image is a batch of 2 and last_image of 3" in run.error


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"width": 100}, "width = 100 must be a positive multiple of 64"),
        ({"height": 8}, "height = 8: expected 64 to 8192, or 0 for the model's own"),
        ({"fit": "pad to own size"}, "width = 64 and height = 64: set both to 0"),
    ],
)
def test_sizes(toon: Comfy, changes: Any, message: str) -> None:
    prompt = graph(toon)
    prompt["4"]["inputs"].update(changes)
    assert message in toon.run(prompt, keep=["6"]).error


@pytest.mark.parametrize(
    ("place", "changes", "words"),
    [
        ("4", {"length": 257}, "length"),
        ("4", {"fs": -1}, "fs"),
        ("4", {"fit": "zoom"}, "zoom"),
        ("5", {"steps": -1}, "steps"),
        ("5", {"eta": 1.5}, "eta"),
        ("5", {"spacing": "cosine"}, "cosine"),
        ("5", {"cfg_scale": 31}, "cfg_scale"),
        ("1", {"file": "no such file.safetensors"}, "no such file"),
        ("1", {"file": "../../../etc/passwd"}, "passwd"),
        ("4", {"last_image": None}, "last_image"),
        ("4", {"conditioner": ["1", 2]}, "TOON_VAE"),
        ("5", {"model": ["1", 1]}, "TOON_CONDITIONER"),
        ("6", {"toon_vae": ["1", 0]}, "MODEL"),
    ],
)
def test_refused_before_anything_runs(toon: Comfy, place: str, changes: Any, words: str) -> None:
    prompt = graph(toon)
    inputs = prompt[place]["inputs"]
    inputs.update(changes)
    prompt[place]["inputs"] = {k: v for k, v in inputs.items() if v is not None}
    with pytest.raises(ValueError, match="refused the prompt") as refusal:
        toon.run(prompt, keep=["6"])
    assert words in str(refusal.value)


def combos(comfy: Comfy) -> dict[tuple[str, str], dict[str, str]]:
    """(node, combo) -> that node's combos with their first option."""
    found = {}
    for kind, cls in comfy.nodes.NODE_CLASS_MAPPINGS.items():
        if kind.startswith("Toon"):
            given = {i.id: i.options for i in cls.define_schema().inputs if hasattr(i, "options")}
            found |= {(kind, name): {k: v[0] for k, v in given.items()} for name in given}
    return found


def test_every_combo_refuses_what_is_not_in_its_list(toon: Comfy) -> None:
    """ComfyUI itself lets any text through for V3 combos."""
    found = combos(toon)
    assert len(found) >= 12
    for (kind, name), values in found.items():
        for value, refused in (("bogus", True), (values[name], False)):
            prompt = {"1": node(kind, **{**values, name: value})}
            prompt["2"] = node("PreviewAny", source=["1", 0])
            errors = toon.validate(prompt).node_errors.get("1", {}).get("errors", [])
            assert refused == any(f"{name} = 'bogus'" in e["details"] for e in errors), (kind, name)


def test_wrong_model_in_a_socket(ready: Any) -> None:
    class Other:
        model = object()
        model_options: dict[str, Any] = {}

    for kind, where in (("ToonSample", "5"), ("ToonScheduleSigmas", "7")):
        prompt = tail()
        prompt["9"] = ready.comfy.give(Other())
        prompt["7"] = node("ToonScheduleSigmas", model=["9", 0], steps=2, spacing="uniform")
        prompt["5"]["inputs"]["model"] = ["9", 0]
        assert prompt[where]["class_type"] == kind
        run = ready.run(prompt, keep=[where])
        assert "connect the MODEL of Toon Load Model" in run.error


def test_sketch_encoder_of_another_size(toon: Comfy) -> None:
    from toon_core.presets import nano_sketch
    from toon_core.sketch.encoder import SketchEncoder
    from toon_core.weights.save import save

    folder = toon.base / "models" / "controlnet"
    save(SketchEncoder(nano_sketch()), folder / "other_sketch.safetensors")
    toon.folder_paths.filename_list_cache.clear()
    prompt = {**graph(toon), **drawn(toon, ["4", 3], "other_sketch.safetensors")}
    assert "does not belong to this model" in toon.run(prompt, keep=["10"]).error
    prompt["8"]["inputs"]["file"] = "tiny_sketch.safetensors"
    prompt["10"]["inputs"].update(start_percent=0.5, end_percent=0.5)
    assert "must be below end_percent" in toon.run(prompt, keep=["10"]).error
    prompt["10"]["inputs"].update(end_percent=1.0)
    prompt["7"] = toon.give(with_nan())
    assert "sketches holds NaN" in toon.run(prompt, keep=["10"]).error


def test_latent_of_another_kind(ready: Any) -> None:
    prompt = tail()
    prompt["9"] = node("EmptyLatentImage", width=64, height=64, batch_size=1)
    prompt["6"]["inputs"]["latent"] = ["9", 0]
    assert "does not carry the key frames" in ready.run(prompt, keep=["6"]).error
    prompt["5"]["inputs"]["latent"] = ["9", 0]
    assert "does not carry the key frames" in ready.run(prompt, keep=["5"]).error
    prompt |= drawn(ready.comfy, ["9", 0])
    assert "does not carry the key frames" in ready.run(prompt, keep=["10"]).error


@pytest.mark.parametrize("place", ["5", "6", "10"])
def test_latent_cut_in_time(ready: Any, place: str) -> None:
    """The keys belong to the first and the last frame: to be told before they go elsewhere."""
    prompt = {**tail(), **drawn(ready.comfy, ["9", 0])}
    source = ["5", 0] if place == "6" else ["4", 3]
    prompt["9"] = node("LatentCut", samples=source, dim="t", index=0, amount=3)
    if place != "10":
        prompt[place]["inputs"]["latent"] = ["9", 0]
    error = ready.run(prompt, keep=[place]).error
    assert "(1, 4, 3, 8, 8) is not of the size its key frames have, (1, 4, 4, 8, 8)" in error


def test_latent_of_another_size(toon: Comfy) -> None:
    prompt = graph(toon)
    wide = encode(toon, picture(1), picture(2), width=128)
    prompt["7"] = wide["4"]
    prompt["5"]["inputs"]["latent"] = ["7", 3]
    error = toon.run(prompt, keep=["5"]).error
    assert "4 frames of 128x64" in error and "4 frames of 64x64" in error


def test_file_that_is_no_model(toon: Comfy) -> None:
    page = toon.base / "models" / "checkpoints" / "page.safetensors"
    page.write_text("<!DOCTYPE html><html>Sign in</html>")
    toon.folder_paths.filename_list_cache.clear()
    prompt = graph(toon)
    prompt["1"]["inputs"]["file"] = "page.safetensors"
    run = toon.run(prompt, keep=["6"])
    assert "page.safetensors" in run.error and "a web page" in run.error


def test_image_guidance_without_its_branch(ready: Any) -> None:
    prompt = tail()
    prompt["5"]["inputs"].update(cfg_image=2.0)
    assert "image_only" in ready.run(prompt, keep=["6"]).error


def test_core_controlnet_on_the_video_model(ready: Any) -> None:
    """Its features have another form: refused by name, not added by chance."""
    run = ready.run(tail(), keep=["1"])
    unet = run.value("1").model.diffusion_model
    x, t = torch.zeros(1, 8, 4, 8, 8), torch.zeros(1)
    with pytest.raises(ValueError, match="use Toon Apply Sketch"):
        unet(x, t, torch.zeros(1, 205, 64), control={"output": []})
