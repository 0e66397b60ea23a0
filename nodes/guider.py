"""Guidance with three branches for ComfyUI's samplers (architecture.md 8.3)."""

from __future__ import annotations

from typing import Any

import comfy.samplers
from torch import Tensor

from ..toon_core.guidance import guide


class ThreeBranchGuider(comfy.samplers.CFGGuider):
    """v_u + g_img (v_i - v_u) + g (v_c - v_i). The weights add up to 1, so that it is the same
    on the x0-predictions that ComfyUI works with."""

    UNREAD = (
        *("sampler_cfg_function", "sampler_pre_cfg_function"),
        "sampler_calc_cond_batch_function",
    )

    def __init__(self, model: Any, cfg_scale: float, cfg_image: float) -> None:
        super().__init__(model)
        self.cfg_scale, self.cfg_image = cfg_scale, cfg_image

    def set_branches(self, positive: Any, image_only: Any, negative: Any) -> None:
        self.inner_set_conds({"positive": positive, "image_only": image_only, "negative": negative})

    def predict_noise(
        self, x: Tensor, timestep: Tensor, model_options: Any = None, seed: int | None = None
    ) -> Tensor:
        options = model_options or {}
        conds = [self.conds[k] for k in ("positive", "negative", "image_only")]
        cond, uncond, image = comfy.samplers.calc_cond_batch(
            self.inner_model, conds, x, timestep, options
        )
        guided = guide(cond, uncond, self.cfg_scale, image, self.cfg_image)
        args = {
            "cond": conds[0],
            "uncond": conds[1],
            "cond_scale": self.cfg_scale,
            "model": self.inner_model,
            "cond_denoised": cond,
            "uncond_denoised": uncond,
            "sigma": timestep,
            "model_options": options,
            "input": x,
        }
        for patch in options.get("sampler_post_cfg_function", []):
            guided = patch({**args, "denoised": guided})
        return guided
