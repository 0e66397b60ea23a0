"""Every training entry from a folder of clips to a model that loads and interpolates."""

import json

import pytest
import torch
from safetensors.torch import load_file

import toon_core
from toon_core import presets
from toon_core.pipeline import interpolate
from toon_core.presets import Recipe
from toon_core.sketch.control import SketchControl
from toon_core.sketch.encoder import SketchEncoder
from train import assemble, autoencoder, cache, denoiser, prepare, sketch
from train.engine.config import read
from train.engine.draws import Draws
from train.prepare import PrepareConfig

SHORT = ["steps=1", "batch=1", "workers=0", "sheet_clips=1", "threads=1"]


@pytest.fixture(scope="module")
def trained(lottie_folder, tmp_path_factory):
    """The folder of one step of every entry, run by their command lines."""
    out = tmp_path_factory.mktemp("trained")
    data = f"data={out}/clips"
    words = [f"data={lottie_folder}", f"out={out}/clips", "workers=1"]
    prepare.prepare(read(PrepareConfig, None, words))
    autoencoder.main([data, f"out={out}/plain", *SHORT])
    plain = f"{out}/plain/autoencoder.safetensors"
    autoencoder.main([data, f"out={out}/dual", "stage=dual", f"base={plain}", "crop=64", *SHORT])
    cache.main([data, f"autoencoder={plain}", f"out={out}/latents", "count=2", "workers=0"])
    dual = f"autoencoder={out}/dual/autoencoder.safetensors"
    latents = f"latents={out}/latents"
    denoiser.main([data, latents, dual, f"out={out}/unet", "sheet_steps=1", *SHORT])
    made = f"denoiser={out}/unet/denoiser.safetensors"
    sketch.main([data, latents, dual, made, f"out={out}/sketch", "sheet_steps=1", *SHORT])
    assemble.main([dual, made, f"out={out}/model.safetensors", "credit=nobody"])
    return out


def test_the_result_loads_and_interpolates(trained):
    model = toon_core.load(trained / "model.safetensors", dtype=torch.float32)
    assert model.config == presets.nano()
    first, last = torch.rand(2, 1, 3, 64, 64) * 2 - 1
    encoder = toon_core.load(trained / "sketch" / "sketch_encoder.safetensors", dtype=torch.float32)
    control = SketchControl(encoder, torch.zeros(1, 1, 16, 64, 64))
    recipe = Recipe(steps=2)
    frames = interpolate(model, first, last, "a box", recipe=recipe, control=control)
    assert frames.shape == (1, 3, 16, 64, 64)
    assert frames.isfinite().all()


@pytest.mark.parametrize("run", ["plain", "dual", "unet", "sketch"])
def test_a_run_leaves_sheets_logs_options_and_a_manifest(trained, run):
    folder = trained / run
    assert (folder / "sheets" / "step_00000000.png").is_file()
    assert (folder / "sheets" / "step_00000001.png").is_file()
    assert list((folder / "log").glob("events*"))
    assert "seed: 0" in (folder / "config.yaml").read_text()
    manifest = json.loads(next(folder.glob("*.json")).read_text())
    assert {"options", "step", "seconds", "time", "commit"} <= manifest.keys()
    assert "/" not in manifest["options"]["data"], "a manifest names no place of this machine"


def test_the_dual_stage_leaves_the_encoder_alone(trained):
    plain, dual = (
        load_file(trained / stage / "autoencoder.safetensors") for stage in ("plain", "dual")
    )
    kept = [k for k in plain if k.startswith(("encoder.", "quant_conv."))]
    assert kept and all(torch.equal(plain[k], dual[k]) for k in kept)
    assert any(not torch.equal(plain[k], dual[k]) for k in plain if k.startswith("decoder."))


def test_calibration_changes_latents_and_no_picture():
    torch.manual_seed(0)
    vae = autoencoder.Autoencoder(presets.plain(presets.nano()).vae)
    autoencoder.start_identity(vae.post_quant_conv)
    video = torch.rand(2, 3, 2, 32, 32) * 2 - 1
    flat = video.permute(0, 2, 1, 3, 4).flatten(0, 1)
    before = vae.decode(vae.encode(flat).mean.unsqueeze(2))
    autoencoder.calibrate(vae, video)
    mean = vae.encode(flat).mean
    assert torch.allclose((0.18215 * mean).std(dim=(0, 2, 3)), torch.ones(4), atol=1e-4)
    assert torch.allclose(vae.decode(mean.unsqueeze(2)), before, atol=1e-4)


def test_latents_of_another_autoencoder_are_refused(trained, tmp_path):
    with pytest.raises(ValueError, match="another autoencoder"):
        state = autoencoder.load_part(trained / "plain" / "autoencoder.safetensors", "vae")
        vae = autoencoder.Autoencoder(presets.plain(presets.nano()).vae)
        vae.load_state_dict(state)
        torch.nn.init.zeros_(vae.encoder.conv_in.weight)
        autoencoder.save_part(
            vae, tmp_path / "other.safetensors", "vae", autoencoder.AutoencoderConfig(), {}
        )
        denoiser.main(
            [
                f"data={trained}/clips",
                f"latents={trained}/latents",
                f"autoencoder={tmp_path}/other.safetensors",
                f"out={tmp_path}/run",
                *SHORT,
            ]
        )


def test_bisection_gives_the_published_frames():
    assert sketch.bisected(1, 16, 1) == [9]
    assert sketch.bisected(1, 16, 2) == [5, 9, 13]
    assert not {1, 16} & set(sketch.bisected(1, 16, 4))


def test_sketched_frames_are_chosen_by_bisection_in_most_clips():
    sets = {tuple(sketch.bisected(1, 16, n)) for n in range(1, 5)}
    keep = sketch.chosen(16, 0.8, Draws(0, 0, range(400)))
    drawn = [tuple((row.nonzero()[:, 0] + 1).tolist()) for row in keep]
    share = sum(d in sets for d in drawn) / 400
    assert 0.72 < share < 0.9


def test_the_sketch_encoder_starts_as_the_denoisers_and_as_no_change():
    torch.manual_seed(0)
    shape = presets.nano()
    unet = denoiser.VideoUNet(shape.unet)
    encoder = sketch.start_from(unet, SketchEncoder(presets.nano_sketch()))
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
