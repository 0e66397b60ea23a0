"""Values of the wrong kind, size and range at the nodes, through ComfyUI's own validator and
executor in this process. A node gets its objects over links of type *, as any node of another pack
can give them."""

from __future__ import annotations

import atexit
import copy
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pickled
import torch
from case import Case

import weights
from toon_core.weights.configure import CONFIG_KEY
from toon_core.weights.save import save

HERE = Path(__file__).resolve().parent
sys.path += [str(HERE.parent / "nodes"), str(HERE.parent / "parity")]

if TYPE_CHECKING:
    from inprocess import Comfy

NAN, INFINITE = float("nan"), float("inf")
NODE = "9"
Prompt = dict[str, Any]


class Shared:
    """ComfyUI with a tiny model that is loaded, two encoded keys and a sampled clip: made before
    any case runs, and changed by none, since each has a process of its own."""

    comfy: Comfy
    values: dict[str, Any]


def cases() -> list[Case]:
    start()
    found = [case for node, inputs in working().items() for case in of_node(node, inputs)]
    return [*found, *texts(), *files(), *damaged()]


def good(folder: Path) -> None:
    """One step and the decoder, on what the cases share."""
    comfy, of = Shared.comfy, working()
    prompt = {
        **given({k: v for k, v in of["ToonSample"].items()}, "5", "ToonSample"),
        "6": node("ToonDecode", **{**linked(of["ToonDecode"], "d"), "latent": ["5", 0]}),
        **objects(of["ToonDecode"], "d"),
    }
    run = comfy.run(prompt, keep=["6"])
    if not run.success:
        raise RuntimeError(run.error)
    frames = run.value("6")
    assert frames.shape == (4, 64, 64, 3) and frames.isfinite().all() and frames.std() > 0


def start() -> None:
    from graphs import encode, picture, sample
    from inprocess import Comfy
    from parity_index import read
    from parity_models import Models
    from place import comfyui_folder

    torch.set_num_threads(1)
    base = Path(tempfile.mkdtemp(prefix="toontween-fuzz-comfy-"))
    atexit.register(shutil.rmtree, base, ignore_errors=True)
    comfy = Shared.comfy = Comfy(comfyui_folder(), base)
    comfy.load_pack()
    golden = {f"{c.file.split('.')[0]}/{c.name}": c for c in read(HERE.parent / "parity/golden")}
    for name in ("checkpoints", "controlnet", "loras"):
        (base / "models" / name).mkdir(exist_ok=True)
    save(Models().get("e2e", golden["e2e/t8"]), base / "models/checkpoints/tiny.safetensors")
    sketch = next(case for name, case in golden.items() if name.startswith("sketch/"))
    save(Models().get("control", sketch), base / "models/controlnet/tiny_sketch.safetensors")
    comfy.folder_paths.filename_list_cache.clear()
    prompt = {**encode(comfy, picture(1), picture(2)), **sample(steps=1, cfg_scale=1.0)}
    prompt["8"] = node("ToonLoadSketchEncoder", file="tiny_sketch.safetensors")
    run = comfy.run(prompt, keep=["1", "4", "5", "8"])
    assert run.success, run.error
    Shared.values = {
        "model": run.value("1", 0),
        "conditioner": run.value("1", 1),
        "toon_vae": run.value("1", 2),
        "positive": run.value("4", 0),
        "negative": run.value("4", 1),
        "image_only": run.value("4", 2),
        "latent": run.value("4", 3),
        "sampled": run.value("5"),
        "sketch_encoder": run.value("8"),
        "image": picture(1),
        "clip": picture(1, count=4),
    }


def node(kind: str, **inputs: Any) -> Prompt:
    return {"class_type": kind, "inputs": inputs}


class Object:
    """What goes over a link rather than into the prompt."""

    def __init__(self, value: Any) -> None:
        self.value = value


