"""Loading: number types, changed files, partial loading, the built-in files, the cast."""

from __future__ import annotations

import copy
import os
from typing import TYPE_CHECKING, Any

import pytest
import torch
from graphs import decode, deviation, encode, node, picture, sample

from toon_core import presets
from toon_core.vae.autoencoder import Autoencoder
from toon_core.weights.save import save

if TYPE_CHECKING:
    from inprocess import Comfy


WEIGHT_TYPES = {
    "fp32": torch.float32,
    "fp16": torch.float16,
    "bf16": torch.bfloat16,
    "fp8_e4m3fn": torch.float8_e4m3fn,
    "fp8_e5m2": torch.float8_e5m2,
}


@pytest.mark.parametrize(
    ("weight_dtype", "most"),
    [("fp32", 1e-6), ("fp16", 4e-3), ("bf16", 3e-2), ("fp8_e4m3fn", 0.4), ("fp8_e5m2", 0.7)],
)
def test_weight_types_run(toon: Comfy, ready: Any, weight_dtype: str, most: float) -> None:
    """One guided step; the weights' type is kept, and the picture is what weights rounded to it
    give, which moves it by no more than about three times what was measured."""
    kind = WEIGHT_TYPES[weight_dtype]
    nodes = {
        **sample(steps=1, cfg_scale=1.0),
        "7": node("ToonLoadModel", file="tiny.safetensors", weight_dtype=weight_dtype),
        "8": sample(model=["7", 0], steps=1, cfg_scale=1.0)["5"],
        "9": toon.give(rounded(toon, kind)),
        "10": sample(model=["9", 0], steps=1, cfg_scale=1.0)["5"],
    }
    run = ready.run(nodes, keep=["5", "7", "8", "10"])
    assert run.success, run.error
    assert run.value("7").model.diffusion_model.out[2].weight.dtype == kind
    found, exact = (run.value(k)["samples"] for k in ("8", "10"))
    assert deviation(found, exact) < 1e-5
    assert deviation(found, run.value("5")["samples"]) < most


@torch.inference_mode()
def rounded(toon: Comfy, kind: torch.dtype) -> Any:
    """A MODEL of its own in fp32 whose UNet's weights went through `kind`; through 8 bits the
    matrices alone, as where they are kept."""
    prompt = {"1": node("ToonLoadModel", file="tiny.safetensors", weight_dtype="fp32")}
    model = toon.run(prompt, keep=["1"]).value("1")
    for weight in model.model.diffusion_model.parameters():
        if weight.ndim > 1 or kind.itemsize > 1:
            weight.data = weight.data.to(kind).to(weight.dtype)
    return model


def test_partly_loaded_model_gives_the_same(ready: Any) -> None:
    """Layers that stay on the offload device are cast, and patched, when they are used."""
    model = ready.run({}, keep=["1"]).value("1").clone()
    weights = model.model_state_dict().items()
    model.add_patches({k: ("diff", (torch.full_like(w, 0.01),)) for k, w in weights if w.ndim > 1})
    unet, cpu = model.model.diffusion_model, torch.device("cpu")
    generator = torch.Generator().manual_seed(3)
    x, tokens = (torch.randn(s, generator=generator) for s in ((1, 8, 4, 8, 8), (1, 141, 64)))
    outputs = []
    for options in (
        {"full_load": True},
        {"lowvram_model_memory": 0.5 * model.model_size()},
        {"lowvram_model_memory": 1},
    ):
        model.detach()
        plain = unet(x, torch.tensor([400.0]), tokens)
        model.load(cpu, **options)
        outputs.append(unet(x, torch.tensor([400.0]), tokens))
        offloaded = sum(bool(getattr(m, "weight_function", None)) for m in unet.modules())
        assert (offloaded == 0) is ("full_load" in options)
        assert offloaded <= model.lowvram_patch_counter()
    model.detach()
    assert all(deviation(partly, outputs[0]) < 1e-5 for partly in outputs[1:])
    assert deviation(plain, outputs[0]) > 1e-3


