"""Every training entry by its command line, from clips to a model that loads and interpolates."""

import hashlib
import json
from dataclasses import replace

import pytest
import torch
from omegaconf import OmegaConf
from safetensors import safe_open
from safetensors.torch import load_file

import toon_core
from toon_core import presets
from toon_core.pipeline import interpolate
from toon_core.presets import Recipe
from toon_core.sketch.control import SketchControl
from toon_core.sketch.encoder import SketchEncoder
from toon_core.unet.model import VideoUNet
from toon_core.weights import checkpoint
from train import assemble, autoencoder, decoder, pretrain
from train import sketch as sketch_entry
from train.engine.batches import SampleRNG
from train.engine.export import RUN_KEY, manifest_of
from train.recipes import sketch

PROCESS = ["run.workers=0", "run.threads=1", "run.sheet_clips=1", "run.held_out=1"]
SHORT = ["steps=1", "batch=1", "optim.warmup=0", "height=64", "width=64", *PROCESS]


@pytest.fixture(scope="module")
def trained(clip_folders, tmp_path_factory):
    """The folder of one step of every entry, each from the result of the one before."""
    out = tmp_path_factory.mktemp("trained")
    data = f"data={clip_folders}"
    autoencoder.main([data, f"out={out}/plain", *SHORT])
    plain = f"autoencoder={out}/plain/autoencoder.safetensors"
    pretrain.main([data, plain, f"out={out}/base", "sheet.steps=1", *SHORT])
    base = f"base={out}/base/model.safetensors"
    decoder.main([data, base, f"out={out}/dual", "perceptual.net=none", "gan_weight=0", *SHORT])
    sketch_entry.main([data, base, f"out={out}/sketch", "sheet.steps=1", "lr=1e-3", *SHORT])
    dual = f"decoder={out}/dual/model.safetensors"
    assemble.main([base, dual, f"out={out}/model.safetensors", "credit=nobody"])
    return out


def test_the_result_loads_and_interpolates(trained):
    model = toon_core.load(trained / "model.safetensors", dtype=torch.float32)
    assert replace(model.config, preview=None) == presets.nano()
    first, last = torch.rand(2, 1, 3, 64, 64) * 2 - 1
    encoder = toon_core.load(trained / "sketch" / "sketch_encoder.safetensors", dtype=torch.float32)
    control = SketchControl(encoder, torch.zeros(1, 1, 16, 64, 64))
    recipe = Recipe(steps=2)
    frames = interpolate(model, first, last, "a box", recipe=recipe, control=control)
    assert frames.shape == (1, 3, 16, 64, 64)
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


def test_pretraining_goes_on_from_a_model_of_the_same_shape_only(trained, clip_folders, tmp_path):
    words = [f"data={clip_folders}", f"out={tmp_path}/more", "sheet.steps=1", *SHORT]
    words += [f"autoencoder={trained}/plain/autoencoder.safetensors"]
    init = trained / "model.safetensors"
    pretrain.main([*words, f"init={init}", "lr=0"])
    more = load_file(tmp_path / "more" / "model.safetensors")
    before = load_file(init)
    name = "model.diffusion_model.out.2.weight"
    assert torch.equal(more[name].half(), before[name])
    wider = replace(presets.nano().unet, model_channels=64)
    shape = tmp_path / "shape.yaml"
    OmegaConf.save(replace(presets.nano(), unet=wider).to_dict(), shape)
    with pytest.raises(ValueError, match="another shape"):
        pretrain.main([*words, f"init={init}", f"shape={shape}", f"out={tmp_path}/other"])


def test_bisection_gives_the_published_frames():
    assert sketch.bisected(1, 16, 1) == [9]
    assert sketch.bisected(1, 16, 2) == [5, 9, 13]
    assert not {1, 16} & set(sketch.bisected(1, 16, 4))


def test_sketched_frames_are_chosen_by_bisection_in_most_clips():
    sets = {tuple(sketch.bisected(1, 16, n)) for n in range(1, 5)}
    keep = sketch.sketched_frames(SampleRNG(0, 0, range(400)), 16)
    drawn = [tuple((row.nonzero()[:, 0] + 1).tolist()) for row in keep]
    assert 0.72 < sum(d in sets for d in drawn) / 400 < 0.9
    assert sets <= set(drawn), "every depth is drawn"


def test_the_sketch_encoder_starts_as_the_denoisers_and_as_no_change():
    torch.manual_seed(0)
    unet = VideoUNet(presets.nano().unet)
    encoder = sketch.copy_of_spatial_layers(unet, SketchEncoder(presets.nano_sketch()))
    own, theirs = encoder.state_dict(), unet.state_dict()
    name = "input_blocks.1.0.in_layers.2.weight"
    assert torch.equal(own[name], theirs[name])
    last = len(unet.middle_block) - 1
    assert torch.equal(
        own["middle_block.2.in_layers.2.weight"],
        theirs[f"middle_block.{last}.in_layers.2.weight"],
    )
    x, sketches = torch.randn(1, 4, 2, 8, 8), torch.rand(1, 1, 2, 64, 64)
    context = torch.randn(1, 109, 48)
    features = encoder(x, encoder.hint(sketches), torch.tensor([5]), context)
    assert all(f.abs().max() == 0 for f in features)


def test_the_encoder_s_shape_follows_the_denoiser_s():
    assert presets.sketch_for(presets.official_512().unet) == presets.official_sketch()


def test_zero_gate_leaves_frames_without_a_sketch_alone():
    torch.manual_seed(0)
    encoder = SketchEncoder(presets.nano_sketch())
    for parameter in encoder.parameters():
        torch.nn.init.normal_(parameter, std=0.05)
    sketches = torch.zeros(1, 1, 3, 64, 64)
    sketches[:, :, 1, 20:30] = 1
    x, t, context = torch.randn(2, 4, 3, 8, 8), torch.tensor([5, 5]), torch.randn(2, 109, 48)
    for gate, acting in ((False, [True, True, True]), (True, [False, True, False])):
        control = SketchControl(encoder, sketches, zero_gate=gate)
        maps = control.features(x, t, control.tokens(context))
        for m in maps:
            found = m.unflatten(0, (2, 3)).abs().amax(dim=(0, 2, 3, 4)) > 0
            assert found.tolist() == acting
