"""What is saved loads again, equal, with nothing else given."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors import safe_open

import toon_core
from toon_core.model import ToonModel
from toon_core.presets import nano, nano_sketch
from toon_core.sketch.encoder import SketchEncoder
from toon_core.weights.checkpoint import read
from toon_core.weights.save import released_state, save


@pytest.fixture(scope="module")
def model() -> ToonModel:
    torch.manual_seed(0)
    return ToonModel(nano())


@pytest.mark.parametrize("towers", [True, False])
def test_round_trip(model: ToonModel, towers: bool, tmp_path: Path):
    if not towers:
        model = ToonModel(replace(nano(), clip=None))
    path = save(model, tmp_path / "nano.safetensors", {"seed": "7"})
    again = toon_core.load(path)
    assert again.config == model.config
    state = released_state(again)
    assert list(state) == list(released_state(model))
    assert all(torch.equal(v, state[k]) for k, v in released_state(model).items())
    assert read(path).metadata["seed"] == "7"
    assert [p.name for p in tmp_path.iterdir()] == ["nano.safetensors"]


@pytest.mark.skipif(os.name == "nt", reason="Windows has no such bits")
def test_others_may_read_it_as_any_new_file(tmp_path: Path):
    (tmp_path / "new").touch()
    path = save(SketchEncoder(nano_sketch()), tmp_path / "sketch.safetensors")
    assert path.stat().st_mode == (tmp_path / "new").stat().st_mode


def test_round_trip_of_a_sketch_encoder(tmp_path: Path):
    encoder = SketchEncoder(nano_sketch())
    again = toon_core.load(save(encoder, tmp_path / "sketch.safetensors"))
    assert isinstance(again, SketchEncoder) and again.config == encoder.config
    assert all(torch.equal(v, again.state_dict()[k]) for k, v in encoder.state_dict().items())


def test_the_file_is_of_the_released_layout(model: ToonModel, manifest, tmp_path: Path):
    path = save(model, tmp_path / "nano.safetensors", dtype=torch.float16)
    official = manifest("official-512-interp")
    with safe_open(path, framework="pt") as file:
        names = set(file.keys())
        assert file.get_tensor("alphas_cumprod").dtype == torch.float32
        assert file.get_tensor("image_proj_model.latents").dtype == torch.float16
    assert {n for n in official if "." not in n} == {n for n in names if "." not in n}
    assert "embedder.model.token_embedding.weight" not in names
    assert {"embedder.model.visual.proj", "model.diffusion_model.out.2.bias"} <= names


def test_averages_replace_values(model: ToonModel, tmp_path: Path):
    name = "model.diffusion_model.out.2.bias"
    path = save(model, tmp_path / "ema.safetensors", tensors={name: torch.full((4,), 3.0)})
    assert toon_core.load(path).unet.out[2].bias.tolist() == [3.0] * 4
    with pytest.raises(ValueError, match="model.unet.bias"):
        save(model, path, tensors={"model.unet.bias": torch.zeros(1)})


def test_what_cannot_be_saved_is_said_before_writing(model: ToonModel, tmp_path: Path):
    with pytest.raises(ValueError, match="saved as .safetensors"):
        save(model, tmp_path / "nano.ckpt")
    with pytest.raises(ValueError, match="metadata must be text.*steps"):
        save(model, tmp_path / "nano.safetensors", {"steps": 3})
    assert not list(tmp_path.iterdir())
