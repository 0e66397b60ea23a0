"""A node's inputs, held against its own schema before it works.

ComfyUI checks the widgets of a prompt alone, and NaN passes its ranges; what comes over a link is
not checked, and a node whose output is of type * can give any object to any socket.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable
from typing import Any

from comfy_api.latest import io
from torch import Tensor

from ..toon_core.weights.errors import shown
from . import host
from .types import LoadedAutoencoder, LoadedConditioner, LoadedSketchEncoder

Test = Callable[[Any], bool]

LOADER, SKETCH_LOADER = "of Toon Load Model", "of Toon Load Sketch Encoder"


def check_before_running(node: type[io.ComfyNode]) -> None:
    """Let a node begin with an empty text box and check its inputs. ValueError naming the input,
    what came and what to do."""
    run = node.execute.__func__

    @functools.wraps(run)
    def execute(cls: type[io.ComfyNode], *args: Any, **values: Any) -> io.NodeOutput:
        host.say()  # or a text of the run before would stay where this one says nothing
        check(cls, values)
        return run(cls, *args, **values)

    node.execute = classmethod(execute)


def check(node: type[io.ComfyNode], values: dict[str, Any]) -> None:
    for field in node.define_schema().inputs:
        if field.id not in values:
            continue
        value, kind = values[field.id], str(field.io_type)
        if kind in ("INT", "FLOAT"):
            _number(field, value, kind)
        elif kind == "COMBO":
            _choice(field, value)
        elif value is None and field.optional:
            continue
        elif kind in KINDS and not KINDS[kind][0](value):
            raise ValueError(
                f"{field.id} is {_came(value)}, not {KINDS[kind][1]}: connect that, or check the "
                "node it comes from."
            )


def _number(field: Any, value: Any, kind: str) -> None:
    whole = kind == "INT"
    real = type(value) is int or (type(value) is float and not whole and math.isfinite(value))
    if real and field.min <= value <= field.max:
        return
    what = "a whole number" if whole else "a number"
    raise ValueError(
        f"{field.id} = {shown(repr(value))}: expected {what} from {field.min:g} to {field.max:g}."
    )


def _choice(field: Any, value: Any) -> None:
    if value not in (field.options or ()):
        known = shown(", ".join(map(str, field.options or ())), 300)
        raise ValueError(f"{field.id} = {shown(repr(value))} is not in the list: {known}.")


def _came(value: Any) -> str:
    """What arrived, by its type: printing a stranger's object may take for ever."""
    if value is None:
        return "empty (None)"
    if isinstance(value, list | tuple | dict) and not value:
        return f"an empty {type(value).__name__}"
    return f"an object of type {shown(type(value).__name__)}"


def _latent(value: Any) -> bool:
    return isinstance(value, dict) and isinstance(value.get("samples"), Tensor)


def _conditioning(value: Any) -> bool:
    return isinstance(value, list | tuple) and bool(value) and all(map(_pair, value))


def _pair(value: Any) -> bool:
    return (
        isinstance(value, list | tuple)
        and len(value) == 2
        and isinstance(value[0], Tensor)
        and value[0].ndim == 3
        and isinstance(value[1], dict)
    )


def _having(*names: str) -> Test:
    return lambda value: all(hasattr(value, name) for name in names)


def _of(kind: type) -> Test:
    return lambda value: isinstance(value, kind)


KINDS: dict[str, tuple[Test, str]] = {
    "BOOLEAN": (_of(bool), "true or false"),
    "STRING": (_of(str), "a text"),
    "IMAGE": (_of(Tensor), "an IMAGE"),
    "LATENT": (_latent, "a LATENT (a dictionary with the tensor `samples`)"),
    "CONDITIONING": (_conditioning, "a CONDITIONING with at least one entry"),
    "CLIP": (_having("tokenize", "encode_from_tokens"), "a CLIP, such as that of Load CLIP"),
    "CLIP_VISION": (
        _having("model", "patcher", "load_device", "image_size"),
        "a CLIP_VISION, such as that of Load CLIP Vision",
    ),
    "TOON_CONDITIONER": (_of(LoadedConditioner), f"the conditioner {LOADER}"),
    "TOON_VAE": (_of(LoadedAutoencoder), f"the toon_vae {LOADER}"),
    "TOON_SKETCH_ENCODER": (_of(LoadedSketchEncoder), f"the sketch_encoder {SKETCH_LOADER}"),
}
