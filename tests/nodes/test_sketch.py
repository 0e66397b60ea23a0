"""Sketches on frames."""

from __future__ import annotations

import sys
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from graphs import Prompt, deviation, node, picture, sample

import toon_core
from toon_core.config import ScheduleConfig, ToonConfig


def lines(seed: int, size: tuple[int, int] = (64, 64), count: int = 1) -> torch.Tensor:
    """Bright lines on black, as IMAGE."""
    return (picture(seed, size, count).mean(-1, keepdim=True) > 0.62).float().expand(-1, -1, -1, 3)


def sketched(ready: Any, sketches: torch.Tensor, frames: str, **changes: Any) -> Prompt:
    """Nodes 8 (encoder), 9 (drawing), 10 (model with sketches), 5 (sampled)."""
    values = {
        "model": ["1", 0],
        "sketch_encoder": ["8", 0],
        "latent": ["4", 3],
        "sketches": ["9", 0],
        "frames": frames,
        "strength": 0.6,
        "polarity": "auto",
        "start_percent": 0.0,
        "end_percent": 1.0,
        "context": "full",
        **changes,
    }
    return {
        **sample(model=["10", 0], steps=2, cfg_scale=2.0),
        "8": node("ToonLoadSketchEncoder", file="tiny_sketch.safetensors"),
        "9": ready.comfy.give(sketches),
        "10": node("ToonApplySketch", **values),
    }


def latents(ready: Any, prompt: Prompt) -> torch.Tensor:
    run = ready.run(prompt, keep=["5"])
    assert run.success, run.error
    return run.value("5")["samples"]


@pytest.fixture(scope="module")
def without(ready: Any) -> torch.Tensor:
    return latents(ready, sample(steps=2, cfg_scale=2.0))


def test_sketch_changes_the_clip_and_strength_0_does_not(ready: Any, without: torch.Tensor) -> None:
    one = latents(ready, sketched(ready, lines(5), "2"))
    assert deviation(one, without) > 1e-2
    assert torch.equal(latents(ready, sketched(ready, lines(5), "2", strength=0.0)), without)


def test_every_sketch_counts_on_its_frame(ready: Any) -> None:
    two = torch.cat([lines(5), lines(6)])
    found = [
        latents(ready, sketched(ready, *given))
        for given in ((two, "1, 2"), (two, "2 1"), (two[:1], "1"), (two.flip(0), "2, 1"))
    ]
    assert torch.equal(found[0], found[3])
    assert deviation(found[1], found[0]) > 1e-3 and deviation(found[2], found[0]) > 1e-3


def test_chained_nodes_are_one_batch(ready: Any) -> None:
    two = torch.cat([lines(5), lines(6)])
    together = latents(ready, sketched(ready, two, "1, 2"))
    prompt = sketched(ready, two[:1], "1")
    prompt["11"] = ready.comfy.give(two[1:])
    second = {**prompt["10"]["inputs"], "model": ["10", 0], "sketches": ["11", 0], "frames": "2"}
    prompt["12"] = node("ToonApplySketch", **second)
    prompt["5"]["inputs"]["model"] = ["12", 0]
    assert torch.equal(latents(ready, prompt), together)
    prompt["12"]["inputs"]["frames"] = "1"
    assert "already has a sketch on frame 1" in ready.run(prompt, keep=["5"]).error


def test_polarities_agree(ready: Any) -> None:
    bright = lines(5)
    found = [
        latents(ready, sketched(ready, drawing, "2", polarity=polarity))
        for drawing, polarity in (
            (bright, "light on dark"),
            (1 - bright, "dark on light"),
            (bright, "auto"),
            (1 - bright, "auto"),
        )
    ]
    assert all(torch.equal(f, found[0]) for f in found[1:])
    wrong = latents(ready, sketched(ready, bright, "2", polarity="dark on light"))
    assert deviation(wrong, found[0]) > 1e-3


def test_range_of_the_run(ready: Any, without: torch.Tensor) -> None:
    late = latents(ready, sketched(ready, lines(5), "2", start_percent=0.9))
    assert torch.equal(late, without)
    early = latents(ready, sketched(ready, lines(5), "2", end_percent=0.2))
    always = latents(ready, sketched(ready, lines(5), "2"))
    assert deviation(early, without) > 1e-3 and deviation(early, always) > 1e-3


def native(steps: int, seed: int = 123) -> Prompt:
    """Nodes 20 to 24, of which 24 is ComfyUI's sampler on node 10."""
    links = {"noise": ["20", 0], "guider": ["21", 0], "sampler": ["22", 0], "sigmas": ["23", 0]}
    return {
        "20": node("ToonMakeNoise", seed=seed),
        "21": node("CFGGuider", model=["10", 0], positive=["4", 0], negative=["4", 1], cfg=2.0),
        "22": node("ToonDDIMSampler", eta=1.0),
        "23": node("ToonScheduleSigmas", model=["10", 0], spacing="uniform_trailing", steps=steps),
        "24": node("SamplerCustomAdvanced", **links, latent_image=["4", 3]),
    }


@pytest.mark.parametrize("changes", [{}, {"context": "text"}, {"end_percent": 0.3}])
def test_native_samplers_apply_the_same_sketches(ready: Any, changes: Any) -> None:
    prompt = sketched(ready, lines(5, (90, 120)), "2", **changes)
    prompt["5"]["inputs"].update(eta=1.0, guidance_rescale=0.0)
    run = ready.run(prompt | native(steps=2), keep=["5", "24"])
    assert run.success, run.error
    assert deviation(run.value("24")["samples"], run.value("5")["samples"]) < 1e-3


