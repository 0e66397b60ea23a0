"""The node that turns two key frames and a prompt into what the model is conditioned on."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from comfy_api.latest import io
from torch import Tensor

from ..toon_core.conditioning.encode import encode_branches, encode_keys
from ..toon_core.denoiser import Branches
from ..toon_core.images import Fit
from ..toon_core.presets import RELEASED
from . import host, memory, tensors
from .clips import encoders
from .noise import posterior_noise
from .types import (
    CLIP_KEY,
    TOKENS_KEY,
    AutoencoderType,
    Clip,
    ConditionerType,
    LoadedAutoencoder,
    LoadedConditioner,
)

FITS = ["crop", "pad", "stretch"]


class ToonEncodeKeys(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="ToonEncodeKeys",
            display_name="Toon Encode Keys",
            category="ToonTween",
            description="Encodes the first and the last frame and the prompt. One clip for each "
            "pair of images of the two batches.",
            inputs=_inputs(),
            outputs=_outputs(),
        )

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
    ) -> io.NodeOutput:
        first, last = _pair(first_image, last_image)
        if length < 1:
            raise ValueError(f"length = {length}: a clip has at least 1 frame.")
        placed = _fit(first, width, height, fit)
        text, image = encoders(conditioner, clip, clip_vision, positive_text, negative_text)
        branches = _branches(conditioner, text, image, first, prompt, negative_prompt)
        keys = _keys(toon_vae, placed, first, last, length, seed)
        latents = host.to_intermediate(keys.concat)
        shared = {"concat_latent_image": latents, "fs": fs}
        carried = Clip(references=[host.to_intermediate(r) for r in keys.references], fit=placed)
        latent = {"samples": torch.zeros_like(latents), CLIP_KEY: carried}
        tokens = (branches.cond, branches.uncond, branches.image)
        return io.NodeOutput(*(_conditioning(t, shared) for t in tokens), latent)


@dataclass(frozen=True)
class _Keys:
    """Unscaled key latents (b z f h w) and the decoder's references."""

    concat: Tensor
    references: list[Tensor]


def _pair(first: Tensor, last: Tensor) -> tuple[Tensor, Tensor]:
    first = tensors.to_core(first, "first_image")
    last = tensors.to_core(last, "last_image")
    counts = {len(first), len(last)}
    if len(counts) == 2 and 1 not in counts:
        raise ValueError(
            f"first_image is a batch of {len(first)} and last_image of {len(last)}: give as many "
            "last frames as first frames, or one for all."
        )
    most = max(counts)
    return tuple(x.expand(most, -1, -1, -1) for x in (first, last))


def _fit(first: Tensor, width: int, height: int, mode: str) -> Fit:
    source = tuple(first.shape[-2:])
    if width == 0 and height == 0:
        return Fit.nearest(source, mode)
    if width == 0 or height == 0:
        raise ValueError(
            f"width = {width}, height = {height}: set both, or both to 0 for the images' own size."
        )
    return Fit(source, (height, width), mode)


def _branches(loaded, text, image, first: Tensor, prompt: str, negative: str) -> Branches:
    device, dtype = loaded.patcher.load_device, loaded.module.dtype
    host.load([loaded.patcher], memory.towers(loaded.config, len(first)), whole=True)
    branches = encode_branches(
        text,
        image,
        loaded.module.resampler,
        first.to(device, dtype),
        prompt,
        negative,
        grey=RELEASED.grey_uncond_image,
    )
    return Branches(*(host.to_intermediate(t).float() for t in vars(branches).values()))


def _keys(loaded, fit: Fit, first: Tensor, last: Tensor, length: int, seed: int) -> _Keys:
    device, dtype, config = loaded.patcher.load_device, loaded.module.dtype, loaded.config.vae
    last_fit = Fit(tuple(last.shape[-2:]), fit.target, fit.mode, fit.antialias)
    images = [f.apply(x).to(device, dtype) for f, x in ((fit, first), (last_fit, last))]
    h, w = (side // config.downsample for side in fit.target)
    noise = posterior_noise(seed, len(first), length, config.z_channels, h, w)
    host.load([loaded.patcher], memory.encode(loaded, 2 * len(first), fit.target))
    # ComfyUI's LATENT is unscaled; the model's latent format scales it.
    keys = encode_keys(loaded.module, *images, noise.to(device, dtype), scale_factor=1.0)
    return _Keys(keys.concat.float(), keys.references)


def _conditioning(tokens: Tensor, shared: dict[str, Any]) -> list:
    return [[tokens, {**shared, TOKENS_KEY: tokens.shape[1]}]]


def _inputs() -> list:
    r = RELEASED
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
            default=r.width,
            min=0,
            max=8192,
            step=64,
            tooltip="Width of the clip, a multiple of 64 (nano: 128). Both 0: the first image's "
            "own size, made multiples of 64.",
        ),
        io.Int.Input(
            "height",
            default=r.height,
            min=0,
            max=8192,
            step=64,
            tooltip="Height of the clip, a multiple of 64 (nano: 128). Both 0: the first image's "
            "own size, made multiples of 64.",
        ),
        io.Int.Input(
            "length",
            default=r.frames,
            min=1,
            max=256,
            tooltip="Frames of the clip, both keys included. The model was made for 16.",
        ),
        io.Int.Input(
            "fs",
            default=r.fps,
            min=1,
            max=60,
            tooltip="The frame rate the model is told, 5 to 30: a lower one means larger motion. "
            "It does not change the number of frames.",
        ),
        io.Combo.Input(
            "fit",
            options=FITS,
            default="crop",
            tooltip="How images of another shape come to the size. crop: the release's way, "
            "scaled and centre cropped, with bars where too small. pad: all of the picture with "
            "bars, which Toon Decode cuts off. stretch: distorted, which Toon Decode undoes.",
        ),
        io.Int.Input(
            "seed",
            default=r.seed,
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