def working() -> dict[str, dict[str, Any]]:
    """Inputs with which each node runs: values of the prompt, and objects over links."""
    of = {name: Object(value) for name, value in Shared.values.items()}
    branches = {"positive": of["positive"], "negative": of["negative"]}
    model, image, clip = of["model"], of["image"], of["clip"]
    return {
        "ToonEncodeKeys": {
            **{"conditioner": of["conditioner"], "toon_vae": of["toon_vae"]},
            **{"first_image": image, "last_image": image, "prompt": "a fox"},
            **{"negative_prompt": "", "width": 64, "height": 64, "length": 4, "fs": 10},
            **{"fit": "crop", "seed": 1},
        },
        "ToonSample": {
            **{"model": model, **branches, "latent": of["latent"], "steps": 1, "eta": 1.0},
            **{"spacing": "uniform_trailing", "cfg_scale": 1.0, "guidance_rescale": 0.7},
            **{"seed": 1, "cfg_image": 0.0, "temperature": 1.0},
        },
        "ToonDecode": {
            **{"latent": of["sampled"], "toon_vae": of["toon_vae"]},
            **{"replace_middle_frames": "off", "low_memory": "off"},
        },
        "ToonApplySketch": {
            **{"model": model, "sketch_encoder": of["sketch_encoder"], "latent": of["latent"]},
            **{"sketches": image, "frames": "1", "strength": 0.6, "polarity": "auto"},
            **{"start_percent": 0.0, "end_percent": 1.0, "context": "full"},
        },
        "ToonScheduleSigmas": {"model": model, "steps": 2, "spacing": "uniform"},
        "ToonDDIMSampler": {"eta": 1.0},
        "ToonMakeNoise": {"seed": 1},
        "ToonRescaleGuidance": {"model": model, "guidance_rescale": 0.5},
        "ToonSetSchedule": {"model": model, "dynamic_rescale": True, "temperature": 1.0},
        "ToonGuideBranches": {
            **{"model": model, **branches, "image_only": of["image_only"]},
            **{"cfg_scale": 7.5, "cfg_image": 7.5},
        },
        "ToonCompareClips": {
            **{"clip_a": clip, "clip_b": clip, "layout": "strip", "columns": 4, "position": 0.5},
        },
        "ToonScoreClip": {"images": clip, "truth": clip, "sketch": image, "sketch_frame": 1},
        "ToonLoadModel": {
            **{"file": "tiny.safetensors", "weight_dtype": "default", "lora_file": "none"},
            **{"lora_strength": 1.0},
        },
        "ToonLoadSketchEncoder": {"file": "tiny_sketch.safetensors"},
        "ToonLoadCast": {"clip": "fox_walk"},
    }


def linked(inputs: dict[str, Any], start: str) -> dict[str, Any]:
    """Inputs as a prompt has them: objects are links to the nodes that `objects` makes."""
    return {k: [f"{start}{k}", 0] if isinstance(v, Object) else v for k, v in inputs.items()}


def objects(inputs: dict[str, Any], start: str) -> Prompt:
    give = Shared.comfy.give
    return {f"{start}{k}": give(v.value) for k, v in inputs.items() if isinstance(v, Object)}


def given(inputs: dict[str, Any], place: str, kind: str) -> Prompt:
    return {place: node(kind, **linked(inputs, place)), **objects(inputs, place)}


def case(
    name: str,
    kind: str,
    changes: dict[str, Any] | Callable[[], dict[str, Any]],
    says: tuple[str, ...],
    refused: bool | None = True,
) -> Case:
    """One node with some inputs changed."""

    def attempt(folder: Path) -> None:
        changed = changes() if callable(changes) else changes
        execute(given({**working()[kind], **changed}, NODE, kind), NODE)

    return Case(area="inputs", name=name, attempt=attempt, names=says, refused=refused)


