"""Every layout a user can bring is recognised and gives the same model."""

from __future__ import annotations

import json
from collections import OrderedDict
from dataclasses import replace
from pathlib import Path

import psutil
import pytest
import torch
from safetensors.torch import save_file
from torch import nn

import toon_core
from toon_core.config import ToonConfig
from toon_core.model import ToonModel
from toon_core.presets import dynamicrafter_512, nano_sketch, official_512, official_sketch
from toon_core.sketch.encoder import SketchEncoder
from toon_core.weights import errors
from toon_core.weights.checkpoint import read
from toon_core.weights.configure import CONFIG_KEY
from toon_core.weights.files import read_tensors
from toon_core.weights.keys import PREFIXES


def equals(model: ToonModel, state: dict[str, torch.Tensor]) -> None:
    """The model holds exactly these values, and nothing on the meta device."""
    for name, prefix in PREFIXES.items():
        module = getattr(model, name)
        for key, value in (module.state_dict() if module is not None else {}).items():
            assert torch.equal(value, state[prefix + key]), prefix + key
    assert not [n for n, t in [*model.named_parameters(), *model.named_buffers()] if t.is_meta]


def test_official_pickle(golden_config, golden_state, ckpt):
    model = toon_core.load(ckpt(OrderedDict(golden_state)), config=golden_config)
    assert model.config == golden_config and not model.training
    equals(model, golden_state)


@pytest.mark.parametrize("wrap", ["module", "flat", "before 1.6"])
def test_other_pickles_of_the_official_layout(wrap, tiny_config, tiny_state, tmp_path: Path):
    contents = {
        "module": {"module": {"_forward_module." + k: v for k, v in tiny_state.items()}},
        "flat": dict(tiny_state),
        "before 1.6": {"state_dict": OrderedDict(tiny_state), "global_step": 3},
    }[wrap]
    path = tmp_path / "model.ckpt"
    torch.save(contents, path, _use_new_zipfile_serialization=wrap != "before 1.6")
    equals(toon_core.load(path, config=tiny_config), tiny_state)


def test_configuration_beside_the_state_dict(tiny_config, tiny_state, tmp_path: Path):
    path = tmp_path / "model.ckpt"
    text = json.dumps(tiny_config.to_dict())
    torch.save({"state_dict": tiny_state, CONFIG_KEY: text}, path)
    assert read(path).config == tiny_config


def test_pruned_safetensors(tiny_config, pruned_state, tmp_path: Path):
    path = tmp_path / "pruned.safetensors"
    save_file({k: v.half() for k, v in pruned_state.items()}, path)
    model = toon_core.load(path, config=tiny_config)
    assert model.text is None and model.image is None and model.config.clip is None
    assert model.unet.dtype == torch.float16
    assert {p.dtype for p in model.parameters()} == {torch.float16}
    equals(model, {k: v.half() for k, v in pruned_state.items()})


def test_plain_decoder_of_an_older_sibling(pruned_config, pruned_state, ckpt):
    new = ("time_stack", "mix_factor", "attn_refinement", "time_mix_conv")
    state = {
        k.replace("fps_embedding", "framestride_embed"): v
        for k, v in pruned_state.items()
        if not any(part in k for part in new)
    }
    path = ckpt(state)
    plain = replace(pruned_config.vae, references=False, pseudo_3d=False)
    model = toon_core.load(path, config=replace(pruned_config, vae=plain))
    assert read(path, config=model.config).kind == "dynamicrafter"
    fps = "model.diffusion_model.fps_embedding.0.weight"
    assert torch.equal(model.unet.fps_embedding[0].weight, pruned_state[fps])


@pytest.mark.parametrize("nested", [False, True])
def test_sketch_encoder(nested, sketch_state, tmp_path: Path):
    path = tmp_path / "sketch_encoder.ckpt"
    torch.save({"state_dict": sketch_state} if nested else sketch_state, path)
    encoder = toon_core.load(path, config=nano_sketch())
    assert isinstance(encoder, SketchEncoder) and encoder.dtype == torch.float32
    assert all(torch.equal(v, sketch_state[k]) for k, v in encoder.state_dict().items())


FULL = {
    "pruned": replace(official_512(), clip=None),
    "official-512-interp": official_512(),
    "dynamicrafter-512-interp": dynamicrafter_512(),
    "sketch-encoder": official_sketch(),
}


@pytest.mark.parametrize("name", FULL)
def test_full_size_is_known_from_its_shapes(name, full_ckpt):
    assert read(full_ckpt(name)).config == FULL[name]


def resident() -> int:
    """Bytes of this process in memory, pages of mapped files that it has used among them."""
    return psutil.Process().memory_info().rss


def test_full_size_pruned_file_loads(manifest, sparse):
    """3.2 GB on the map, none of it on the disk, nor in memory before it is used."""
    path = sparse({k: s for k, s in manifest("pruned").items() if "." in k})
    before = resident()
    model = toon_core.load(path)
    assert path.stat().st_size > 3_100_000_000 and resident() - before < 300_000_000
    assert model.config == FULL["pruned"] and model.unet.dtype == torch.float16
    assert sum(p.numel() for p in model.unet.parameters()) == 1_438_854_980


def test_larger_sibling_has_its_own_dynamic_rescale(full_ckpt):
    table = torch.full([1400], 0.3).half()
    config = read(full_ckpt("dynamicrafter-512-interp", scale_arr=table)).config
    assert config.schedule.base_scale == 0.3 and config.unet.default_fs == 10


