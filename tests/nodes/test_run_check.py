"""What other nodes put into a MODEL, when ComfyUI's samplers run it: refused, named or used."""

from __future__ import annotations

import logging
from typing import Any

import pytest
import torch
from graphs import Prompt, node

SHAPE = (1, 4, 6, 8, 10)


def sampled(**changes: Any) -> Prompt:
    """Node 7."""
    values = {"model": ["9", 0], "positive": ["4", 0], "negative": ["4", 1]}
    values |= {"latent_image": ["4", 3], "seed": 1, "steps": 2, "cfg": 3.0, "denoise": 1.0}
    values |= {"sampler_name": "euler", "scheduler": "sgm_uniform"}
    return {"7": node("KSampler", **{**values, **changes})}


def patched(ready: Any, kind: str, values: dict[str, Any]) -> Prompt:
    """Nodes 7 and 9; inputs that are not given, newer ones among them, have their defaults."""
    cls = ready.comfy.node_class(kind)
    modern = hasattr(cls, "GET_NODE_INFO_V1")
    inputs = (cls.GET_NODE_INFO_V1()["input"] if modern else cls.INPUT_TYPES())["required"]
    options = {name: spec[1] for name, spec in inputs.items() if len(spec) > 1}
    given = {name: o["default"] for name, o in options.items() if "default" in o}
    return {**sampled(), "9": node(kind, **{**given, **values, "model": ["1", 0]})}


WINDOWS = {"context_length": 2, "context_overlap": 1, "context_stride": 1, "closed_loop": False}
WINDOWS |= {"context_schedule": "standard_static", "fuse_method": "pyramid", "dim": 2}
CACHE = {"reuse_threshold": 0.2, "start_percent": 0.15, "end_percent": 0.95, "verbose": False}


@pytest.mark.parametrize(
    ("kind", "values", "message"),
    [
        ("APG", {"eta": 1.0, "norm_threshold": 5.0, "momentum": 0.0}, "wrong for a clip"),
        ("RescaleCFG", {"multiplier": 0.7}, "take Toon Rescale Guidance"),
        ("VideoLinearCFGGuidance", {"min_cfg": 1.0}, "takes a batch for the frames"),
        ("VideoTriangleCFGGuidance", {"min_cfg": 1.0}, "takes a batch for the frames"),
        ("Epsilon Scaling", {"scaling_factor": 1.005}, "begins at pure noise"),
        ("ContextWindowsManual", WINDOWS, "context windows"),
        ("LazyCache", CACHE, "Take EasyCache"),
        ("SelfAttentionGuidance", {"scale": 0.5, "blur_sigma": 2.0}, "layers take no patches"),
        ("ModelSamplingDiscrete", {"sampling": "v_prediction", "zsnr": True}, "another schedule"),
        ("ModelSamplingSD3", {"shift": 3.0}, "Toon Set Schedule"),
    ],
)
def test_wrong_frames_are_refused(ready: Any, kind: str, values: Any, message: str) -> None:
    run = ready.run(patched(ready, kind, values), keep=["7"])
    assert not run.success and message in run.error, run.error


@pytest.mark.parametrize("sampler", ["heun", "dpm_fast"])
def test_samplers_that_do_not_hold_from_pure_noise(ready: Any, sampler: str) -> None:
    run = ready.run(sampled(model=["1", 0], sampler_name=sampler), keep=["7"])
    assert not run.success and f"{sampler} does not fit so few steps" in run.error
    for gentler in ({"denoise": 0.5}, {"steps": 20}):
        run = ready.run(sampled(model=["1", 0], sampler_name=sampler, **gentler), keep=["7"])
        assert run.success, run.error


@pytest.mark.parametrize(
    ("kind", "values", "names"),
    [
        ("HyperTile", {"tile_size": 32, "swap_size": 2, "max_depth": 0, "scale_depth": False}, ""),
        ("FreeU", {"b1": 1.1, "b2": 1.2, "s1": 0.9, "s2": 0.2}, ""),
        ("TomePatchModel", {"ratio": 0.3}, ""),
        ("PerturbedAttentionGuidance", {"scale": 3.0}, ""),
        (
            "ScaleROPE",
            {f"{k}_{a}": 2.0 for k in ("scale", "shift") for a in "xyt"},
            "rope_options",
        ),
    ],
)
def test_what_has_no_effect_is_named_once(
    ready: Any, kind: str, values: Any, names: str, caplog: pytest.LogCaptureFixture
) -> None:
    if kind not in ready.comfy.nodes.NODE_CLASS_MAPPINGS:
        pytest.skip(f"this ComfyUI is older than {kind}")
    with caplog.at_level(logging.WARNING, "toon.nodes"):
        run = ready.run(patched(ready, kind, values), keep=["7"])
        assert run.success, run.error
        plain = ready.run(sampled(model=["1", 0]), keep=["7"])
    lines = [r.message for r in caplog.records if r.name == "toon.nodes"]
    assert len(lines) == 1 and f"{names or kind}: no effect" in lines[0]
    assert [(names or kind) in text for text in run.said("7")] == [True]
    found, wanted = (r.value("7")["samples"] for r in (run, plain))
    assert torch.allclose(found, wanted, atol=1e-4 * float(wanted.abs().max()))
    assert plain.said("7") == [" "], "and then it is gone"


