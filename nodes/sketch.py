"""The node that puts line drawings on frames."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

import comfy.model_management as mm
import comfy.patcher_extension
from comfy_api.latest import io
from torch import Tensor

from ..toon_core.images import Fit
from ..toon_core.sketch.control import Polarity, Reads, bright_lines, place
from ..toon_core.sketch.encoder import misfit
from ..toon_core.weights.errors import shown
from . import host, recipe, tensors
from .model import ToonVideoModel, native
from .schema import schema
from .sketch_patch import OPTION, Sketches, sketches_of
from .types import LoadedSketchEncoder, SketchEncoderType, clip_of

POLARITIES = ["auto", "light on dark", "dark on light"]
CONTEXTS = ["full", "text"]


class ToonApplySketch(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return schema(
            node_id="ToonApplySketch",
            display_name="Toon Apply Sketch",
            search_aliases=["controlnet", "line art", "lineart", "scribble", "drawing"],
            advanced=["polarity", "start_percent", "end_percent", "context"],
            category="ToonTween",
            description="Guides single frames of a clip by line drawings. Frames without one are "
            "left to the model. Can be used several times on one model.",
            inputs=_inputs(),
            outputs=[
                io.Model.Output(
                    display_name="model", tooltip="The model with the sketches, for any sampler."
                )
            ],
        )

    @classmethod
    def validate_inputs(cls, polarity: str, context: str) -> bool | str:
        return host.listed(cls, polarity=polarity, context=context)

    @classmethod
    def execute(
        cls,
        model: Any,
        sketch_encoder: LoadedSketchEncoder,
        latent: dict[str, Any],
        sketches: Tensor,
        frames: str,
        strength: float,
        polarity: Polarity,
        start_percent: float,
        end_percent: float,
        context: Reads,
    ) -> io.NodeOutput:
        inner = native(model)
        _check(inner, sketch_encoder, start_percent, end_percent)
        r = recipe.settled(inner.toon.recipe, strength=strength)
        clip = clip_of(latent)
        drawings, total = tensors.to_sketches(sketches, "sketches"), clip.shape[2]
        numbers = frame_numbers(frames, len(drawings), total)
        fitted = _fit(bright_lines(drawings, polarity), clip.fit)
        hints = place(dict(zip(numbers, fitted, strict=True)), total, *fitted.shape[-2:])
        if r.sketch_scale == 0:
            return io.NodeOutput(model)
        added = Sketches(
            encoder=sketch_encoder.module,
            hints=hints,
            frames=frozenset(numbers),
            scale=r.sketch_scale,
            start=start_percent,
            end=end_percent,
            context=context,
        )
        return io.NodeOutput(with_sketches(model, sketch_encoder, added))


def frame_numbers(text: str, count: int, total: int) -> list[int]:
    """Numbers of `count` sketches from "3, 7, 11". ValueError names what does not fit."""
    parts = [p for p in re.split(r"[,;\s]+", text.strip()) if p]
    text = shown(text)
    if not all(re.fullmatch(r"\d{1,6}", p) for p in parts):
        raise ValueError(f'frames = "{text}": expected numbers such as "7" or "3, 7, 11".')
    numbers = [int(p) for p in parts]
    if not numbers and count == total:
        return list(range(total))
    if len(numbers) != count:
        raise ValueError(
            f'{count} sketches but {len(numbers)} frame numbers in "{text}": give one number for '
            f"each sketch (or none with a sketch for each of the {total} frames)."
        )
    if len(set(numbers)) != count:
        raise ValueError(f'frames = "{text}": a frame can have one sketch only.')
    if wrong := [n for n in numbers if n >= total]:
        raise ValueError(f"There is no frame {wrong[0]}: the clip has the frames 0 to {total - 1}.")
    return numbers


def check_family(inner: ToonVideoModel, loaded: LoadedSketchEncoder) -> None:
    """ValueError for a sketch encoder of another model's shape."""
    if wrong := misfit(loaded.config, inner.toon.unet):
        raise ValueError(
            f"{loaded.name} does not belong to this model ({wrong}): load the sketch encoder of "
            "the same family, nano for nano, sketch_encoder.ckpt for the official model."
        )