LEFTOVERS = {
    "alphas_cumprod": torch.zeros(1000),
    "scale_arr": torch.full([1400], 0.7),
    "model_ema.num_updates": torch.tensor(3),
    "model_ema.diffusion_modelout2bias": torch.zeros(4),
    "first_stage_model.loss.logvar": torch.zeros(1),
    "cond_stage_model.model.attn_mask": torch.zeros(77, 77),
    "embedder.model.token_embedding.weight": torch.zeros(8, 48),
    "embedder.model.transformer.resblocks.0.ln_1.weight": torch.zeros(48),
    "embedder.model.logit_scale": torch.zeros(()),
}


def test_leftovers_and_tables_are_not_in_the_way(tiny_config, tiny_state, ckpt):
    assert not LEFTOVERS.keys() & tiny_state.keys()
    equals(toon_core.load(ckpt(tiny_state | LEFTOVERS), config=tiny_config), tiny_state)


def test_loaded_model_computes_as_a_built_one(tiny_config: ToonConfig, tiny_state, ckpt):
    built = ToonModel(tiny_config).eval()
    towers = {
        PREFIXES[name] + k: v
        for name in ("text", "image")
        for k, v in getattr(built, name).state_dict().items()
    }
    path = ckpt(tiny_state | towers)
    loaded = toon_core.load(path, config=tiny_config)
    with torch.no_grad():
        assert torch.equal(loaded.text(["a cat"]), built.text(["a cat"]))
        images = torch.rand(1, 3, 224, 224)
        assert torch.equal(loaded.image(images), built.image(images))
        half = toon_core.load(path, config=tiny_config, dtype=torch.bfloat16)
        assert half.text(["a cat"]).dtype == torch.bfloat16


def test_mixed_types(pruned_config, pruned_state, ckpt):
    path = ckpt({k: v if v.ndim == 1 else v.half() for k, v in pruned_state.items()})
    mixed = toon_core.load(path, config=pruned_config)
    assert {p.dtype for p in mixed.parameters()} == {torch.float16}
    own = toon_core.load(path, config=pruned_config, ops=CastOnUse)
    assert own.unet.out[0].weight.dtype == torch.float32
    assert own.unet.out[2].weight.dtype == torch.float16
    single = toon_core.load(path, config=pruned_config, dtype=torch.float32)
    assert {p.dtype for p in single.parameters()} == {torch.float32} == {single.unet.dtype}


class CastOnUse:
    """Other `ops`, as ComfyUI's: they cast for themselves, so types are left alone."""

    Linear, Conv1d, Conv2d, Conv3d = nn.Linear, nn.Conv1d, nn.Conv2d, nn.Conv3d
    GroupNorm, LayerNorm = nn.GroupNorm, nn.LayerNorm


class Lazy(CastOnUse):
    """Layers of a host that have no weights before a state dict brings them."""

    class Linear(nn.Module):
        def __init__(self, inputs, outputs, bias=True, **_) -> None:
            super().__init__()
            self.shapes = {"weight": (outputs, inputs), **({"bias": (outputs,)} if bias else {})}
            self.weight = self.bias = None

        def _load_from_state_dict(self, state, prefix, *_) -> None:
            for name in self.shapes:
                setattr(self, name, nn.Parameter(state[prefix + name], requires_grad=False))

        def forward(self, x):
            return nn.functional.linear(x, self.weight, self.bias)


def test_layers_without_weights_of_their_own_are_filled(pruned_config, pruned_state, ckpt, refuse):
    path = ckpt(pruned_state)
    equals(toon_core.load(path, config=pruned_config, ops=Lazy), pruned_state)
    name = "model.diffusion_model.time_embed.0.weight"
    path = ckpt({k: v for k, v in pruned_state.items() if k != name})
    refuse(path, errors.MissingKeys, name, config=pruned_config, ops=Lazy)
    path = ckpt({**pruned_state, name: pruned_state[name].T})
    refuse(path, errors.WrongShapes, name, config=pruned_config, ops=Lazy)


def test_parts_fill_modules_built_elsewhere(pruned_config, pruned_state, ckpt):
    """What the nodes do: their own UNet from ComfyUI's layers, filled with its part."""
    checkpoint = read(ckpt(pruned_state), config=pruned_config, expect="toon")
    module = ToonModel(pruned_config, device="meta").unet
    checkpoint.fill(module, "unet", dtype=torch.bfloat16)
    key = "model.diffusion_model.out.2.bias"
    assert torch.equal(module.out[2].bias, pruned_state[key].bfloat16())
    assert checkpoint.dtype("unet") == torch.float32
    assert set(checkpoint.part("vae")) == {
        k.removeprefix("first_stage_model.") for k in pruned_state if "first_stage" in k
    }


def test_weights_of_a_pickle_stay_in_the_file_until_used(ckpt):
    name = "model.diffusion_model.out.2.weight"
    path = ckpt({name: torch.zeros(1 << 26)})
    before = resident()
    tensors, _ = read_tensors(path)
    assert resident() - before < 32_000_000
    tensors[name].sum()
    assert resident() - before > 4 * (1 << 26) - 32_000_000


def test_a_part_is_filled_without_a_copy(pruned_config, pruned_state, ckpt):
    checkpoint = read(ckpt(pruned_state), config=pruned_config)
    module = ToonModel(pruned_config, device="meta").unet
    checkpoint.fill(module, "unet")
    given = checkpoint.part("unet")
    assert all(p.data_ptr() == given[k].data_ptr() for k, p in module.named_parameters())
