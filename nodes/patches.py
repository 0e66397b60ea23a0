"""Nodes that patch a MODEL for ComfyUI's own samplers: guidance rescale, and the schedule."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from comfy_api.latest import io

from ..toon_core.guidance import rescale
from ..toon_core.schedule import Schedule
from . import recipe
from .model import native
from .model_sampling import ToonModelSampling, sampling_of
from .schema import schema
from .types import NATIVE


class ToonRescaleGuidance(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return schema(
            node_id="ToonRescaleGuidance",
            display_name="Toon Rescale Guidance",
            search_aliases=["rescale cfg", "guidance rescale"],
            category=NATIVE,
            description="The release's guidance rescale for ComfyUI's samplers: over all of a "
            "clip's axes, on the v-prediction. Toon Sample has its own.",
            inputs=[
                io.Model.Input("model", tooltip="From Toon Load Model."),
                recipe.guidance_rescale_input(),
            ],
            outputs=[io.Model.Output(display_name="model", tooltip="For KSampler or a guider.")],
        )

    @classmethod
    def execute(cls, model: Any, guidance_rescale: float) -> io.NodeOutput:
        own = native(model).toon.recipe
        sampling_of(model)
        r = recipe.settled(own, guidance_rescale=guidance_rescale)
        clone = model.clone()
        clone.set_model_sampler_post_cfg_function(cls._rescaled(r.guidance_rescale))
        return io.NodeOutput(clone)

    @staticmethod
    def _rescaled(amount: float):
        """x0-predictions in and out; v is an affine function of them, so guidance on one is
        guidance on the other, but their standard deviations are not."""

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
        return schema(
            node_id="ToonSetSchedule",
            display_name="Toon Set Schedule",
            search_aliases=["dynamic rescale", "temperature", "model sampling"],
            category=NATIVE,
            description="Turns the dynamic rescale off, with which the model was trained, to "
            "compare with plain DDIM and ComfyUI's ancestral samplers; sets another temperature "
            "than the model's own for samplers that have no such setting.",
            inputs=[
                io.Model.Input("model", tooltip="From Toon Load Model."),
                io.Boolean.Input(
                    "dynamic_rescale",
                    default=True,
                    tooltip="On as the release; off scales the clean latents by 1 throughout.",
                ),
                recipe.temperature_input(
                    "Factor of the noise that KSampler starts from, and of all of Toon DDIM "
                    "Sampler's and Toon Sample's. 1 as the release."
                ),
            ],
            outputs=[io.Model.Output(display_name="model", tooltip="For any sampler.")],
        )

    @classmethod
    def execute(cls, model: Any, dynamic_rescale: bool, temperature: float = -1.0) -> io.NodeOutput:
        toon = native(model).toon
        r = recipe.settled(toon.recipe, temperature=temperature)
        config = toon.schedule
        if not dynamic_rescale:
            config = replace(config, base_scale=1.0)
        clone = model.clone()
        sampling = ToonModelSampling(Schedule(config), r.temperature)
        clone.add_object_patch("model_sampling", sampling)
        return io.NodeOutput(clone)
