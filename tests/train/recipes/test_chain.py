"""Every training entry by its command line, from clips to a model that loads and interpolates."""

import hashlib
import json
from dataclasses import replace

import pytest
import torch
from omegaconf import OmegaConf
from safetensors import safe_open
from safetensors.torch import load_file
from small_models import TINY

import toon_core
from toon_core import presets
from toon_core.pipeline import interpolate
from toon_core.presets import Recipe
from toon_core.sketch.control import SketchControl
from toon_core.weights import checkpoint
from train import assemble, autoencoder, decoder, pretrain, sketch
from train.engine.export import RUN_KEY, manifest_of

PROCESS = ["run.workers=0", "run.threads=1", "run.sheet_clips=1", "run.held_out=1"]
SHORT = ["steps=1", "batch=1", "optim.warmup=0", "height=64", "width=64", "frames=4", *PROCESS]


@pytest.fixture(scope="module")
def trained(files, clip_folders, tmp_path_factory):
    """The folder of one step of every entry, each from the result of the one before."""
    out = tmp_path_factory.mktemp("trained")
    data, shape = f"data={clip_folders}", f"shape={files}/shape.yaml"
    autoencoder.main([data, shape, f"out={out}/plain", *SHORT])
    plain = f"autoencoder={out}/plain/autoencoder.safetensors"
    pretrain.main([data, shape, plain, f"out={out}/base", "sheet.steps=1", *SHORT])
    base = f"base={out}/base/model.safetensors"
    decoder.main([data, base, f"out={out}/dual", "perceptual.net=none", "gan_weight=0", *SHORT])
    sketch.main([data, base, f"out={out}/sketch", "sheet.steps=1", "lr=1e-3", *SHORT])
    dual = f"decoder={out}/dual/model.safetensors"
    assemble.main([base, dual, f"out={out}/model.safetensors", "credit=nobody"])
    return out


def test_the_result_loads_and_interpolates(trained):
    model = toon_core.load(trained / "model.safetensors", dtype=torch.float32)
    assert replace(model.config, preview=None) == TINY
    first, last = torch.rand(2, 1, 3, 64, 64) * 2 - 1
    encoder = toon_core.load(trained / "sketch" / "sketch_encoder.safetensors", dtype=torch.float32)
    control = SketchControl(encoder, torch.zeros(1, 1, 4, 64, 64))
    recipe = Recipe(steps=2, frames=4)
    frames = interpolate(model, first, last, "a box", recipe=recipe, control=control)
    assert frames.shape == (1, 3, 4, 64, 64)
    assert frames.isfinite().all()


def test_a_file_to_ship_is_half_as_large_and_says_where_it_comes_from(trained):
    path = trained / "model.safetensors"
    assert load_file(path)["model.diffusion_model.out.2.weight"].dtype == torch.float16
    manifest = json.loads(path.with_suffix(".json").read_text())
    assert manifest["credit"] == "nobody"
    assert {k: v["part"] for k, v in manifest["runs"].items()} == {
        "base": "denoiser",
        "decoder": "decoder",
    }


@pytest.mark.parametrize("run", ["plain", "dual", "base", "sketch"])
def test_a_run_leaves_sheets_logs_options_and_a_manifest(trained, run):
    folder = trained / run
    assert (folder / "sheets" / "step_00000000.png").is_file()
    assert (folder / "sheets" / "step_00000001.png").is_file()
    assert list((folder / "log").glob("events*"))
    assert "seed: 0" in (folder / "config.yaml").read_text()
    manifest = json.loads(next(folder.glob("*.json")).read_text())
    assert {"options", "step", "seconds", "time", "commit"} <= manifest.keys()
    assert "/" not in manifest["options"]["data"], "a manifest names no place of this machine"


def test_a_manifest_tells_the_whole_training(trained):
    manifest = json.loads((trained / "model.json").read_text())
    base, decoder = manifest["runs"]["base"], manifest["runs"]["decoder"]
    assert base["from"]["autoencoder"]["part"] == "vae" and base["from"]["autoencoder"]["step"] == 1
    plain = trained / "plain" / "autoencoder.safetensors"
    assert base["from"]["autoencoder"] == json.loads(plain.with_suffix(".json").read_text())
    with safe_open(plain, "pt") as file:
        assert json.loads(file.metadata()[RUN_KEY]) == base["from"]["autoencoder"]
    files = {"base": base["files"]["autoencoder"], "dual": decoder["files"]["base"]}
    paths = {"base": plain, "dual": trained / "base" / "model.safetensors"}
    for name, path in paths.items():
        assert files[name]["sha256"] == hashlib.sha256(path.read_bytes()).hexdigest()
    assert base["data_stamp"] == decoder["data_stamp"] and len(base["data_stamp"]) == 16
    assert isinstance(base["dirty"], bool)
    assert base["licences"] == decoder["licences"] == ["not stated"]
    again = {k: base[k] for k in ("part", "time")} | {"told": "above"}
    assert decoder["from"]["base"] == again, "once is enough"


def test_a_stranger_beside_a_file_is_no_manifest(trained, tmp_path):
    path = tmp_path / "theirs.ckpt"
    assert manifest_of(path) == {}
    for text in ("{not json", "[1]", '{"architectures": []}'):
        path.with_suffix(".json").write_text(text)
        assert manifest_of(path) == {}


def test_a_file_to_ship_says_how_it_is_sampled(trained, tmp_path):
    base = trained / "base" / "model.safetensors"
    assert checkpoint.read(base).config.recipe == presets.nano().recipe != Recipe()
    words = [f"base={base}", f"out={tmp_path}/model.safetensors"]
    assemble.main([*words, "recipe.steps=9", "recipe.cfg_scale=2"])
    found = checkpoint.read(tmp_path / "model.safetensors").config.recipe
    assert found == replace(presets.nano().recipe, steps=9, cfg_scale=2.0)
    for wrong in ("stepz=9", "steps=many"):
        with pytest.raises(ValueError, match=wrong.split("=")[0]):
            assemble.main([*words, f"recipe.{wrong}"])


def test_a_decoder_of_another_encoder_is_refused(trained, tmp_path):
    path = trained / "dual" / "model.safetensors"
    model = toon_core.load(path, dtype=torch.float32)
    torch.nn.init.zeros_(model.vae.encoder.conv_in.weight)
    other = toon_core.weights.save.save(model, tmp_path / "other.safetensors")
    words = [f"base={trained}/base/model.safetensors", f"decoder={other}", f"out={tmp_path}/x"]
    with pytest.raises(ValueError, match="trained on another encoder"):
        assemble.main([w if not w.startswith("out") else w + ".safetensors" for w in words])


def test_pretraining_goes_on_from_a_model_of_the_same_shape_only(
    trained, files, clip_folders, tmp_path
):
    words = [f"data={clip_folders}", f"out={tmp_path}/more", "sheet.steps=1", *SHORT]
    words += [f"autoencoder={trained}/plain/autoencoder.safetensors"]
    init = trained / "model.safetensors"
    pretrain.main([*words, f"shape={files}/shape.yaml", f"init={init}", "lr=0"])
    more = load_file(tmp_path / "more" / "model.safetensors")
    before = load_file(init)
    name = "model.diffusion_model.out.2.weight"
    assert torch.equal(more[name].half(), before[name])
    wider = replace(TINY.unet, model_channels=64)
    shape = tmp_path / "shape.yaml"
    OmegaConf.save(replace(TINY, unet=wider).to_dict(), shape)
    with pytest.raises(ValueError, match="another shape"):
        pretrain.main([*words, f"init={init}", f"shape={shape}", f"out={tmp_path}/other"])
