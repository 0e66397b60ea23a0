"""LoRA files of `train.rectify` in the loader node, and in ComfyUI's own LoRA loader."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import pytest
import torch
from graphs import deviation, node, sample
from safetensors.torch import load_file, save_file
from torch import nn

from train.recipes.lora import add_adapters, save_adapters

RANK, ALPHA = 2, 3.0


@pytest.fixture(scope="module")
def adapters(toon: Any, tiny: Any) -> Path:
    """A file of random adapters for the tiny model."""
    torch.manual_seed(0)
    unet, projector = copy.deepcopy(tiny.unet), copy.deepcopy(tiny.resampler)
    add_adapters(unet, projector, RANK, ALPHA)
    for name, parameter in [*unet.named_parameters(), *projector.named_parameters()]:
        if "lora_" in name:
            nn.init.normal_(parameter, std=0.3)
    path = toon.base / "models" / "loras" / "toon.safetensors"
    path.parent.mkdir(exist_ok=True)
    save_adapters(unet, projector, path, {}, torch.float32)
    toon.folder_paths.filename_list_cache.clear()
    return path


def loaded(file: str, strength: float) -> dict[str, Any]:
    return node(
        "ToonLoadModel",
        file="tiny.safetensors",
        weight_dtype="fp32",
        lora_file=file,
        lora_strength=strength,
    )


def sampled(ready: Any, **loaders: Any) -> dict[str, Any]:
    """Samples with each of some MODEL nodes; equal keys and noise."""
    nodes = {}
    for name, loader in loaders.items():
        nodes[name] = loader
        nodes[f"{name} sample"] = sample(model=[name, 0], steps=1, cfg_scale=1.0)["5"]
    run = ready.run(nodes, keep=list(nodes))
    assert run.success, run.error
    return {name: run.value(f"{name} sample")["samples"].clone() for name in loaders}


def test_the_strength_scales_the_change_and_zero_is_none(ready: Any, adapters: Path) -> None:
    found = sampled(
        ready,
        plain=node("ToonLoadModel", file="tiny.safetensors", weight_dtype="fp32"),
        zero=loaded(adapters.name, 0.0),
        half=loaded(adapters.name, 0.5),
        whole=loaded(adapters.name, 1.0),
    )
    assert torch.equal(found["zero"], found["plain"])
    assert deviation(found["whole"], found["plain"]) > deviation(found["half"], found["plain"]) > 0


def test_it_equals_the_weights_put_together(ready: Any, adapters: Path) -> None:
    run = ready.run({"7": loaded(adapters.name, 0.5)}, keep=["7"])
    tensors = load_file(adapters)
    for place, prefix, own in ((0, "diffusion_model.", ""), (1, "image_proj_model.", "resampler.")):
        patcher = run.value("7", place) if place == 0 else run.value("7", 1).patcher
        names = {k.rsplit(".lora_", 1)[0] for k in tensors if ".lora_A" in k and prefix in k}
        names = {n for n in names if n.startswith(prefix)}
        assert len(names) > 4
        patcher.patch_model()
        state = patcher.model.state_dict()
        patched = {n: state[f"{n.replace(prefix, own or prefix, 1)}.weight"].clone() for n in names}
        patcher.unpatch_model()
        state = patcher.model.state_dict()
        for name, weight in patched.items():
            down, up = tensors[f"{name}.lora_A.weight"], tensors[f"{name}.lora_B.weight"]
            before = state[f"{name.replace(prefix, own or prefix, 1)}.weight"].float()
            change = 0.5 * ALPHA / RANK * up @ down
            assert torch.allclose(weight.float(), before + change, atol=2e-2 * change.abs().max())


def test_comfyui_s_own_loader_takes_the_file(ready: Any, adapters: Path) -> None:
    plain = node("ToonLoadModel", file="tiny.safetensors", weight_dtype="fp32")
    found = sampled(
        ready,
        ours=loaded(adapters.name, 1.0),
        plain=plain,
        core=node(
            "LoraLoaderModelOnly", model=["plain", 0], lora_name=adapters.name, strength_model=1.0
        ),
    )
    assert deviation(found["core"], found["ours"]) < 1e-5


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda t: {f"other.{k}": v for k, v in t.items()}, "not a layer of this model"),
        (lambda t: {k: v.repeat(2, 2) if v.dim() else v for k, v in t.items()}, "another size"),
        (lambda t: {k.replace("lora_", "x_"): v for k, v in t.items()}, "holds no LoRA"),
    ],
)
def test_another_file_gives_one_error(ready: Any, adapters: Path, change, message) -> None:
    path = adapters.with_name("wrong.safetensors")
    save_file({k: v.contiguous() for k, v in change(load_file(adapters)).items()}, path)
    ready.comfy.folder_paths.filename_list_cache.clear()
    run = ready.run({"7": loaded(path.name, 1.0)}, keep=["7"])
    assert not run.success
    assert message in str(run.error) and path.name in str(run.error)