@pytest.mark.parametrize(
    ("kind", "values"),
    [
        ("EasyCache", CACHE),
        ("CFGZeroStar", {}),
        ("TCFG", {}),
        ("CFGNorm", {"strength": 1.0}),
        ("Mahiro", {}),
        ("RenormCFG", {"cfg_trunc": 100.0, "renorm_cfg": 1.0}),
        ("FreSca", {"scale_low": 1.0, "scale_high": 1.25, "freq_cutoff": 20}),
        ("ToonRescaleGuidance", {"guidance_rescale": 0.7}),
    ],
)
def test_what_works_runs_without_a_word(
    ready: Any, kind: str, values: Any, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING, "toon.nodes"):
        run = ready.run(patched(ready, kind, values), keep=["7"])
    assert run.success, run.error
    assert [r.message for r in caplog.records if r.name == "toon.nodes"] == []
    assert torch.isfinite(run.value("7")["samples"]).all()


def test_a_controlnet_is_refused_before_the_model_is_loaded(ready: Any) -> None:
    from comfy.controlnet import ControlBase

    [[tokens, values]] = ready.run({}, keep=["4"]).value("4")
    prompt = sampled(model=["1", 0], positive=["8", 0])
    prompt["8"] = ready.comfy.give([[tokens, {**values, "control": ControlBase()}]])
    assert "use Toon Apply Sketch" in ready.run(prompt, keep=["7"]).error


def test_an_empty_conditioning_is_refused_by_any_guider(ready: Any) -> None:
    prompt = sampled(model=["1", 0], positive=["8", 0])
    prompt["8"] = ready.comfy.give([])
    assert "positive is an empty CONDITIONING" in ready.run(prompt, keep=["7"]).error


def test_guidance_that_another_guider_does_not_read_is_named(
    ready: Any, caplog: pytest.LogCaptureFixture
) -> None:
    branches = {"positive": ["4", 0], "image_only": ["4", 2], "negative": ["4", 1]}
    prompt = {
        "9": node("TCFG", model=["1", 0]),
        "10": node("RandomNoise", noise_seed=1),
        "11": node("ToonGuideBranches", model=["9", 0], cfg_scale=3.0, cfg_image=2.0, **branches),
        "12": node("ToonDDIMSampler", eta=0.0),
        "13": node("ToonScheduleSigmas", model=["9", 0], steps=2, spacing="uniform_trailing"),
        "14": node(
            "SamplerCustomAdvanced",
            noise=["10", 0],
            guider=["11", 0],
            sampler=["12", 0],
            sigmas=["13", 0],
            latent_image=["4", 3],
        ),
    }
    with caplog.at_level(logging.WARNING, "toon.nodes"):
        run = ready.run(prompt, keep=["14"])
    assert run.success, run.error
    [line] = [r.message for r in caplog.records if r.name == "toon.nodes"]
    assert "TCFG: no effect with Toon Guide Branches" in line


def whole(x: torch.Tensor) -> tuple[int, ...]:
    return tuple(range(1, x.ndim))


CENTRE, BEFORE, AFTER = (f"sampler_{k}cfg_function" for k in ("", "pre_", "post_"))
RIGHT = [
    (AFTER, lambda a: a["denoised"] * 0.9),
    (AFTER, lambda a: a["denoised"] / a["denoised"].std(dim=whole(a["denoised"]), keepdim=True)),
    (AFTER, lambda a: a["denoised"] - a["denoised"].mean(dim=(-2, -1), keepdim=True)),
    (CENTRE, lambda a: a["uncond"] + 2 * (a["cond"] - a["uncond"])),
    (BEFORE, lambda a: [a["conds_out"][0] * 1.1, a["conds_out"][1]]),
]
WRONG = [
    (AFTER, lambda a: a["denoised"] / a["denoised"].std(dim=(1, 2, 3), keepdim=True)),
    (AFTER, lambda a: a["denoised"] - a["denoised"].mean(dim=(-3, -2, -1), keepdim=True)),
    (AFTER, lambda a: a["denoised"] * torch.linspace(0, 1, len(a["input"])).view(-1, 1, 1, 1)),
    (CENTRE, lambda a: a["cond"] / a["cond"].std(dim=(1, 2, 3), keepdim=True)),
    (BEFORE, lambda a: [a["conds_out"][0].flip(2), a["conds_out"][1]]),
    (AFTER, lambda a: a["input"] * 0.005 + a["denoised"]),
    (
        AFTER,
        lambda a: torch.nn.functional.pad(a["denoised"], (1, 1, 1, 1), "reflect")[..., 1:-1, 1:-1],
    ),
]


@pytest.mark.parametrize(("kind", "function"), RIGHT)
def test_a_function_that_fits_clips_has_no_fault(ready: Any, kind: str, function: Any) -> None:
    trial = ready.comfy.part("axes").tried(function, kind, SHAPE, 4500.0)
    assert trial is not None and trial.fault == ""


@pytest.mark.parametrize(("kind", "function"), WRONG)
def test_a_function_for_pictures_has_one(ready: Any, kind: str, function: Any) -> None:
    trial = ready.comfy.part("axes").tried(function, kind, SHAPE, 4500.0)
    assert trial is not None and trial.fault


def test_a_trial_leaves_nothing_in_a_function(ready: Any) -> None:
    calls, total = 0, torch.zeros(())

    def counts(args: dict[str, Any]) -> torch.Tensor:
        nonlocal calls, total
        calls += 1
        total = total + args["denoised"].sum()
        return args["denoised"]

    trial = ready.comfy.part("axes").tried(counts, AFTER, SHAPE, 4500.0)
    assert trial is not None and trial.fault == "" and calls == 0 and total == 0
    memory: list[int] = []
    kept = ready.comfy.part("axes").tried(
        lambda a: memory.append(1) or a["denoised"], AFTER, SHAPE, 1.0
    )
    assert kept is None and memory == [], "a list could be changed, so it is not tried"
    calls_model = ready.comfy.part("axes").tried(lambda a: a["model"].run(a), AFTER, SHAPE, 1.0)
    assert calls_model is None
