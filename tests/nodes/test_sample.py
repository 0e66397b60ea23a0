"""Toon Sample and Toon Decode as a user meets them."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

import pytest
import torch
from graphs import TINY, Prompt, decode, deviation, encode, node, picture, sample

from toon_core import pipeline
from toon_core.images import Fit
from toon_core.presets import Recipe

if TYPE_CHECKING:
    from inprocess import Comfy, Event


def short(**changes: Any) -> Prompt:
    prompt = {**sample(steps=2, cfg_scale=2.0), **decode()}
    prompt["5"]["inputs"].update(changes)
    return prompt


def test_nodes_give_what_the_pipeline_gives(toon: Comfy, tiny: Any) -> None:
    """One seed in both nodes is the pipeline's seed."""
    first, last = picture(1, (80, 70)), picture(2, (100, 64))
    prompt = {**encode(toon, first, last, seed=7, fs=12), **sample(steps=3, seed=7), **decode()}
    run = toon.run(prompt, keep=["6"])
    assert run.success, run.error
    images = [x.movedim(-1, 1) * 2 - 1 for x in (first, last)]
    keys = [Fit(tuple(x.shape[-2:]), (64, 64), "crop").apply(x) for x in images]
    recipe = Recipe(frames=4, fps=12, steps=3, seed=7)
    frames = pipeline.interpolate(tiny, *keys, "an anime scene", recipe=recipe, semantic=images[0])
    wanted = ((frames[0] + 1) / 2).clamp(0, 1).permute(1, 2, 3, 0)
    assert deviation(run.value("6"), wanted) < 1e-3


def test_progress_previews_and_cache(ready: Any) -> None:
    prompt = short(steps=3)
    run = ready.run(prompt, keep=["6"])
    steps = [e["value"] for e in run.of_kind("progress") if e["node"] == "5"]
    assert steps == [1, 2, 3]
    assert len(run.previews) == 3
    assert all(kind == "JPEG" and image.size == (8, 8) for kind, image, _ in run.previews)
    again = ready.run(prompt, keep=["6"])
    assert again.success and {"1", "4", "5", "6"} <= again.cached
    prompt["5"]["inputs"]["seed"] = 5
    changed = ready.run(prompt, keep=["6"])
    assert {"1", "4"} <= changed.cached and not {"5", "6"} & changed.cached


def test_cancel_stops_within_a_step_and_leaves_a_healthy_model(ready: Any) -> None:
    before = ready.run(short(steps=3), keep=["6"]).value("6")

    def cancel(event: Event) -> None:
        if event.kind == "progress" and event.data["node"] == "5" and event.data["value"] == 2:
            ready.comfy.interrupt()

    stopped = ready.run(short(steps=40), keep=["6"], on_event=cancel)
    done = [e["value"] for e in stopped.of_kind("progress") if e["node"] == "5"]
    assert stopped.interrupted and max(done) <= 3
    after = ready.run(short(steps=3), keep=["6"])
    assert after.success
    assert torch.equal(after.value("6"), before)


@pytest.mark.parametrize("low_memory", ["on", "off"])
def test_decoding_shows_progress_and_can_be_cancelled(ready: Any, low_memory: str) -> None:
    prompt = {**short(), **decode(low_memory=low_memory)}
    shown = ready.run(prompt, keep=["6"])
    done = [e["value"] / e["max"] for e in shown.of_kind("progress") if e["node"] == "6"]
    # Newer ComfyUI sends few of them: it leaves a time between two.
    assert len(done) > 2 and done == sorted(done) and done[-1] == 1.0
    prompt["6"]["inputs"]["replace_middle_frames"] = "off"  # another run of the node

    def cancel(event: Event) -> None:
        if event.kind == "progress" and event.data["node"] == "6" and event.data["value"] > 30:
            ready.comfy.interrupt()

    stopped = ready.run(prompt, keep=["6"], on_event=cancel)
    reached = [e["value"] / e["max"] for e in stopped.of_kind("progress") if e["node"] == "6"]
    assert stopped.interrupted and sum(part > 0.3 for part in reached) <= 2
    assert ready.run(prompt, keep=["6"]).success


