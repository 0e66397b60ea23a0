"""`train.cache`: a recipe learns from it what it would learn without; it resumes; it is checked."""

import json
import os
import shutil
from dataclasses import replace
from types import SimpleNamespace

import pytest
import torch
from caches import SHAPE, options
from discs import disc
from PIL import Image
from safetensors.torch import load_file
from torch import nn

import toon_core
from train.data.source import held_out, open_windows
from train.data.windows.cache_format import TEXT
from train.data.windows.cached import CachedWindows
from train.data.windows.dataset import WindowConfig
from train.engine.batches import SampleRNG, collate
from train.engine.config import RuntimeConfig
from train.losses.perceptual import PerceptualConfig
from train.recipes import cache, conditioning
from train.recipes.cache import build_cache as build
from train.recipes.conditioning import ContextEncoder, clip_moments
from train.recipes.decoder import DecoderConfig, DecoderRecipe
from train.recipes.pretrain import PretrainConfig, PretrainRecipe
from train.recipes.rectify import RectifyConfig, RectifyRecipe
from train.recipes.sketch import SketchRecipe, SketchTrainConfig
from train.rectify import main as rectify

PROCESS = {"workers": 0, "sheet_clips": 1, "held_out": 1, "device": "cpu"}
RUN = {"steps": 2, "batch": 2, "seed": 3, "run": RuntimeConfig(**PROCESS)}


@pytest.fixture(scope="module")
def cached(tmp_path_factory, base, clip_folders):
    """Everything that can be stored."""
    out = tmp_path_factory.mktemp("cache")
    build(options(clip_folders, out, base=str(base), precision="fp32", video=True))
    return out


@torch.no_grad()
def loss(recipe, first=0) -> float:
    """Of the first step's batch; of later windows with another `first`."""
    (objective,) = recipe.objectives.values()
    batch = collate([recipe.dataset[i + first] for i in range(2)])
    torch.manual_seed(0)
    return objective(batch, SampleRNG(3, 0, range(2)))[0].item()


def no_encoder(monkeypatch):
    """Nothing but the empty prompt and the grey image may be encoded."""
    seen = ContextEncoder._image_tower

    def grey_only(self, pictures):
        assert pictures.shape[-1] == 224 and not pictures.any()
        return seen(self, pictures)

    def forbidden(*_):
        raise AssertionError("the autoencoder has run")

    monkeypatch.setattr(ContextEncoder, "_image_tower", grey_only)
    monkeypatch.setattr(conditioning, "clip_moments", forbidden)


@pytest.mark.parametrize(
    ("kind", "config"),
    [(RectifyRecipe, RectifyConfig), (SketchRecipe, SketchTrainConfig)],
)
def test_losses_are_those_without_a_cache(cached, base, clip_folders, monkeypatch, kind, config):
    def made(data):
        chosen = config(data=str(data), out="", base=str(base), drop=0.3, **SHAPE, **RUN)
        torch.manual_seed(1)
        recipe = kind(chosen, torch.device("cpu"))
        if kind is SketchRecipe:  # its output starts at zero, which hides the sketch
            for parameter in recipe.encoder.parameters():
                if not parameter.any():
                    nn.init.normal_(parameter, std=0.3)
        return recipe

    plain, recipe = made(clip_folders), made(cached)
    expected = loss(plain)
    assert "video" not in recipe.dataset[0]
    if kind is SketchRecipe:
        assert torch.allclose(*(r.dataset[1]["sketches"] for r in (plain, recipe)), atol=1e-6)
    no_encoder(monkeypatch)
    assert loss(recipe) == pytest.approx(expected, rel=1e-5)
    assert loss(recipe, first=1) != pytest.approx(expected, rel=1e-4), "other windows differ"


def test_pretraining_takes_a_cache_of_an_autoencoder_alone(
    files, base, clip_folders, tmp_path, monkeypatch
):
    shape = {"autoencoder": f"{files}/autoencoder.safetensors", "shape": f"{files}/shape.yaml"}
    build(options(clip_folders, tmp_path, sketch="none", **shape))

    def made(data):
        torch.manual_seed(2)
        given = {**shape, "init": str(base), "data": str(data)}
        return PretrainRecipe(PretrainConfig(out="", **given, **SHAPE, **RUN), torch.device("cpu"))

    expected = loss(made(clip_folders))
    recipe = made(tmp_path)
    assert set(recipe.dataset[0]) >= {"moments", "first"}
    assert not {"text", "image", "video"} & set(recipe.dataset[0]), "its towers train"
    monkeypatch.setattr(conditioning, "clip_moments", None)
    assert loss(recipe) == pytest.approx(expected, rel=2e-3), "stored in half precision"
    with pytest.raises(ValueError, match="without text: .*train.cache` with base=MODEL"):
        config = RectifyConfig(data=str(tmp_path), out="", base=str(base), **SHAPE, **RUN)
        RectifyRecipe(config, torch.device("cpu"))