def test_a_changed_file_is_loaded_again(toon: Comfy) -> None:
    executor = toon.executor()
    prompt = {"1": node("ToonLoadSketchEncoder", file="tiny_sketch.safetensors")}
    toon.run(prompt, keep=["1"], executor=executor)
    assert "1" in toon.run(prompt, keep=["1"], executor=executor).cached
    file = toon.base / "models" / "controlnet" / "tiny_sketch.safetensors"
    os.utime(file, (1, 1))
    assert "1" not in toon.run(prompt, keep=["1"], executor=executor).cached


def test_built_in_models_load(toon: Comfy) -> None:
    prompt = {
        "1": node("ToonLoadModel", file="nano (built in)", weight_dtype="default"),
        "2": node("ToonLoadSketchEncoder", file="nano (built in)"),
    }
    run = toon.run(prompt, keep=["1", "2"])
    assert run.success, run.error
    assert run.value("1", 1).module.text is not None
    unet, sketch = run.value("1").model.toon.unet, run.value("2").config
    assert (unet.model_channels, unet.context_dim) == (sketch.model_channels, sketch.context_dim)


def test_a_file_with_a_plain_decoder_runs(toon: Comfy, tiny: Any) -> None:
    """As DynamiCrafter's: no references, each frame decoded for itself, by ComfyUI's layers."""
    folder = toon.base / "models" / "checkpoints"
    plain = Autoencoder(presets.plain(tiny.config).vae).eval()
    own = tiny.vae.state_dict()
    plain.load_state_dict({k: own[k] for k in plain.state_dict()})
    model = copy.copy(tiny)
    model._modules = {**tiny._modules, "vae": plain}
    model.config = presets.plain(tiny.config)
    save(model, folder / "tiny_plain.safetensors")
    toon.folder_paths.filename_list_cache.clear()
    prompt = {**encode(toon, picture(1), picture(2)), **sample(steps=2), **decode()}
    prompt["1"]["inputs"]["file"] = "tiny_plain.safetensors"
    prompt["7"] = decode(low_memory="on")["6"]
    run = toon.run(prompt, keep=["5", "6", "7"])
    assert run.success, run.error
    with torch.inference_mode():
        frames = plain.decode(run.value("5")["samples"])[0]
    assert deviation(run.value("6"), ((frames + 1) / 2).clamp(0, 1).permute(1, 2, 3, 0)) < 1e-4
    assert deviation(run.value("7"), run.value("6")) < 1e-4


@pytest.mark.parametrize(
    ("kind", "field", "folder"),
    [
        ("ToonLoadModel", "file", "checkpoints or diffusion_models folder"),
        ("ToonLoadModel", "lora_file", "loras folder"),
        ("ToonLoadSketchEncoder", "file", "controlnet folder"),
    ],
)
def test_a_file_that_is_not_there_is_named_with_its_folder(
    comfy: Comfy, kind: str, field: str, folder: str
) -> None:
    values = {"file": "nano (built in)", field: "gone.ckpt"}
    more = {"weight_dtype": "default"} if kind == "ToonLoadModel" else {}
    with pytest.raises(ValueError, match=rf"There is no file 'gone.ckpt' in ComfyUI's {folder}"):
        comfy.run({"1": node(kind, **values, **more)}, keep=["1"])


def test_cast_gives_keys_frames_prompt_and_rate(comfy: Comfy) -> None:
    options = comfy.node_class("ToonLoadCast").GET_NODE_INFO_V1()["input"]["required"]["clip"][1]
    assert len(options["options"]) >= 8
    prompt = {"1": node("ToonLoadCast", clip=options["options"][0])}
    run = comfy.run(prompt, keep=["1"])
    assert run.success, run.error
    first, last, frames, text, fps = (run.value("1", i) for i in range(5))
    assert frames.shape == (16, 320, 512, 3) and frames.min() >= 0 and frames.max() <= 1
    assert torch.equal(first[0], frames[0]) and torch.equal(last[0], frames[-1])
    assert isinstance(text, str) and len(text) > 10 and fps == 24
    with pytest.raises(ValueError, match="not in the list"):
        comfy.run({"1": node("ToonLoadCast", clip="nobody")}, keep=["1"])
