"""Nodes for ComfyUI's own samplers: the release's timesteps, noise, sampler and guidance."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import comfy.samplers
from comfy_api.latest import io

from ..toon_core.guidance import rescale
from ..toon_core.presets import RELEASED
from ..toon_core.schedule import Schedule
from . import host
from .ddim import sample_ddim
from .guider import ThreeBranchGuider
from .model import native
from .model_sampling import ToonModelSampling, sampling_of
from .noise import ReleaseNoise
from .widgets import SPACINGS, temperature_input

CATEGORY = "ToonTween/native sampling"
R = RELEASED


class ToonScheduleSigmas(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="ToonScheduleSigmas",
            display_name="Toon Schedule Sigmas",
            category=CATEGORY,
            description="The release's timesteps for SamplerCustom. With euler they give what "
            "Toon Sample gives at eta 0, with Toon DDIM Sampler what it gives at any eta.",
            inputs=[
                io.Model.Input("model", tooltip="From Toon Load Model."),
                io.Int.Input(
                    "steps",
                    default=R.steps,
                    min=1,
                    max=1000,
                    tooltip="How many steps. With uniform spacing it can become a few more.",
                ),
                io.Combo.Input(
                    "spacing",
                    options=SPACINGS,
                    default=R.spacing,
                    tooltip="Which timesteps are taken: uniform_trailing begins at the last one.",
                ),
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
        native(model)
        sampling = sampling_of(model)
        return io.NodeOutput(sampling.ddim_sigmas(sampling.schedule.ddim(steps, spacing, 0.0)))


class ToonDDIMSampler(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="ToonDDIMSampler",
            display_name="Toon DDIM Sampler",
            category=CATEGORY,
            description="The release's sampler for SamplerCustomAdvanced.",
            inputs=[
                io.Float.Input(
                    "eta",
                    default=R.eta,
                    min=0.0,
                    max=1.0,
                    step=0.05,
                    tooltip="Fresh noise at each step: 1 as the release, 0 for none.",
                )
            ],
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
        return io.Schema(
            node_id="ToonMakeNoise",
            display_name="Toon Make Noise",
            category=CATEGORY,
            description="The noise that Toon Sample starts from, for SamplerCustomAdvanced. "
            "Random Noise works as well and gives another clip.",
            inputs=[
                io.Int.Input(
                    "seed",
                    default=R.seed,
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


class ToonRescaleGuidance(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="ToonRescaleGuidance",
            display_name="Toon Rescale Guidance",
            category=CATEGORY,
            description="The release's guidance rescale for ComfyUI's samplers: over all of a "
            "clip's axes, on the v-prediction. Toon Sample has its own.",
            inputs=[
                io.Model.Input("model", tooltip="From Toon Load Model."),
                io.Float.Input(
                    "guidance_rescale",
                    default=R.guidance_rescale,
                    min=0.0,
                    max=1.0,
                    step=0.05,
                    tooltip="Brings the contrast back that a high cfg adds; 0 turns it off.",
                ),
            ],
            outputs=[io.Model.Output(display_name="model", tooltip="For KSampler or a guider.")],
        )

    @classmethod
    def execute(cls, model: Any, guidance_rescale: float) -> io.NodeOutput:
        native(model)
        sampling_of(model)
        clone = model.clone()
        clone.set_model_sampler_post_cfg_function(_rescaled(guidance_rescale))
        return io.NodeOutput(clone)


def _rescaled(amount: float):
    """x0-predictions in and out; v is an affine function of them, so guidance on one is guidance
    on the other, but their standard deviations are not."""

    def post(args: dict[str, Any]):
        sampling, sigma, x = args["model"].model_sampling, args["sigma"], args["input"]
        guided, cond = (
            sampling.v_from_denoised(sigma, args[k], x) for k in ("denoised", "cond_denoised")
        )
        return sampling.calculate_denoised(sigma, rescale(guided, cond, amount), x)

    return post


class ToonSetSchedule(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="ToonSetSchedule",
            display_name="Toon Set Schedule",
            category=CATEGORY,
            description="Turns the dynamic rescale off, with which the model was trained, to "
            "compare with plain DDIM and ComfyUI's ancestral samplers; sets the temperature of "
            "samplers that have no such setting.",
            inputs=[
                io.Model.Input("model", tooltip="From Toon Load Model."),
                io.Boolean.Input(
                    "dynamic_rescale",
                    default=True,
                    tooltip="On as the release; off scales the clean latents by 1 throughout.",
                ),
                temperature_input(
                    "Factor of the noise that KSampler starts from, and of all of Toon DDIM "
                    "Sampler's; Toon Sample multiplies its own with it. 1 as the release."
                ),
            ],
            outputs=[io.Model.Output(display_name="model", tooltip="For any sampler.")],
        )

    @classmethod
    def execute(cls, model: Any, dynamic_rescale: bool, temperature: float = 1.0) -> io.NodeOutput:
        config = native(model).toon.schedule
        if not dynamic_rescale:
            config = replace(config, base_scale=1.0)
        clone = model.clone()
        sampling = ToonModelSampling(Schedule(config), temperature)
        clone.add_object_patch("model_sampling", sampling)
        return io.NodeOutput(clone)


class ToonGuideBranches(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="ToonGuideBranches",
            display_name="Toon Guide Branches",
            category=CATEGORY,
            description="Guidance with three branches for SamplerCustomAdvanced: the image and "
            "the prompt each have a strength.",
            inputs=[
                io.Model.Input("model", tooltip="From Toon Load Model."),
                io.Conditioning.Input("positive", tooltip="From Toon Encode Keys."),
                io.Conditioning.Input("image_only", tooltip="From Toon Encode Keys."),
                io.Conditioning.Input("negative", tooltip="From Toon Encode Keys."),
                io.Float.Input(
                    "cfg_scale",
                    default=R.cfg_scale,
                    min=1.0,
                    max=30.0,
                    step=0.1,
                    tooltip="How strongly the prompt is followed.",
                ),
                io.Float.Input(
                    "cfg_image",
                    default=R.cfg_scale if R.cfg_image is None else R.cfg_image,
                    min=0.0,
                    max=30.0,
                    step=0.1,
                    tooltip="How strongly the first image is followed; the release takes the "
                    "value of cfg_scale.",
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
        native(model)
        guider = ThreeBranchGuider(model, cfg_scale, cfg_image)
        guider.set_branches(positive, image_only, negative)
        return io.NodeOutput(guider)
