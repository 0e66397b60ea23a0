"""Nodes for ComfyUI's own samplers: the release's timesteps, noise, sampler and branches."""

from __future__ import annotations

from typing import Any

import comfy.samplers
from comfy_api.latest import io

from ..toon_core.presets import RELEASED
from . import host, recipe
from .ddim import sample_ddim
from .guider import ThreeBranchGuider
from .model import native
from .model_sampling import sampling_of
from .noise import ReleaseNoise
from .schema import schema
from .types import NATIVE


class ToonScheduleSigmas(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return schema(
            node_id="ToonScheduleSigmas",
            display_name="Toon Schedule Sigmas",
            search_aliases=["scheduler", "timesteps"],
            advanced=["spacing"],
            category=NATIVE,
            description="The release's timesteps for SamplerCustom. With euler they give what "
            "Toon Sample gives at eta 0, with Toon DDIM Sampler what it gives at any eta.",
            inputs=[
                io.Model.Input("model", tooltip="From Toon Load Model."),
                recipe.steps_input("How many steps. With uniform spacing it can be a few more."),
                recipe.spacing_input(),
            ],
            outputs=[
                io.Sigmas.Output(
                    display_name="sigmas", tooltip="One more than steps; the last is not zero."
                )
            ],
        )

    @classmethod
    def validate_inputs(cls, spacing: str) -> bool | str:
        return host.listed(cls, spacing=spacing)

    @classmethod
    def execute(cls, model: Any, steps: int, spacing: str) -> io.NodeOutput:
        own, sampling = native(model).toon.recipe, sampling_of(model)
        r = recipe.settled(own, steps=steps, spacing=spacing)
        return io.NodeOutput(sampling.ddim_sigmas(sampling.schedule.ddim(r.steps, r.spacing, 0.0)))


class ToonDDIMSampler(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return schema(
            node_id="ToonDDIMSampler",
            display_name="Toon DDIM Sampler",
            search_aliases=["sampler", "dynamicrafter"],
            category=NATIVE,
            description="The release's sampler for SamplerCustomAdvanced.",
            inputs=[recipe.eta_input()],
            outputs=[
                io.Sampler.Output(display_name="sampler", tooltip="For SamplerCustomAdvanced.")
            ],
        )

    @classmethod
    def execute(cls, eta: float) -> io.NodeOutput:
        return io.NodeOutput(comfy.samplers.KSAMPLER(sample_ddim, {"eta": eta}))


class ToonMakeNoise(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return schema(
            node_id="ToonMakeNoise",
            display_name="Toon Make Noise",
            search_aliases=["random noise", "seed"],
            category=NATIVE,
            description="The noise that Toon Sample starts from, for SamplerCustomAdvanced. "
            "Random Noise works as well and gives another clip.",
            inputs=[
                io.Int.Input(
                    "seed",
                    default=RELEASED.seed,
                    min=0,
                    max=0xFFFFFFFFFFFFFFFF,
                    control_after_generate=True,
                    tooltip="The seed of Toon Sample that is to be repeated.",
                )
            ],
            outputs=[io.Noise.Output(display_name="noise", tooltip="For SamplerCustomAdvanced.")],
        )

    @classmethod
    def execute(cls, seed: int) -> io.NodeOutput:
        return io.NodeOutput(ReleaseNoise(seed))


class ToonGuideBranches(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return schema(
            node_id="ToonGuideBranches",
            display_name="Toon Guide Branches",
            search_aliases=["cfg", "guider", "dual cfg"],
            category=NATIVE,
            description="Guidance with three branches for SamplerCustomAdvanced: the image and "
            "the prompt each have a strength.",
            inputs=[
                io.Model.Input("model", tooltip="From Toon Load Model."),
                io.Conditioning.Input("positive", tooltip="From Toon Encode Keys."),
                io.Conditioning.Input("image_only", tooltip="From Toon Encode Keys."),
                io.Conditioning.Input("negative", tooltip="From Toon Encode Keys."),
                recipe.cfg_scale_input(),
                io.Float.Input(
                    "cfg_image",
                    default=-1.0,
                    min=-1.0,
                    max=30.0,
                    step=0.1,
                    tooltip="How strongly the first image is followed. -1: the model's own, or "
                    "the value of cfg_scale where the model has none, as the release.",
                ),
            ],
            outputs=[io.Guider.Output(display_name="guider", tooltip="For SamplerCustomAdvanced.")],
        )

    @classmethod
    def execute(
        cls,
        model: Any,
        positive: Any,
        image_only: Any,
        negative: Any,
        cfg_scale: float,
        cfg_image: float,
    ) -> io.NodeOutput:
        r = recipe.settled(native(model).toon.recipe, cfg_scale=cfg_scale, cfg_image=cfg_image)
        cfg_image = r.cfg_scale if r.cfg_image is None else r.cfg_image
        guider = ThreeBranchGuider(model, r.cfg_scale, cfg_image)
        guider.set_branches(positive, image_only, negative)
        return io.NodeOutput(guider)
