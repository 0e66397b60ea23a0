"""The published sampler as a node."""

from __future__ import annotations

import logging
from dataclasses import replace
from typing import Any

import comfy.model_management as mm
import comfy.utils
import latent_preview
import torch
from comfy_api.latest import io
from torch import Tensor

from ..toon_core import pipeline
from ..toon_core.denoiser import Denoiser
from ..toon_core.devices import moved
from ..toon_core.guidance import Branches
from ..toon_core.presets import RELEASED
from ..toon_core.recipe import Recipe
from ..toon_core.samplers.ddim import Progress, ddim
from . import compiled, finite, host, notices, plan, recipe
from .model import check_tokens, frame_rate, native
from .model_sampling import sampling_of
from .noise import sampling_draws
from .plan import Plan
from .schema import BETWEEN, CARTOON, schema
from .sketch_patch import Sketches, sketches_of
from .types import CLIP_KEY, TOKENS_KEY, clip_of

log = logging.getLogger("toon.nodes")


class ToonSample(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return schema(
            node_id="ToonSample",
            display_name="Toon Sample",
            search_aliases=[*BETWEEN, *CARTOON, "ksampler", "sampler"],
            advanced=["eta", "spacing", "guidance_rescale", "cfg_image", "temperature"],
            category="ToonTween",
            description="Samples a clip as the release does: DDIM with the dynamic rescale. By "
            "default every value is the model's own: the published recipe for the official file.",
            inputs=_inputs(),
            outputs=[
                io.Latent.Output(
                    display_name="latent", tooltip="The sampled clip, for Toon Decode."
                )
            ],
        )

    @classmethod
    def validate_inputs(cls, spacing: str) -> bool | str:
        return host.listed(cls, spacing=spacing)

    @classmethod
    def execute(
        cls,
        model: Any,
        positive: Any,
        negative: Any,
        latent: dict[str, Any],
        steps: int,
        eta: float,
        spacing: str,
        cfg_scale: float,
        guidance_rescale: float,
        seed: int,
        cfg_image: float = -1.0,
        image_only: Any = None,
        temperature: float = -1.0,
        turbo: bool = False,
    ) -> io.NodeOutput:
        inner = native(model)
        r = recipe.settled(
            recipe.of_model(model, turbo),
            steps=steps,
            eta=eta,
            spacing=spacing,
            cfg_scale=cfg_scale,
            guidance_rescale=guidance_rescale,
            cfg_image=cfg_image,
            temperature=temperature,
        )
        if r.cfg_image and image_only is None:
            raise ValueError(
                f"cfg_image = {r.cfg_image:g} needs the image_only output of Toon Encode Keys "
                "connected; 0 turns it off."
            )
        run = Sampling(model, inner, latent, (positive, negative, image_only), r)
        samples, clip = run.sample(seed), replace(clip_of(latent), turbo=turbo)
        return io.NodeOutput({**latent, "samples": samples, CLIP_KEY: clip})


class Sampling:
    """One clip: loads the model, and makes a denoiser of it while it stays."""

    def __init__(self, patcher, inner, latent, conditionings, r: Recipe) -> None:
        self.patcher, self.inner, self.recipe = patcher, inner, r
        self.guidance = pipeline.guidance_of(replace(r, cfg_image=r.cfg_image or None))
        self.table = sampling_of(patcher).schedule.ddim(r.steps, r.spacing, r.eta)
        self.shape = clip_of(latent).shape
        names = ("positive", "negative", "image_only")
        pairs = zip(conditionings, names, strict=True)
        found: list[Any] = [None if c is None else _single(c, n) for c, n in pairs]
        for tokens, values in filter(None, found):
            check_tokens(tokens, values.get(TOKENS_KEY), inner.toon.unet.context_dim)
        self.tokens: list[Any] = [c and c[0] for c in found]
        self.values = found[0][1]
        self.fs = frame_rate(self.values.get("fs"))
        carried = {"model": notices.of_model(patcher), "latent": latent}
        carried |= {n: f[1] for n, f in zip(names, found, strict=True) if f}
        if told := notices.ignored(carried):
            log.warning(told)

    def sample(self, seed: int, after: Progress | None = None) -> Tensor:
        """Unscaled latents (b z f h w). after(i, total, x0, x): what follows each step in place of
        a preview and a bar on the node."""
        device = self.patcher.load_device
        branches = len(Branches(*self.tokens).used(self.guidance))
        one = self.inner.memory_required(self.shape) + self._sketch_memory()
        models = [self.patcher, *self.patcher.get_nested_additional_models()]
        host.load(models, one * branches, least=one)
        chosen = plan.choose(
            free=host.free_memory(device),
            one=one,
            branches=branches,
            copies=self.inner.diffusion_model.packed_bytes(),
            weights=sum(m.model_size() for m in models),
            loaded=host.loaded_bytes(models),
        )
        if not on_cpu(device):
            host.say(chosen.words, level=logging.WARNING if chosen.streamed else logging.INFO)
        draw = sampling_draws(seed, self.shape)
        after = after or _bar(self.patcher, len(self.table))
        self.patcher.pre_run()
        try:
            samples = ddim(
                self._denoiser(device, chosen),
                moved(draw(self.shape), device),
                self.table,
                lambda: moved(draw(self.shape), device),
                self._after_step(after),
                self.recipe.temperature,
            )
        finally:
            self.patcher.cleanup()
        return host.to_intermediate(self.inner.process_latent_out(samples.float()))

    def _after_step(self, seen: Progress) -> Progress:
        """Waits for the device after the first step and after the last, to look for NaN."""

        def after(i: int, total: int, x0: Tensor, x: Tensor) -> None:
            host.stop_if_cancelled()
            if i in (0, total - 1):
                stored, used = self.inner.get_dtype(), self.inner.compute_dtype
                dtype = stored if stored.itemsize == 1 else used
                when, networks = f"at step {i + 1} of {total}", [self.inner.diffusion_model]
                if self._sketches:
                    when, networks = (
                        f"{when} with Toon Apply Sketch",
                        [*networks, self._sketches.encoder],
                    )
                finite.check(x, finite.DENOISER, dtype, *networks, when=when)
            seen(i, total, x0, x)

        return after

    def _sketch_memory(self) -> float:
        sketches = self._sketches
        if sketches is None:
            return 0.0
        sketches.check(self.shape)
        return sketches.memory(self.shape, mm.dtype_size(self.inner.compute_dtype))

    @property
    def _sketches(self) -> Sketches | None:
        return sketches_of(self.patcher.model_options["transformer_options"])

    def _denoiser(self, device: torch.device, chosen: Plan) -> Denoiser:
        dtype, clips = self.inner.compute_dtype, self.shape[0]
        noise = torch.empty(self.shape, device=device)
        concat = self.inner.concat_cond(noise=noise, **self.values).to(dtype)
        tokens: list[Any] = [
            t if t is None else _spread(t, clips).to(device, dtype) for t in self.tokens
        ]
        fs = torch.full((clips,), self.fs, device=device)
        sketches = self._sketches
        control = None if sketches is None else sketches.control(device, dtype)
        return Denoiser(
            compiled.unet_of(self.patcher, self.inner.compiled),
            concat,
            Branches(*tokens),
            fs,
            self.guidance,
            control=control,
            batched=chosen.batched,
            packed=chosen.packed,
            steps=self.table.timesteps,
            reuse=self.recipe.reuse,
        )


def on_cpu(device: torch.device) -> bool:
    return device.type == "cpu"


def _bar(patcher: Any, steps: int) -> Progress:
    show = latent_preview.prepare_callback(patcher, steps)
    return lambda i, total, x0, x: show(i, x0, x, total)


def _single(conditioning: Any, name: str) -> tuple[Tensor, dict[str, Any]]:
    if len(conditioning) != 1:
        raise ValueError(
            f"{name} holds {len(conditioning)} conditionings: Toon Sample takes one. Areas, masks "
            "and schedules work in KSampler."
        )
    return conditioning[0][0], conditioning[0][1]


def _spread(tokens: Tensor, clips: int) -> Tensor:
    return comfy.utils.repeat_to_batch_size(tokens, clips)


def _inputs() -> list:
    return [
        io.Model.Input(
            "model", tooltip="From Toon Load Model, with or without LoRA and Toon Apply Sketch."
        ),
        io.Conditioning.Input("positive", tooltip="From Toon Encode Keys."),
        io.Conditioning.Input("negative", tooltip="From Toon Encode Keys."),
        io.Latent.Input("latent", tooltip="From Toon Encode Keys."),
        recipe.steps_input("How many steps. Each costs the same time; the release takes 50."),
        recipe.eta_input(),
        recipe.spacing_input(),
        recipe.cfg_scale_input(),
        recipe.guidance_rescale_input(),
        io.Int.Input(
            "seed",
            default=RELEASED.seed,
            min=0,
            max=0xFFFFFFFFFFFFFFFF,
            control_after_generate=True,
            tooltip="The random numbers. The same on every device.",
        ),
        io.Float.Input(
            "cfg_image",
            default=-1.0,
            min=-1.0,
            max=30.0,
            step=0.1,
            tooltip="A guidance of its own for the image, with a third branch: needs image_only. "
            "0 turns it off. -1: the model's own, which is off for every known model.",
        ),
        io.Conditioning.Input(
            "image_only", optional=True, tooltip="From Toon Encode Keys; for cfg_image."
        ),
        recipe.temperature_input(
            "Factor of the noise: 1 as the release; lower values give calmer and surer pictures "
            "and less variety between seeds. Small models like nano need about 0.5."
        ),
        recipe.turbo_input(
            "Toon Decode then decodes once where its widget leaves that to the model."
        ),
    ]
