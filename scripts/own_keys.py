"""Key frames and a prompt of one's own, in the prompt of a workflow (API format)."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from PIL import Image, ImageOps

ENCODER = "ToonEncodeKeys"

Prompt = dict[str, Any]


@contextmanager
def give_keys(prompt: Prompt, inputs: Path, first: Path, last: Path) -> Iterator[None]:
    """Load two pictures in place of every Toon Encode Keys' key frames, with an empty prompt; and
    for as long as it lasts keep them in ComfyUI's folder `inputs`. Where the workflow crops keys,
    they are padded: all of a picture is used, and the bars are cut off the clip again.

    ValueError for a workflow without that node, or where other nodes use its key frames, too.
    """
    pictures = {name: read_picture(file) for name, file in (("first", first), ("last", last))}
    files = {name: inputs / f"demo_{name}.png" for name in pictures}
    before = {name for encoder in _encoders(prompt) for name in _sources(encoder)}
    for encoder in _encoders(prompt):
        encoder["prompt"] = ""
        if encoder.get("fit") == "crop":
            encoder["fit"] = "pad"
        for name in files:
            encoder |= {f"{name}_image": [f"own_{name}", 0], f"{name}_mask": [f"own_{name}", 1]}
    _remove(prompt, before)
    for name, file in files.items():
        prompt[f"own_{name}"] = {
            "class_type": "LoadImage",
            "inputs": {"image": file.name},
            "_meta": {"title": f"The {name} key"},
        }
    try:
        for name, file in files.items():
            pictures[name].save(file)
        yield
    finally:
        for file in files.values():
            file.unlink(missing_ok=True)


def write_prompt(prompt: Prompt, text: str) -> None:
    """Into every Toon Encode Keys; ValueError for a workflow without it."""
    for encoder in _encoders(prompt):
        encoder["prompt"] = text


def read_picture(file: Path) -> Image.Image:
    """Upright, RGB or RGBA. ValueError for a file that is no picture."""
    try:
        with Image.open(file) as image:
            upright = ImageOps.exif_transpose(image)
            return upright.convert("RGBA" if upright.has_transparency_data else "RGB")
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
        raise ValueError(f"{file} cannot be read as a picture: {error}") from error


def _encoders(prompt: Prompt) -> list[dict[str, Any]]:
    found = [node["inputs"] for node in prompt.values() if node["class_type"] == ENCODER]
    if not found:
        raise ValueError("The workflow has no Toon Encode Keys, which takes key frames and prompt.")
    return found


def _sources(inputs: dict[str, Any], names: tuple[str, ...] = ()) -> set[str]:
    """The nodes that give a node's key frames and prompt, or the inputs named."""
    names = names or ("first_image", "last_image", "first_mask", "last_mask", "prompt")
    return {inputs[name][0] for name in names if isinstance(inputs.get(name), list)}


def _remove(prompt: Prompt, nodes: set[str]) -> None:
    for key in nodes:
        title = prompt[key]["_meta"]["title"]
        for other in prompt.values():
            if key in _sources(other["inputs"], tuple(other["inputs"])):
                raise ValueError(
                    f"{other['_meta']['title']} takes something from {title}, too, which does not "
                    "belong to key frames of your own: choose another workflow."
                )
        del prompt[key]