def test_encoding_shows_progress(ready: Any) -> None:
    prompt = encode(ready.comfy, picture(1), picture(2), seed=77)
    shown = ready.comfy.run(prompt, keep=["4"]).of_kind("progress")
    assert [e["value"] for e in shown if e["node"] == "4"] == [1, 2]


def test_inputs_are_not_changed(toon: Comfy) -> None:
    first, last = picture(1), picture(2)
    copies = first.clone(), last.clone()
    run = toon.run({**encode(toon, first, last), **sample(steps=2), **decode()}, keep=["4", "6"])
    assert run.success, run.error
    assert torch.equal(first, copies[0]) and torch.equal(last, copies[1])
    latent, positive = run.value("4", 3), run.value("4")
    assert latent["samples"].count_nonzero() == 0
    assert set(positive[0][1]) == {"concat_latent_image", "fs", "toon_tokens"}


@pytest.mark.parametrize("length", [1, 2, 3, 5, 8])
def test_other_lengths(toon: Comfy, length: int) -> None:
    prompt = {**encode(toon, picture(1), picture(2)), **short()}
    prompt["4"]["inputs"]["length"] = length
    run = toon.run(prompt, keep=["6"])
    assert run.success, run.error
    assert run.value("6").shape == (length, 64, 64, 3)