def _check(inner: ToonVideoModel, loaded: LoadedSketchEncoder, start: float, end: float) -> None:
    check_family(inner, loaded)
    if start >= end:
        raise ValueError(
            f"start_percent = {start} must be below end_percent = {end}, or no sketch ever acts."
        )


def _fit(lines: Tensor, fit: Fit) -> Tensor:
    """As the key frames are fitted; bars are empty, which is black."""
    own = fit.of((lines.shape[-2], lines.shape[-1]))
    return own.apply(lines).clamp(0, 1)


def with_sketches(model: Any, loaded: LoadedSketchEncoder, added: Sketches) -> Any:
    before = _of(model)
    clone = model.clone()
    clone.model_options["transformer_options"][OPTION] = before.joined(added) if before else added
    clone.set_additional_models(OPTION, [loaded.patcher])
    if before is None:
        kind = comfy.patcher_extension.WrappersMP.PREPARE_SAMPLING
        clone.add_wrapper_with_key(kind, OPTION, _room_for(loaded))
        moments = comfy.patcher_extension.CallbacksMP
        clone.add_callback_with_key(moments.ON_PRE_RUN, OPTION, lambda m: _held(m).kept.begin())
        clone.add_callback_with_key(moments.ON_CLEANUP, OPTION, lambda m: _held(m).kept.end())
    return clone


def _of(model: Any) -> Sketches | None:
    return sketches_of(model.model_options["transformer_options"])


def _held(model: Any) -> Sketches:
    """Of a model that has them."""
    return model.model_options["transformer_options"][OPTION]


def _room_for(loaded: LoadedSketchEncoder):
    """ComfyUI reckons memory from the latent's shape alone, so the encoder's is asked for as a
    larger batch."""

    def prepare(executor: Any, model: Any, noise_shape: Sequence[int], *args: Any, **kwargs: Any):
        size = mm.dtype_size(loaded.module.dtype)
        extra = _held(model).memory(noise_shape, size)
        share = extra / model.model.memory_required(noise_shape)
        return executor(model, [noise_shape[0] * (1 + share), *noise_shape[1:]], *args, **kwargs)

    return prepare


def _inputs() -> list:
    return [
        io.Model.Input("model", tooltip="From Toon Load Model."),
        SketchEncoderType.Input("sketch_encoder", tooltip="From Toon Load Sketch Encoder."),
        io.Latent.Input(
            "latent", tooltip="From Toon Encode Keys: the clip's size, length and fit."
        ),
        io.Image.Input(
            "sketches",
            tooltip="One line drawing or a batch, of any size; fitted as the key frames are.",
        ),
        io.String.Input(
            "frames",
            default="7",
            tooltip='The frame of each sketch, counted from 0: "7", or "3, 7, 11" for three. '
            "Empty: as many sketches as frames, one for each.",
        ),
        io.Float.Input(
            "strength",
            default=-1.0,
            min=-1.0,
            max=2.0,
            step=0.05,
            tooltip="How strongly the lines are followed; the release takes 0.6, 0 is off. -1: "
            "the model's own.",
        ),
        io.Combo.Input(
            "polarity",
            options=POLARITIES,
            default="auto",
            tooltip="Light lines on dark (as Canny gives them) or dark lines on light paper. auto "
            "looks at each drawing's brightness.",
        ),
        io.Float.Input(
            "start_percent",
            default=0.0,
            min=0.0,
            max=1.0,
            step=0.01,
            tooltip="The part of the run before which the sketches do not act.",
        ),
        io.Float.Input(
            "end_percent",
            default=1.0,
            min=0.0,
            max=1.0,
            step=0.01,
            tooltip="The part of the run after which the sketches do not act.",
        ),
        io.Combo.Input(
            "context",
            options=CONTEXTS,
            default="full",
            tooltip="What the encoder reads beside the lines: full, text and image tokens, or "
            "text, the first 77 tokens only, as some other re-creations do.",
        ),
    ]