def test_the_decoder_takes_pictures_and_posteriors(cached, base, clip_folders):
    given = {"base": str(base), "perceptual": PerceptualConfig(), "gan_weight": 0.0}
    config = DecoderConfig(data=str(cached), out="", **given, **SHAPE, **RUN)
    recipe = DecoderRecipe(config, torch.device("cpu"))
    item, plain = recipe.dataset[1], open_windows(replace(config, data=str(clip_folders)))[1]
    assert torch.allclose(item["video"], plain["video"], atol=1e-6), "clips of 8 bits as they are"
    moments = clip_moments(recipe.vae, plain["video"][None])[0]
    assert torch.allclose(item["moments"], moments, rtol=1e-4, atol=1e-5)
    assert {k: item[k] for k in TEXT} == {k: plain[k] for k in TEXT}


def test_a_run_by_its_command_needs_the_cache_alone(cached, base, tmp_path):
    process = {f"run.{k}": v for k, v in PROCESS.items()}
    words = [f"{k}={v}" for k, v in (SHAPE | process | {"steps": 1, "batch": 1}).items()]
    words.append("seed=3")
    short = ["sheet.steps=1", "run.threads=1", "variant=V", "lr=1e-3", "optim.warmup=0"]
    rectify([f"base={base}", f"data={cached}", f"out={tmp_path}", *words, *short])
    result = load_file(tmp_path / "model.safetensors")
    name = "image_proj_model.proj_in.weight"
    assert not torch.equal(result[name], load_file(base)[name])
    assert len(list((tmp_path / "sheets").iterdir())) == 2


def test_a_run_killed_anywhere_goes_on_to_the_same_bytes(
    cached, base, clip_folders, tmp_path, monkeypatch
):
    """Killed before one file gets its name after the other, with the files of the kill before."""
    config = options(clip_folders, tmp_path, base=str(base), precision="fp32", video=True)
    encoders, replace_file, left = cache.Encoders(config, torch.device("cpu")), os.replace, [0]

    def killed(source, target):
        left[0] -= 1
        if left[0] < 0:
            raise KeyboardInterrupt
        replace_file(source, target)

    monkeypatch.setattr(cache, "Encoders", lambda *_: encoders)
    monkeypatch.setattr(os, "replace", killed)
    for files in (1, 2, 3, 4):  # the first is cache.json, then a shard's places and the shard
        left[0] = files
        with pytest.raises(KeyboardInterrupt):
            build(config)
        with pytest.raises(ValueError, match="not finished"):
            CachedWindows(tmp_path, "train", 1, ())
    assert (tmp_path / "train-000001.tar").exists() and not (tmp_path / "test-000000.tar").exists()
    left[0] = 99
    build(config)
    assert contents(tmp_path) == contents(cached)


def contents(folder) -> dict[str, bytes]:
    return {file.name: file.read_bytes() for file in folder.iterdir()}


def test_a_cache_grows_to_the_same_bytes(cached, base, clip_folders, tmp_path):
    given = {"base": str(base), "precision": "fp32", "video": True}
    build(options(clip_folders, tmp_path, count=3, **given))
    written = (tmp_path / "train-000000.tar").stat().st_mtime_ns
    build(options(clip_folders, tmp_path, **given))
    assert (tmp_path / "train-000000.tar").stat().st_mtime_ns == written
    assert contents(tmp_path) == contents(cached)
    with pytest.raises(ValueError, match="count=5 already"):
        build(options(clip_folders, tmp_path, count=4, **given))


def test_another_model_is_refused_by_its_hash(cached, base, tmp_path):
    other = toon_core.load(base, dtype=torch.float32)
    nn.init.ones_(other.vae.decoder.conv_in.weight)
    config = RectifyConfig(data=str(cached), out="", base="other.safetensors", **SHAPE, **RUN)
    parts = ("moments", "text", "image")
    open_windows(config, 1, parts, other)  # the decoder is no matter of the cache
    stored = json.loads((cached / "cache.json").read_text())["encoders"]
    for name, weights in (
        ("image", other.image.model.visual.conv1.weight),
        ("text", other.text.model.positional_embedding),
        ("autoencoder", other.vae.quant_conv.weight),
    ):
        nn.init.ones_(weights)
        wrong = rf"made by model.safetensors, whose {name} encoder is {stored[name]}"
        with pytest.raises(ValueError, match=wrong + r".*base=other.safetensors is \w{16}:"):
            open_windows(config, 1, parts, other)
    open_windows(config, 1, ("video",), other)