@pytest.fixture
def same_noise(toon: Comfy, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every clip of a batch has the random numbers that a clip alone has."""

    def seeded(seed: int, device: torch.device) -> Any:
        generator = torch.Generator().manual_seed(seed)

        def draw(shape: tuple[int, ...]) -> torch.Tensor:
            clips = shape[0] if len(shape) == 5 else shape[0] // TINY["length"]
            one = torch.randn((shape[0] // clips, *shape[1:]), generator=generator)
            return torch.cat([one] * clips)

        return draw

    [ours] = [m for n, m in sys.modules.items() if n.endswith("ToonTween.toon_core.pipeline")]
    monkeypatch.setattr(ours, "seeded", seeded)


@pytest.mark.usefixtures("same_noise")
def test_a_batch_is_its_clips(toon: Comfy) -> None:
    """Latents of two clips at once: each has its own keys, tokens and references."""
    first = torch.cat([picture(1), picture(3)])
    last = torch.cat([picture(2), picture(4)])
    tail = {**sample(steps=2, cfg_scale=2.0), **decode()}
    run = toon.run({**encode(toon, first, last), **tail}, keep=["4", "6"])
    assert run.success, run.error
    assert run.value("6").shape == (8, 64, 64, 3)
    for i in range(2):
        keys = encode(toon, first[i : i + 1], last[i : i + 1])
        alone = toon.run({**keys, **tail}, keep=["4", "6"])
        for slot in (0, 1, 2):
            both, one = run.value("4", slot)[0][0][i], alone.value("4", slot)[0][0][0]
            assert deviation(both, one) < 1e-4
        references = run.value("4", 3)["toon"].references
        for both, one in zip(references, alone.value("4", 3)["toon"].references, strict=True):
            assert deviation(both[i], one[0]) < 1e-4
        assert deviation(run.value("6")[4 * i : 4 * i + 4], alone.value("6")) < 1e-3


def test_low_memory_is_the_same_picture(ready: Any) -> None:
    prompt = {**short(), "7": decode(low_memory="on")["6"], "8": decode(low_memory="off")["6"]}
    run = ready.run(prompt, keep=["7", "8"])
    assert run.success, run.error
    assert (run.value("7") - run.value("8")).abs().max() < 1e-4


def test_middle_frames_alone_are_replaced(toon: Comfy) -> None:
    keys = encode(toon, picture(1), picture(2), length=8)
    prompt = {**keys, **short(), "7": decode(replace_middle_frames="off")["6"]}
    run = toon.run(prompt, keep=["6", "7"])
    difference = (run.value("6") - run.value("7")).abs().amax(dim=(1, 2, 3))
    assert (difference > 0).nonzero().flatten().tolist() == [3, 4]


def test_still_parts_are_the_keys_own(toon: Comfy, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of keys that are fitted; an untrained model draws anything, so all is near enough here."""
    key = picture(1, (40, 64))
    keys = encode(toon, key, key, fit="pad", height=128)
    prompt = {**keys, **short(), "7": decode(keep_still="on")["6"]}
    plain = toon.run(prompt, keep=["7"])
    assert plain.success and plain.value("7").shape[1:] == key.shape[1:]
    still = sys.modules[toon.part("decode").decode.__module__.replace("clips", "still")]
    monkeypatch.setattr(still, "LEFT", 100.0)
    kept = toon.run({**prompt, **decode(keep_still="on", low_memory="on")}, keep=["6"])
    assert (kept.value("6")[:, 4:-4] - key[:, 4:-4]).abs().max() < 1e-3
    assert (plain.value("7")[:, 4:-4] - key[:, 4:-4]).abs().max() > 0.1


@pytest.mark.parametrize(
    ("fit", "size", "shape"),
    [
        ("pad to own size", (0, 0), (48, 70)),  # no bars of either: 130x90 is 70x48 in it
        ("stretch to own size", (0, 0), (100, 70)),
        ("crop to own size", (0, 0), (64, 64)),
        ("crop", (64, 128), (128, 64)),
    ],
)
def test_fit_is_undone(
    toon: Comfy, fit: str, size: tuple[int, int], shape: tuple[int, int]
) -> None:
    prompt = {
        **encode(
            toon,
            picture(1, (100, 70)),
            picture(2, (90, 130)),
            fit=fit,
            width=size[0],
            height=size[1],
        ),
        **sample(steps=1, cfg_scale=1.0),
        **decode(),
    }
    run = toon.run(prompt, keep=["6"])
    assert run.success, run.error
    assert run.value("6").shape[1:3] == shape


def test_lora_patches_reach_our_sampler(ready: Any) -> None:
    prompt = short()
    run = ready.run(prompt, keep=["1", "5"])
    loaded, plain = run.value("1"), run.value("5")["samples"]
    model = loaded.clone()
    name = "diffusion_model.out.2.weight"
    weight = model.model_state_dict()[name].clone()
    model.add_patches({name: ("diff", (torch.full_like(weight, 0.05),))}, 1.0)
    prompt["9"] = ready.comfy.give(model)
    prompt["5"]["inputs"]["model"] = ["9", 0]
    patched = ready.run(prompt, keep=["5"])
    assert patched.success, patched.error
    assert deviation(patched.value("5")["samples"], plain) > 1e-3
    again = ready.run({**short(), "9": prompt["9"]}, keep=["5"])
    assert torch.equal(again.value("5")["samples"], plain)
    assert torch.equal(weight, loaded.model_state_dict()[name])


def test_core_s_compile_node_is_honoured(ready: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Once for a MODEL's runs, with the same frames, and nothing is said of it."""
    compiled, calls = [], []

    def watched(model: Any, **options: Any) -> Any:
        compiled.append(options)
        return lambda *given, **named: (calls.append(model), model(*given, **named))[1]

    plain = ready.run(sample(steps=2), keep=["5"]).value("5")["samples"]
    monkeypatch.setattr(torch, "compile", watched)
    prompt = sample(steps=2, model=["7", 0])
    prompt["7"] = node("TorchCompileModel", model=["1", 0], backend="inductor")
    first = ready.run(prompt, keep=["5", "7"])
    found = first.value("5")["samples"]
    assert torch.equal(found, plain) and len(calls) == 2, "a call a step"
    assert [options["backend"] for options in compiled] == ["inductor"] * 2  # core's, and ours
    prompt["5"]["inputs"]["seed"] = 7
    prompt["7"] = ready.comfy.give(first.value("7"))
    other = ready.run(prompt, keep=["5"]).value("5")["samples"]
    assert len(compiled) == 2 and not torch.equal(other, found)
