"""Each recipe by its plain command: a folder of clips in, a file that loads out."""

import json
import os
import subprocess
import sys
from importlib import import_module
from pathlib import Path

import pytest
from omegaconf import OmegaConf

import toon_core
from toon_core.model import ToonModel
from toon_core.sketch.encoder import SketchEncoder
from train import pretrain
from train.data.filters.base import FilterConfig
from train.data.prepare.config import PrepareConfig
from train.data.prepare.run import prepare
from train.engine.config import parse
from train.recipes.defaults import NANO, shape_of
from train.recipes.pretrain import PretrainConfig
from train.recipes.rectify import RectifyConfig

ROOT = Path(__file__).parents[2]
RESULTS = {
    "pretrain": ("model.safetensors", ToonModel),
    "rectify": ("model.safetensors", ToonModel),
    "decoder": ("model.safetensors", ToonModel),
    "sketch": ("sketch_encoder.safetensors", SketchEncoder),
}
QUICK = {"height": 64, "width": 64, "frames": 4, "batch": 1}
QUICK |= {"run": {"sheet_clips": 1, "held_out": 1, "workers": 0}}
WORDS = [*(f"{k}={v}" for k, v in QUICK.items() if k != "run"), "run.sheet_clips=1"]
WORDS += ["run.held_out=1", "run.workers=0"]


@pytest.mark.parametrize("name", RESULTS)
def test_a_command_needs_data_and_out_alone(name, clip_folders, tmp_path):
    """With a file that makes it quick."""
    OmegaConf.save(QUICK, tmp_path / "quick.yaml")
    words = ["--config", f"{tmp_path}/quick.yaml", f"data={clip_folders}", f"out={tmp_path}/run"]
    import_module(f"train.{name}").main([*words, "steps=1"])
    check(name, tmp_path / "run")


@pytest.fixture(scope="module")
def shards(clip_folders, tmp_path_factory):
    """Those clips, as `train.prepare` stores them."""
    out = tmp_path_factory.mktemp("shards")
    filters = FilterConfig(sketch="xdog", text=0, shots="none")
    prepare(
        PrepareConfig(data=str(clip_folders), out=str(out), size=64, workers=0, filters=filters)
    )
    return out


@pytest.mark.parametrize("name", ["pretrain", "decoder", "sketch"])
def test_a_recipe_takes_shards(name, shards, tmp_path):
    import_module(f"train.{name}").main([*WORDS, f"data={shards}", f"out={tmp_path}", "steps=1"])
    check(name, tmp_path)


@pytest.mark.slow
@pytest.mark.parametrize("name", RESULTS)
def test_a_command_runs_as_it_is_written(name, clip_folders, tmp_path):
    words = [f"data={clip_folders}", f"out={tmp_path}", "steps=4"]
    command = [sys.executable, "-m", f"train.{name}", *words]
    subprocess.run(command, cwd=ROOT, env=os.environ, check=True)
    check(name, tmp_path)


def check(name: str, out: Path) -> None:
    file, kind = RESULTS[name]
    assert isinstance(toon_core.load(out / file), kind)


def test_pretraining_keeps_the_autoencoder_that_it_made(clip_folders, tmp_path):
    words = [*WORDS, f"data={clip_folders}", f"out={tmp_path}", "steps=1"]
    pretrain.main([*words, "--dry-run"])
    assert not list(tmp_path.iterdir())
    pretrain.main(words)
    made = tmp_path / "autoencoder" / "autoencoder.safetensors"
    before = made.stat().st_mtime_ns
    pretrain.main(words)
    assert made.stat().st_mtime_ns == before
    with pytest.raises(ValueError, match=f"init={made} goes with the autoencoder"):
        pretrain.main([*words, f"init={made}"])


def test_size_and_batch_go_by_the_model(tmp_path):
    def resolved(schema, *words):
        found = parse(schema, [f"data={tmp_path}", "out=o", *words], "").resolved()
        return found.height, found.width, found.batch, found.run.checkpointing

    assert resolved(RectifyConfig) == (128, 128, 4, False)
    assert resolved(RectifyConfig, "batch=2", "width=64") == (128, 64, 2, False)
    assert resolved(PretrainConfig, "preset=official_512") == (320, 512, 32, True)
    with pytest.raises(ValueError, match=r"nowhere\.ckpt: no such file"):
        resolved(RectifyConfig, "base=nowhere.ckpt")


def test_a_shape_has_our_fields_or_the_release_s_options(tmp_path):
    golden = ROOT / "tests" / "parity" / "golden" / "index.json"
    parts = json.loads(golden.read_text())["e2e.safetensors"]["t8"]["config"]
    parts["unet"]["norm_groups"] = 8

    def shape():
        OmegaConf.save(parts, tmp_path / "shape.yaml")
        return shape_of("nano", str(tmp_path / "shape.yaml"))

    found = shape()
    assert (found.unet.model_channels, found.unet.norm_groups) == (32, 8)
    assert (found.vae.ch_mult, found.clip.vision_width) == ((1, 2, 4, 4), 80)
    assert found.resampler.video_length == 8 and found.schedule.base_scale == 0.7
    parts["unet"]["use_causal_attention"] = True
    with pytest.raises(ValueError, match="use_causal_attention=True is not supported"):
        shape()
    parts = {"model": parts}
    with pytest.raises(ValueError, match=r"unknown fields \['model'\], expected unet, vae"):
        shape()


@pytest.mark.parametrize(
    ("name", "word", "said"),
    [
        ("rectify", "base=nowhere.ckpt", "nowhere.ckpt: no such file"),
        ("rectify", "variant=VI", "variant=VI: expected I or II"),
        ("sketch", "data=nowhere", "data=nowhere: no such folder"),
        ("assemble", "base=nowhere.ckpt", "nowhere.ckpt: no such file"),
    ],
)
def test_an_error_of_the_user_s_is_one_line(name, word, said, clip_folders, tmp_path):
    given = {"base": str(NANO), "data": str(clip_folders), "out": f"{tmp_path}/x.safetensors"}
    words = [f"{k}={v}" for k, v in given.items() if name != "assemble" or k != "data"]
    done = subprocess.run(
        [sys.executable, "-m", f"train.{name}", *words, word],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1 and "Traceback" not in done.stderr, done.stderr
    assert done.stderr.splitlines()[-1].startswith(f"error: {said}")