def execute(prompt: Prompt, keep: str) -> Any:
    """Run it; ValueError with what the page shows where our node refuses, or ComfyUI before it."""
    comfy = Shared.comfy
    full = {**copy.copy(prompt), "keep": node("PreviewAny", source=[keep, 0])}
    verdict = comfy.validate(full)
    if not verdict.ok:
        errors = [e for node in verdict.node_errors.values() for e in node["errors"]]
        raise ValueError("; ".join(f"{e['message']}: {e['details']}" for e in errors)[:900])
    run = comfy.run(full)
    if run.success:
        return run
    [failure] = run.of_kind("execution_error")
    kind, message = failure["exception_type"], failure["exception_message"].strip()
    clear = kind == "ValueError" or "toon_core." in kind
    raise (ValueError if clear else RuntimeError)(message if clear else f"{kind}: {message}")


def image_values() -> dict[str, Any]:
    fine = Shared.values["clip"]
    return {
        "nan": torch.where(fine > 0.5, fine, NAN),
        "infinite": fine / 0,
        "bytes": (fine * 255).to(torch.uint8),
        "to_255": fine * 255,
        "minus": fine * 2 - 1,
        "far": fine * 100 - 50,
        "whole": fine.to(torch.int64),
        "bool": fine > 0.5,
        "complex": fine.to(torch.complex64),
        "alpha": torch.cat([fine, fine[..., :1]], -1),
        "grey": fine[..., :1],
        "two_channels": fine[..., :2],
        "three_axes": fine[0],
        "five_axes": fine[None],
        "scalar": torch.tensor(0.5),
        "empty": fine[:0],
        "no_height": fine[:, :0],
    }


def latent_values() -> dict[str, Any]:
    fine = Shared.values["sampled"]
    z = fine["samples"]
    changed = {
        "nan": torch.full_like(z, NAN),
        "big": torch.full_like(z, 1e30),
        "whole": z.to(torch.int64),
        "four_axes": z[0],
        "wide": torch.cat([z, z], -1),
        "cut": z[:, :, :2],
        "empty": z[:0],
        "list": z.tolist(),
        "nothing": None,
    }
    found = {name: {**fine, "samples": value} for name, value in changed.items()}
    foreign = {"samples": torch.zeros(1, 4, 8, 8)}
    return {
        **found,
        "foreign": foreign,
        "no_samples": {},
        "tensor": z,
        "other": {**fine, "toon": 3},
    }


def conditioning_values() -> dict[str, Any]:
    [[tokens, values]] = Shared.values["positive"]
    keys = values["concat_latent_image"]

    def having(**changes: Any) -> list:
        return [[tokens, {k: v for k, v in {**values, **changes}.items() if v is not None}]]

    return {
        "empty": [],
        "no_entry": [[]],
        "alone": [tokens],
        "no_tokens": [[None, values]],
        "no_values": [[tokens, {}]],
        "no_fs": having(fs=None),
        "fs_nan": having(fs=NAN),
        "fs_text": having(fs="fast"),
        "no_keys": having(concat_latent_image=None),
        "keys_nan": having(concat_latent_image=torch.full_like(keys, NAN)),
        "keys_nine": having(concat_latent_image=keys.repeat(1, 3, 1, 1, 1)[:, :9]),
        "keys_wide": having(concat_latent_image=torch.cat([keys, keys], -1)),
        "keys_text": having(concat_latent_image="x"),
        "tokens_nan": [[torch.full_like(tokens, NAN), values]],
        "tokens_narrow": [[tokens[..., :7], values]],
        "tokens_few": [[tokens[:, :5], values]],
        "tokens_flat": [[tokens[0], values]],
        "foreign": [[torch.zeros(1, 77, 768), {"pooled_output": None}]],
        "dictionary": {"positive": tokens},
    }


# No endless ones: where a node fails, ComfyUI itself prints all that it was given.
OBJECTS: dict[str, Any] = {
    "none": None,
    "text": "x",
    "number": 3,
    "list": [],
    "dictionary": {},
    "object": object(),
    "tensor": torch.zeros(2, 2),
    "function": len,
    "type": int,
}
NUMBERS: dict[str, Any] = {
    "nan": NAN,
    "infinite": INFINITE,
    "minus_infinite": -INFINITE,
    "huge": 10**30,
    "minus": -7,
    "text": "x",
    "null": None,
    "list": [1],
    "dictionary": {"a": 1},
}
CHOICES: dict[str, Any] = {
    "bogus": "bogus",
    "null": None,
    "number": 3,
    "empty": "",
    "up": "../../../../etc/passwd",
    "root": "/etc/passwd",
    "annotated": "a.png [input]",
    "nul": "a\0b",
    "escape": "\x1b[31m",
    "long": "x" * 100_000,
    "dictionary": {"a": 1},
}
# How many of each are tried at every input; which ones goes round.
EACH = {"IMAGE": 4, "LATENT": 7, "CONDITIONING": 6, "INT": 2, "FLOAT": 3, "COMBO": 3}


