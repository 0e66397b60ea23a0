"""The node that turns two key frames and a prompt into what the model is conditioned on."""

from __future__ import annotations

import logging
from typing import Any

import torch
from comfy_api.latest import io
from torch import Tensor

from ..toon_core.presets import RELEASED
from . import alpha, host, keys, recipe, remarks
from .clips import encoders
from .schema import BETWEEN, CARTOON, schema
from .types import (
    CLIP_KEY,
    AutoencoderType,
    Clip,
    ConditionerType,
    LoadedAutoencoder,
    LoadedConditioner,
)


class ToonEncodeKeys(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return schema(
            node_id="ToonEncodeKeys",
            display_name="Toon Encode Keys",
            search_aliases=[*BETWEEN, *CARTOON, "first last frame", "start end image"],
            advanced=["fs", "fit"],
            category="ToonTween",
            description="Encodes the first and the last frame and the prompt. One clip for each "
            "pair of images of the two batches.",
            inputs=_inputs(),
            outputs=_outputs(),
        )

    @classmethod
    def validate_inputs(cls, fit: str, fill: str | None = None) -> bool | str:
        try:
            fill is None or alpha.colour(fill)
        except ValueError as error:
            return str(error)
        return host.listed(cls, fit=fit)

    @classmethod
    def execute(
        cls,
        conditioner: LoadedConditioner,
        toon_vae: LoadedAutoencoder,
        first_image: Tensor,
        last_image: Tensor,
        prompt: str,
        negative_prompt: str,
        width: int,
        height: int,
        length: int,
        fs: int,
        fit: str,
        seed: int,
        clip: Any = None,
        clip_vision: Any = None,
        positive_text: Any = None,
        negative_text: Any = None,
        first_mask: Tensor | None = None,
        last_mask: Tensor | None = None,
        fill: str = alpha.FILL,
    ) -> io.NodeOutput:
        first_image = _filled(first_image, first_mask, fill, "first_image")
        last_image = _filled(last_image, last_mask, fill, "last_image")
        first, last = keys.pair(first_image, last_image)
        own_size = fit in keys.OWN_SIZE
        if own_size and (width or height):
            raise ValueError(
                f"fit = {fit} takes the size of the images, but width = {width} and height = "
                f"{height}: set both to 0, or choose another fit."
            )
        size = {} if own_size else {"width": width, "height": height}
        r = recipe.settled(conditioner.config.recipe, **size, length=length, fs=fs)
        placed = keys.fit_of(first, (r.height, r.width), fit)
        fits = keys.both_fits(placed, last)
        for remark in remarks.fits(*fits):
            host.say(remark, level=logging.WARNING)
        show = host.progress(steps=2)
        text, image = encoders(conditioner, clip, clip_vision, positive_text, negative_text)
        branches = keys.token_branches(conditioner, text, image, first, prompt, negative_prompt)
        show(0.5)
        pictures = fits[0].apply(first), fits[1].apply(last)
        encoded = keys.key_latents(toon_vae, pictures, r.frames, seed)
        show(1.0)
        latents = host.to_intermediate(encoded.concat)
        shared = {"concat_latent_image": latents, "fs": r.fps}
        references = [host.to_intermediate(r) for r in encoded.references]
        carried = Clip(
            references=references, fit=fits[0], shape=tuple(latents.shape), keys=pictures
        )
        latent = {"samples": torch.zeros_like(latents), CLIP_KEY: carried}
        tokens: tuple[Any, ...] = (branches.cond, branches.uncond, branches.image)
        return io.NodeOutput(*(keys.conditioning(t, shared) for t in tokens), latent)


def _filled(images: Tensor, mask: Tensor | None, fill: str, name: str) -> Tensor:
    made, part = alpha.filled(images, mask, fill, name)
    if part > 0:
        host.say(remarks.transparent(name, part, fill), level=logging.WARNING)
    return made


def _inputs() -> list:
    return [
        ConditionerType.Input("conditioner", tooltip="From Toon Load Model."),
        AutoencoderType.Input("toon_vae", tooltip="From Toon Load Model."),
        io.Image.Input(
            "first_image",
            tooltip="The first key frame, of any size. It alone also describes the scene to the "
            "model. A batch makes one clip for each image.",
        ),
        io.Image.Input("last_image", tooltip="The last key frame; fitted to the same size."),
        io.String.Input(
            "prompt",
            multiline=True,
            default="",
            tooltip="What happens between the frames, in English. The first 77 tokens count.",
        ),
        io.String.Input(
            "negative_prompt",
            multiline=True,
            default="",
            tooltip="What to avoid. The release leaves it empty.",
        ),
        io.Int.Input(
            "width",
            default=0,
            min=0,
            max=8192,
            step=64,
            tooltip="Width of the clip in pixels, a multiple of 64. 0: the model's own.",
        ),
        io.Int.Input(
            "height",
            default=0,
            min=0,
            max=8192,
            step=64,
            tooltip="Height of the clip in pixels, a multiple of 64. 0: the model's own.",
        ),
        io.Int.Input(
            "length",
            default=0,
            min=0,
            max=256,
            tooltip="Frames of the clip, both keys included. 0: the model's own, which is 16 for "
            "every known model.",
        ),
        io.Int.Input(
            "fs",
            default=0,
            min=0,
            max=60,
            tooltip="The frame rate that the model is given, 5 to 30: a lower one means larger "
            "motion. It does not change the number of frames. 0: the model's own.",
        ),
        io.Combo.Input(
            "fit",
            options=list(keys.FITS),
            default="crop",
            tooltip="How images of another shape come to the size. crop: the release's way, "
            "scaled and centre cropped, with bars where too small. pad: all of the picture with "
            "bars, which Toon Decode cuts off. stretch: distorted, which Toon Decode undoes. "
            "... to own size: not scaled; the clip has the first image's size, brought to "
            "multiples of 64 by bars, by a cut or by stretching.",
        ),
        io.Int.Input(
            "seed",
            default=RELEASED.seed,
            min=0,
            max=0xFFFFFFFFFFFFFFFF,
            tooltip="For the small noise in the key latents. The release uses one seed for "
            "everything: give Toon Sample the same.",
        ),
        io.Clip.Input(
            "clip",
            optional=True,
            tooltip="For pruned files: the OpenCLIP ViT-H text encoder (Stable Diffusion 2). It "
            "takes the place of the file's own.",
        ),
        io.ClipVision.Input(
            "clip_vision",
            optional=True,
            tooltip="For pruned files: the CLIP ViT-H image encoder. It takes the place of the "
            "file's own.",
        ),
        io.Conditioning.Input(
            "positive_text",
            optional=True,
            tooltip="Text from another node, in place of the prompt. Cut to its first 77 tokens.",
        ),
        io.Conditioning.Input(
            "negative_text",
            optional=True,
            tooltip="Text from another node, in place of the negative prompt; without any text "
            "encoder also in place of the empty prompt of image_only.",
        ),
        io.Mask.Input(
            "first_mask",
            optional=True,
            tooltip="Where first_image is transparent: the MASK of its Load Image, which drops "
            "transparency from the image itself. These places get the colour of fill.",
        ),
        io.Mask.Input(
            "last_mask", optional=True, tooltip="Where last_image is transparent; as first_mask."
        ),
        io.String.Input(
            "fill",
            default=alpha.FILL,
            optional=True,
            tooltip="The colour behind transparent places of the keys, by the masks or by an "
            "alpha channel: a name like white, or #rrggbb.",
        ),
    ]


def _outputs() -> list:
    return [
        io.Conditioning.Output(
            display_name="positive", tooltip="Prompt, image tokens of the first key, both keys."
        ),
        io.Conditioning.Output(
            display_name="negative",
            tooltip="Negative prompt, image tokens of a grey image, both keys.",
        ),
        io.Conditioning.Output(
            display_name="image_only",
            tooltip="Empty prompt, image tokens of the first key, both keys: the middle branch of "
            "guidance with three branches.",
        ),
        io.Latent.Output(
            display_name="latent",
            tooltip="An empty clip to sample. It carries the key frames' features to Toon Decode.",
        ),
    ]
