"""The dual-reference decoder as a node."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

import torch
from comfy_api.latest import io
from einops import rearrange
from torch import Tensor

from ..toon_core.presets import turbo
from ..toon_core.recipe import Recipe
from ..toon_core.vae.clips import decode
from . import finite, host, memory, recipe, tensors
from .schema import BETWEEN, schema
from .types import AutoencoderType, Clip, LoadedAutoencoder, clip_of

LOW_MEMORY = ["auto", "on", "off"]


class ToonDecode(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return schema(
            node_id="ToonDecode",
            display_name="Toon Decode",
            search_aliases=["vae decode", "dual-reference decoder", *BETWEEN],
            advanced=["replace_middle_frames", "low_memory", "keep_still"],
            category="ToonTween",
            description="Decodes a clip with the detail of both key frames, and undoes the fit.",
            inputs=[
                io.Latent.Input("latent", tooltip="A clip from Toon Sample or another sampler."),
                AutoencoderType.Input("toon_vae", tooltip="From Toon Load Model."),
                io.Combo.Input(
                    "replace_middle_frames",
                    options=recipe.SWITCH,
                    default=recipe.OWN,
                    tooltip="The release takes the two middle frames from a second decode. off "
                    "takes half the time and changes only those two frames; the model's own is off "
                    "for a clip sampled with turbo.",
                ),
                io.Combo.Input(
                    "low_memory",
                    options=LOW_MEMORY,
                    default="auto",
                    tooltip="Work one frame at a time: the same picture with less memory. auto "
                    "does so when all frames together would not fit; off only after they did not.",
                ),
                recipe.keep_still_input(),
            ],
            outputs=[
                io.Image.Output(
                    display_name="images",
                    tooltip="The frames, key frames included; clip after clip for a batch.",
                )
            ],
        )

    @classmethod
    def validate_inputs(
        cls, replace_middle_frames: str, low_memory: str, keep_still: str = recipe.OWN
    ) -> bool | str:
        return host.listed(
            cls,
            replace_middle_frames=replace_middle_frames,
            low_memory=low_memory,
            keep_still=keep_still,
        )

    @classmethod
    def execute(
        cls,
        latent: dict[str, Any],
        toon_vae: LoadedAutoencoder,
        replace_middle_frames: str,
        low_memory: str,
        keep_still: str = recipe.OWN,
    ) -> io.NodeOutput:
        clip, z = clip_of(latent), latent["samples"]
        _check(clip, z, toon_vae)
        own = toon_vae.config.recipe
        own = turbo(own) if clip.turbo else own
        switches = {"replace_middle_frames": replace_middle_frames, "keep_still": keep_still}
        r = recipe.settled(own, **switches)
        frames = finite.made_again(
            toon_vae,
            finite.DECODER,
            lambda: Decoding(toon_vae, clip, z, r).run(low_memory),
            lambda made: [made],
        )
        flat = rearrange(frames, "b c f h w -> (b f) c h w")
        return io.NodeOutput(tensors.to_comfy(clip.fit.undo(host.to_intermediate(flat).float())))


def _check(clip: Clip, z: Tensor, loaded: LoadedAutoencoder) -> None:
    config = loaded.config.vae
    widths = [config.ch * m for m in config.ch_mult]
    if [r.shape[1] for r in clip.references[:-1]] != widths:
        raise ValueError(
            "The key frames were encoded with another autoencoder than toon_vae: connect the same "
            "Toon Load Model to Toon Encode Keys and Toon Decode."
        )
    if not torch.isfinite(z).all():
        raise ValueError(
            "The LATENT holds NaN or infinite values, which the denoiser (UNet) made while it was "
            "sampled. Try weight_dtype = bf16 or fp32 in Toon Load Model; else a lower cfg."
        )


class Decoding:
    """One clip to frames (b 3 f h w)."""

    def __init__(
        self,
        loaded: LoadedAutoencoder,
        clip: Clip,
        z: Tensor,
        r: Recipe,
        show: Callable[[float], None] | None = None,
    ) -> None:
        """show(part done): in place of a bar on the node."""
        self.loaded, self.clip, self.z, self.recipe, self.show = loaded, clip, z, r, show
        self.device, self.dtype = loaded.patcher.load_device, loaded.module.dtype
        count = (z.shape[0], z.shape[2], clip.fit.target)
        self.whole = memory.decode(loaded, *count)
        self.streamed = memory.decode(loaded, *count, streamed=True)

    def run(self, low_memory: str) -> Tensor:
        if low_memory != "on":
            host.load([self.loaded.patcher], self.whole, least=self.streamed)
            if low_memory == "off" or host.free_memory(self.device) >= self.whole:
                try:
                    return self._frames(None)
                except Exception as error:
                    if not host.is_out_of_memory(error):
                        raise
                host.give_memory_back()  # not inside `except`: the error holds on to the tensors
                host.say(
                    "All frames together were too much for the memory, so they were decoded one "
                    "at a time: the same picture, slower. low_memory = on does so at once.",
                    level=logging.WARNING,
                )
            else:
                host.say(
                    f"{host.free_memory(self.device) / 2**30:.1f} GiB are free and all frames "
                    f"together take {self.whole / 2**30:.1f}, so they are decoded one at a time: "
                    "the same picture."
                )
        host.load([self.loaded.patcher], self.streamed)
        return self._frames(1)

    def _frames(self, at_once: int | None) -> Tensor:
        references = [r.to(self.device, self.dtype) for r in self.clip.references]
        return decode(
            self.loaded.module,
            self.z.to(self.device, self.dtype),
            references,
            self.recipe.replace_middle_frames,
            at_once,
            self.clip.keys if self.recipe.keep_still else None,
            self.show or host.progress(),
        )