def of_node(kind: str, inputs: dict[str, Any]) -> Iterator[Case]:
    schema = Shared.comfy.node_class(kind).define_schema()
    for i, field in enumerate(schema.inputs):
        if field.id not in inputs:
            continue
        of_type = str(field.io_type)
        values = bad_values(of_type)
        names = list(values)
        for j in range(min(len(names), EACH.get(of_type, 3))):
            name = names[(i * 5 + j * 3) % len(names)]
            yield at_input(kind, field.id, name, values[name])
        if of_type in ("INT", "FLOAT"):
            for name in ("nan", "huge", "null"):
                yield at_input(kind, field.id, f"linked_{name}", Object(NUMBERS[name]))


def bad_values(of_type: str) -> dict[str, Any]:
    if of_type in ("INT", "FLOAT"):
        return NUMBERS
    if of_type == "COMBO":
        return CHOICES
    if of_type in ("STRING", "BOOLEAN"):
        return {}
    own = {"IMAGE": image_values, "LATENT": latent_values, "CONDITIONING": conditioning_values}
    values = {**(own[of_type]() if of_type in own else {}), **OBJECTS}
    return {name: Object(value) for name, value in values.items()}


# What a message may call an input.
CALLED = {
    "model": ("MODEL",),
    "latent": ("LATENT",),
    "positive": ("CONDITIONING", "conditioning"),
    "negative": ("CONDITIONING", "conditioning"),
    "image_only": ("CONDITIONING", "conditioning"),
    "sketches": ("sketch",),
    "clip_a": ("clips",),
    "clip_b": ("clips",),
    "images": ("frames",),
}


def at_input(kind: str, field: str, name: str, value: Any) -> Case:
    label = f"{kind}_{field}_{name}"
    return case(label, kind, {field: value}, (field, *CALLED.get(field, ())), refused=None)


TEXTS = {
    "nul": "a\0b",
    "escape": "\x1b[31mred\x07",
    "surrogate": "\ud83d",
    "emoji": "\U0001f98a" * 500,
    "right_to_left": "\u202efox",
    "long": "fox " * 25_000,
    "markup": "<script>alert(1)</script> {{7*7}} %s%n ${HOME}",
    "brackets": "((((((fox:9999999999999))))))",
    "embedding": "embedding:../../../etc/passwd",
}


def texts() -> Iterator[Case]:
    for name, text in TEXTS.items():
        for field in ("prompt", "negative_prompt"):
            label = f"{field}_{name}"
            yield case(label, "ToonEncodeKeys", {field: text}, (), refused=False)
    frames = {"minus": "-1", "far": "99", "twice": "1, 1", "many": "1,2", "digits": "9" * 5000}
    frames |= {"word": "last", "arabic": "\u0661", "empty": "", "escape": "\x1b[31m1"}
    for name, text in frames.items():
        changes = {"frames": text}
        yield case(f"frames_{name}", "ToonApplySketch", changes, ("frame",), refused=None)
    sizes = {"odd": (100, 64), "huge": (8192, 8192 * 2), "small": (8, 8)}
    for name, (width, height) in sizes.items():
        changes = {"width": width, "height": height}
        yield case(f"size_{name}", "ToonEncodeKeys", changes, ("width", "height"))
    text = {"positive_text": Object([[torch.zeros(3, 77, 64), {}]])}
    yield case("text_batch", "ToonEncodeKeys", text, ("positive_text",))
    text = {"negative_text": Object([[torch.full((1, 77, 64), NAN), {}]])}
    yield case("text_nan", "ToonEncodeKeys", text, ("negative_text",))
    for field in ("clip", "clip_vision"):
        for name in ("text", "object", "dictionary"):
            changes = {field: Object(OBJECTS[name])}
            yield case(f"{field}_{name}", "ToonEncodeKeys", changes, (field,))


