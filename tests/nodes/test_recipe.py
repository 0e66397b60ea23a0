"""Every widget that a recipe decides means the model's own by default, and the node says so."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
import torch
from graphs import deviation, encode, node, picture, sample

from toon_core.presets import RELEASED, nano
from toon_core.recipe import LIMITS, SHORTCUTS

if TYPE_CHECKING:
    from inprocess import Comfy

OWN = "model's own"
# (node, widget) -> field of the recipe
DECIDED = {
    ("ToonEncodeKeys", "width"): "width",
    ("ToonEncodeKeys", "height"): "height",
    ("ToonEncodeKeys", "length"): "frames",
    ("ToonEncodeKeys", "fs"): "fps",
    ("ToonSample", "steps"): "steps",
    ("ToonSample", "eta"): "eta",
    ("ToonSample", "spacing"): "spacing",
    ("ToonSample", "cfg_scale"): "cfg_scale",
    ("ToonSample", "guidance_rescale"): "guidance_rescale",
    ("ToonSample", "cfg_image"): "cfg_image",
    ("ToonSample", "temperature"): "temperature",
    ("ToonDecode", "replace_middle_frames"): "replace_middle_frames",
    ("ToonDecode", "keep_still"): "keep_still",
    ("ToonApplySketch", "strength"): "sketch_scale",
    ("ToonScheduleSigmas", "steps"): "steps",
    ("ToonScheduleSigmas", "spacing"): "spacing",
    ("ToonDDIMSampler", "eta"): "eta",
    ("ToonRescaleGuidance", "guidance_rescale"): "guidance_rescale",
    ("ToonSetSchedule", "temperature"): "temperature",
    ("ToonGuideBranches", "cfg_scale"): "cfg_scale",
    ("ToonGuideBranches", "cfg_image"): "cfg_image",
}
AS_SET = {"steps": 3, "eta": 0.0, "cfg_scale": 2.0, "guidance_rescale": 0.2, "temperature": 0.4}
LEFT = {"steps": 0, "eta": -1, "cfg_scale": 0, "guidance_rescale": -1, "temperature": -1}


@pytest.fixture
def other(ready: Any, monkeypatch: pytest.MonkeyPatch) -> Any:
    """The tiny model with a recipe of its own; the MODEL's noise is that of it, too."""
    model = ready.run({}, keep=["1"]).value("1").model
    monkeypatch.setattr(
        model, "toon", replace(model.toon, recipe=replace(model.toon.recipe, **AS_SET))
    )
    monkeypatch.setattr(model.model_sampling, "temperature", AS_SET["temperature"])
    return model


@pytest.mark.parametrize("place", DECIDED, ids=".".join)
def test_the_default_leaves_it_to_the_model(comfy: Comfy, place: tuple[str, str]) -> None:
    [widget] = [i for i in comfy.node_class(place[0]).define_schema().inputs if i.id == place[1]]
    field = DECIDED[place]
    if field in LIMITS:
        least, most = LIMITS[field]
        assert (widget.default, widget.min) == ((0, 0) if least > 0 else (-1, -1))
        assert widget.max == most and f"{widget.default:g}: the model's own" in widget.tooltip
    else:
        assert widget.default == widget.options[0] == OWN


OF_SHOTS = {"ToonRenderShot", "ToonExposeFrames"}  # their own tests; the latter has no model


def test_no_widget_of_a_recipes_field_is_left_out(comfy: Comfy) -> None:
    names = {"fps": "fs", "frames": "length", "sketch_scale": "strength"}
    fields = {names.get(f, f) for f in vars(RELEASED)} - {"seed", "grey_uncond_image"}
    fields -= set(SHORTCUTS)  # turbo sets them together
    found = {
        (kind, widget.id)
        for kind, cls in comfy.nodes.NODE_CLASS_MAPPINGS.items()
        if kind.startswith("Toon") and kind not in OF_SHOTS
        for widget in cls.define_schema().inputs
        if widget.id in fields
    }
    assert found == DECIDED.keys()