def test_the_hint_network_runs_once_in_a_native_run(ready: Any, monkeypatch: Any) -> None:
    prompt = sketched(ready, lines(5), "2") | native(steps=3)
    model = ready.run(prompt, keep=["10"]).value("10")
    sketches = model.model_options["transformer_options"]["toon_sketches"]
    calls: list[int] = []
    hint = sketches.encoder.hint
    monkeypatch.setattr(sketches.encoder, "hint", lambda x: (calls.append(1), hint(x))[1])
    for runs in (1, 2):
        run = ready.run(prompt | native(steps=3, seed=runs), keep=["24"])
        assert run.success and {"8", "10"} <= run.cached, run.error
        assert len(calls) == runs
    x, t = torch.zeros(1, 8, 4, 8, 8), torch.zeros(1)
    for _ in range(2):
        sketches.features(x, t, torch.zeros(1, 77 + 64, 64))
    assert len(calls) == 4, "between runs weights may change"


def pack(name: str) -> Any:
    [module] = [m for n, m in sys.modules.items() if n.endswith(f"ToonTween.{name}")]
    return module


def test_no_host_sync_in_a_native_step(toon: Any, tiny: Any) -> None:
    """On the meta device there are no values: asking for one, in whatever way, is an error."""
    import comfy.ops

    options = {"device": "meta", "operations": comfy.ops.manual_cast}
    unet = pack("nodes.model").NativeUNet(tiny.config.unet, dtype=torch.float32, **options)
    file = toon.base / "models" / "controlnet" / "tiny_sketch.safetensors"
    encoder = toon_core.load(file).to("meta")
    patch = pack("nodes.sketch_patch")
    drawn = {"frames": frozenset([1]), "start": 0.2, "end": 0.6, "scale": 0.6, "context": "full"}
    hints = torch.zeros(1, 1, 4, 64, 64)
    sketches = patch.Sketches(encoder=encoder, hints=hints, **drawn)
    x, t = torch.empty(2, 8, 4, 8, 8, device="meta"), torch.empty(2, device="meta")
    tokens = torch.empty(2, 77 + 64, 64, device="meta")
    out = unet(x, t, tokens, transformer_options={patch.OPTION: sketches}, fs=t)
    assert out.is_meta and out.shape == (2, 4, 4, 8, 8)


def test_no_host_sync_in_a_step_of_our_sampler(toon: Any) -> None:
    """Sigmas are read before the first step, x and what the model makes of it never."""
    schedule = pack("toon_core.schedule").Schedule(ScheduleConfig())
    sampling = pack("nodes.model_sampling").ToonModelSampling(schedule)
    inner = SimpleNamespace(inner_model=SimpleNamespace(model_sampling=sampling, toon=ToonConfig()))

    class Model:
        inner_model = inner

        def __call__(self, x: torch.Tensor, sigma: torch.Tensor, **_: Any) -> torch.Tensor:
            return x / (1 + sigma.view(-1, 1, 1, 1, 1))

    sigmas = sampling.ddim_sigmas(sampling.schedule.ddim(3, "uniform_trailing", 1.0))
    x = torch.empty(2, 4, 4, 8, 8, device="meta")
    steps: list[int] = []
    pack("nodes.ddim").sample_ddim(
        Model(), x, sigmas, {"seed": 1}, callback=lambda step: steps.append(step["i"]), disable=True
    )
    assert steps == [0, 1, 2]


def test_encoder_is_loaded_with_the_model_and_reckoned(ready: Any) -> None:
    run = ready.run(sketched(ready, lines(5), "2"), keep=["10"])
    patcher = run.value("10")
    [encoder] = patcher.get_nested_additional_models()
    assert type(encoder.model).__name__ == "SketchEncoder"
    [prepare] = patcher.get_wrappers("prepare_sampling", "toon_sketches")
    shapes: list[Any] = []
    prepare(lambda model, shape, *rest: shapes.append(shape), patcher, [1, 4, 4, 8, 8], {}, None)
    assert shapes[0][0] > 1.01 and shapes[0][1:] == [4, 4, 8, 8]
    alone = patcher.model.memory_required([1, 4, 4, 8, 8])
    patcher.pre_run()
    together = patcher.model.memory_required([1, 4, 4, 8, 8])
    patcher.cleanup()
    assert together > 1.01 * alone, "what decides on batching in a run"
    assert (
        patcher.clone().model_options["transformer_options"]["toon_sketches"]
        is (patcher.model_options["transformer_options"]["toon_sketches"])
    )


@pytest.mark.parametrize(
    ("frames", "count", "message"),
    [
        ("1, 2", 1, "1 sketches but 2 frame numbers"),
        ("", 2, "2 sketches but 0 frame numbers"),
        ("4", 1, "There is no frame 4: the clip has the frames 0 to 3"),
        ("1, 1", 2, "one sketch only"),
        ("first", 1, "expected numbers"),
        ("-1", 1, "expected numbers"),
        ("1.5", 1, "expected numbers"),
    ],
)
def test_wrong_frame_numbers(ready: Any, frames: str, count: int, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        pack("nodes.sketch").frame_numbers(frames, count, 4)


def test_frame_numbers_in_every_spelling(ready: Any) -> None:
    module = pack("nodes.sketch")
    assert module.frame_numbers("7", 1, 16) == [7]
    assert module.frame_numbers("3, 7,11", 3, 16) == [3, 7, 11]
    assert module.frame_numbers("", 4, 4) == [0, 1, 2, 3]