def files() -> Iterator[Case]:
    """Through the loader nodes, out of ComfyUI's folders."""

    def saved(tensors: dict, text: str | None = None) -> Callable[[Path], object]:
        contents = {"state_dict": tensors, CONFIG_KEY: text or weights.written()}
        return lambda path: torch.save(contents, path)

    state = weights.state()
    made: dict[str, Callable[[Path], object]] = {
        "int8": saved(weights.filled(torch.tensor(1, dtype=torch.int8))),
        "bool": saved(weights.filled(torch.tensor(True))),
        "complex": saved(weights.filled(torch.tensor(1j))),
        "heads": saved(state, weights.written(unet__num_head_channels=-1)),
        "steps": saved(state, weights.written(schedule__timesteps=0)),
        "blocks": saved(state, weights.written(unet__num_res_blocks=10**9)),
        "scale": saved(state, weights.written(scale_factor=[])),
        "recipe": saved(state, weights.written(recipe__steps="many")),
        "address": lambda path: path.write_bytes(pickled.zipped(pickled.HOSTILE["address"])),
        "page": lambda path: path.write_text("<!DOCTYPE html>"),
        "empty": lambda path: path.write_bytes(b""),
    }
    for name, make in made.items():
        yield loaded(f"file_{name}", "ToonLoadModel", "file", "checkpoints", make)
    for name in ("address", "page", "empty", "int8"):
        yield loaded(f"sketch_{name}", "ToonLoadSketchEncoder", "file", "controlnet", made[name])
        yield loaded(f"lora_{name}", "ToonLoadModel", "lora_file", "loras", made[name])


def loaded(name: str, kind: str, field: str, folder: str, make: Callable[[Path], object]) -> Case:
    def changes() -> dict[str, Any]:
        path = Shared.comfy.base / "models" / folder / f"{name}.ckpt"
        make(path)
        Shared.comfy.folder_paths.filename_list_cache.clear()
        return {field: path.name}

    return case(name, kind, changes, (f"{name}.ckpt",))


def damaged() -> Iterator[Case]:
    """Weights that are no numbers: found where they first matter, and named."""

    def breaking(part: str) -> Callable[[], dict[str, Any]]:
        def changes() -> dict[str, Any]:
            value = Shared.values[part]
            patcher = value if part == "model" else value.patcher
            with torch.inference_mode():
                for parameter in patcher.model.parameters():
                    parameter.fill_(NAN)
            return {}

        return changes

    words = ("its weights hold such values",)
    yield broken("weights_unet", "ToonSample", breaking("model"), words)
    yield broken("weights_decoder", "ToonDecode", breaking("toon_vae"), words)
    yield broken("weights_encoder", "ToonEncodeKeys", breaking("toon_vae"), words)
    yield broken("weights_towers", "ToonEncodeKeys", breaking("conditioner"), words)


def broken(name: str, kind: str, changes: Callable[[], dict], words: tuple[str, ...]) -> Case:
    """As `case`, and puts the shared weights back for the plain run after it."""
    made = case(name, kind, changes, words)

    def attempt(folder: Path) -> None:
        parts = [Shared.values["model"].model]
        parts += [Shared.values[k].patcher.model for k in ("toon_vae", "conditioner")]
        kept = [[p.clone() for p in part.parameters()] for part in parts]
        try:
            made.attempt(folder)
        finally:
            with torch.inference_mode():
                for part, values in zip(parts, kept, strict=True):
                    for parameter, value in zip(part.parameters(), values, strict=True):
                        parameter.copy_(value)

    return Case(area="inputs", name=name, attempt=attempt, names=words, refused=True)