def test_what_a_cache_has_not_is_named(cached, base, clip_folders, tmp_path):
    config = SimpleNamespace(data=str(cached), frames=16, buckets=False, **SHAPE)
    wider = SimpleNamespace(**(vars(config) | {"width": 128}))
    with pytest.raises(ValueError, match="width=128, but .*width=64"):
        open_windows(wider)
    with pytest.raises(ValueError, match="sketch=hed, but .*sketch=stored"):
        open_windows(config, parts=("sketches",), sketch="hed")
    with pytest.raises(ValueError, match="1 held-out windows, 2 are wanted"):
        held_out(config, 2, 0)
    shard = cached / "train-000001.tar"
    whole = shard.read_bytes()
    try:
        shard.write_bytes(whole[: len(whole) // 2])
        with pytest.raises(ValueError, match=r"train-000001.tar is cut short.*same train.cache"):
            open_windows(config)
    finally:
        shard.write_bytes(whole)
    given = {"base": str(base), "precision": "fp32", "video": True}
    with pytest.raises(ValueError, match=r"another height 64 \(now 128\)"):
        build(options(clip_folders, cached, **{**given, "height": 128}))
    moved = tmp_path / "clips"
    moved.symlink_to(clip_folders / "right")
    with pytest.raises(ValueError, match="another clips"):
        build(options(moved, cached, **given))


def test_a_window_that_cannot_be_read_is_the_next_one(cached, tmp_path, caplog):
    shutil.copytree(cached, tmp_path / "cache")
    whole, spoiled = (
        CachedWindows(d, "train", 10, ("text",)) for d in (cached, tmp_path / "cache")
    )
    start, size = spoiled._places[1]["text.npy"]
    with (tmp_path / "cache" / "train-000000.tar").open("r+b") as shard:
        shard.seek(start)
        shard.write(bytes(size))
    for index, expected in ((0, 0), (1, 2), (2, 2), (6, 2)):  # 1 is the second of its shard
        assert spoiled[index]["name"] == whole[expected]["name"]
        assert torch.equal(spoiled[index]["text"], whole[expected]["text"])
    assert len([r for r in caplog.records if "window 1: cannot be read" in r.message]) == 1
    (tmp_path / "cache" / "train-000000.tar").unlink()
    assert torch.equal(spoiled[0]["text"], whole[3]["text"])


@pytest.fixture(scope="module")
def two_aspects(tmp_path_factory):
    """Four square clips and four wide ones."""
    root = tmp_path_factory.mktemp("aspects")
    for number in range(8):
        for i, frame in enumerate(disc(20, 2.0 + number, 64, 64 if number % 2 else 128)):
            path = root / f"clip_{number}" / f"frame_{i:03d}.png"
            path.parent.mkdir(exist_ok=True)
            pixels = (frame.permute(1, 2, 0) * 255).round().byte().numpy()
            Image.fromarray(pixels).save(path)
    return root


def test_a_cache_holds_buckets_too(two_aspects, base, tmp_path):
    own = {"base": str(base), "precision": "fp32", "tokens": False, "sketch": "none"}
    own |= {"buckets": True, "batch": 2, "count": 8, "shard_items": 4, "height": 128, "width": 128}
    build(options(two_aspects, tmp_path / "cache", **own))
    vae = toon_core.load(base, dtype=torch.float32).vae

    def run(data, **changes):
        given = {
            "height": 128,
            "width": 128,
            "frames": 16,
            "seed": 3,
            "buckets": True,
            "batch": 2,
            **changes,
        }
        return SimpleNamespace(data=str(data), windows=WindowConfig(), **given)

    parts = ("moments", "first")
    plain = open_windows(run(two_aspects), items=8)
    cached = open_windows(run(tmp_path / "cache"), items=8, parts=parts)
    shapes = set()
    for i in range(8):
        video, moments = plain[i]["video"], cached[i]["moments"]
        assert torch.allclose(clip_moments(vae, video[None])[0], moments, atol=1e-5)
        shapes.add(tuple(moments.shape[-2:]))
    assert len(shapes) == 2 and all(
        cached[i]["moments"].shape == cached[i + 1]["moments"].shape for i in range(0, 8, 2)
    )
    with pytest.raises(ValueError, match="buckets=false, but .* was made with buckets=true"):
        open_windows(run(tmp_path / "cache", buckets=False), items=8, parts=parts)
    with pytest.raises(ValueError, match="batch=4, but .* 2 windows share a bucket"):
        open_windows(run(tmp_path / "cache", batch=4), items=8, parts=parts)
    (tmp_path / "cache" / "train-000000.tar").write_bytes(bytes(10**6))
    for i in range(4):  # another window stands in, of the shape of its batch
        assert cached[i]["moments"].shape[-2:] == tuple(s // 8 for s in plain.shape_of(i))
    with pytest.raises(ValueError, match="buckets=true and batch= go together"):
        build(options(two_aspects, tmp_path / "x", **{**own, "batch": 0}))
    with pytest.raises(ValueError, match="count=7: expected a multiple of batch=2"):
        build(options(two_aspects, tmp_path / "x", **{**own, "count": 7}))