def test_toon_sample_follows_the_models_recipe(ready: Any, other: Any) -> None:
    prompt = sample(**LEFT, spacing=OWN, cfg_image=-1)
    own = ready.run(prompt, keep=["5"])
    as_set = ready.run(sample(**AS_SET), keep=["5"])
    assert torch.equal(own.value("5")["samples"], as_set.value("5")["samples"])
    said = own.said("5")[-1]
    assert "steps 3, eta 0, spacing uniform_trailing, cfg_scale 2, guidance_rescale 0.2" in said
    assert said.endswith("cfg_image off, temperature 0.4")
    assert as_set.said("5") == [" "], "nothing is left of the run before"


def test_comfyuis_samplers_follow_it_through_our_nodes(ready: Any, other: Any) -> None:
    """Timesteps, eta, rescale and the temperature of the noise, with only cfg set by hand."""
    prompt = {
        **sample(**LEFT, spacing=OWN),
        "7": node("ToonRescaleGuidance", model=["1", 0], guidance_rescale=-1),
        "8": node("ToonScheduleSigmas", model=["1", 0], steps=0, spacing=OWN),
        "9": node("ToonDDIMSampler", eta=-1),
        "10": node("ToonMakeNoise", seed=123),
        "11": node("CFGGuider", model=["7", 0], positive=["4", 0], negative=["4", 1], cfg=2.0),
        "12": node(
            "SamplerCustomAdvanced",
            noise=["10", 0],
            guider=["11", 0],
            sampler=["9", 0],
            sigmas=["8", 0],
            latent_image=["4", 3],
        ),
    }
    run = ready.run(prompt, keep=["5", "12"])
    assert run.success, run.error
    assert deviation(run.value("12")["samples"], run.value("5")["samples"]) < 1e-3
    assert run.said("7")[-1:] == ["The model's own: guidance_rescale 0.2"]
    assert run.said("8")[-1:] == ["The model's own: steps 3, spacing uniform_trailing"]


def test_three_branches_take_the_image_from_cfg_scale_where_the_model_has_none(
    ready: Any, other: Any
) -> None:
    links = {"model": ["1", 0], "positive": ["4", 0], "image_only": ["4", 2], "negative": ["4", 1]}
    prompt = {"7": node("ToonGuideBranches", **links, cfg_scale=0, cfg_image=-1)}
    guider = ready.run(prompt, keep=["7"]).value("7")
    assert (guider.cfg_scale, guider.cfg_image) == (2.0, 2.0)
    prompt["7"]["inputs"] |= {"cfg_scale": 5.0, "cfg_image": 0.0}
    guider = ready.run(prompt, keep=["7"]).value("7")
    assert (guider.cfg_scale, guider.cfg_image) == (5.0, 0.0)


def test_keys_are_encoded_to_the_models_size(comfy: Comfy) -> None:
    prompt = encode(
        comfy, picture(1, (96, 160)), picture(2, (96, 160)), width=0, height=0, length=0
    )
    prompt["1"]["inputs"]["file"] = "nano (built in)"
    prompt["4"]["inputs"]["fs"] = 0
    run = comfy.run(prompt, keep=["4"])
    assert run.success, run.error
    assert run.value("4", 3)["samples"].shape == (1, 4, 16, 16, 16)
    assert run.value("4")[0][1]["fs"] == nano().recipe.fps == 24
    assert "width 128, height 128, length 16, fs 24" in run.said("4")[-1]


@pytest.mark.parametrize(
    ("widget", "value"),
    [("eta", -0.5), ("cfg_scale", 0.5), ("temperature", -0.9), ("guidance_rescale", -0.05)],
)
def test_a_number_between_the_models_own_and_the_range_is_refused(
    ready: Any, widget: str, value: float
) -> None:
    error = ready.run(sample(**{widget: value}), keep=["5"]).error
    assert f"{widget} = {value}: expected" in error and "for the model's own" in error
