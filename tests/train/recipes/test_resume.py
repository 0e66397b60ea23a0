"""A run that was stopped and gone on with equals one that was not, of every entry, bit for bit."""

from __future__ import annotations

import json
from pathlib import Path
from types import ModuleType

import pytest
import torch
from safetensors.torch import load_file
from small_models import TINY, filled
from toy_recipe import same

from toon_core.model import ToonModel
from toon_core.weights.save import save
from train import autoencoder, cache, decoder, pretrain, rectify, sketch
from train.engine import checkpoint
from train.engine.config import RunConfig
from train.engine.export import save_part

SIZE = ["height=64", "width=64", "frames=4", "seed=3"]
CPU = ["workers=0", "threads=1", "device=cpu"]
LOOKS = ["run.sheet_clips=0", "run.held_out=0", "optim.warmup=0", "optim.ema=0.9"]
RUN = ["batch=2", "lr=1e-3", *LOOKS, *SIZE, *(f"run.{word}" for word in CPU)]
BASE, SHAPE = "base={files}/model.safetensors", "shape={files}/shape.yaml"
CACHED = [BASE, "data={files}/cache"]
ADVERSARIAL = ["gan_start=0", "disc_width=16", "perceptual.net=none"]
FROM_NOTHING = [SHAPE, "autoencoder={files}/vae.safetensors"]
CASES: dict[str, tuple[ModuleType, list[str]]] = {
    "autoencoder": (autoencoder, [SHAPE, "latent_noise=0.3", "halved=0.5"]),
    "decoder": (decoder, [BASE, *ADVERSARIAL, "latent_noise=0.2"]),
    "sketch": (sketch, [BASE, "dropout=0.2", "optim.name=muon"]),
    "pretrain": (pretrain, [*FROM_NOTHING, "shift=2", "run.checkpointing=true"]),
    "rectify": (rectify, [BASE, "dropout=0.2"]),
    "lora": (rectify, [BASE, "lora=2", "dropout=0.2", "run.accumulate=2"]),
    "cache": (rectify, [*CACHED, "drop=0.3"]),
}


@pytest.fixture(scope="module")
def files(clip_folders: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model of the least size that has every kind of block, its autoencoder, and a cache."""
    folder = tmp_path_factory.mktemp("files")
    torch.manual_seed(0)
    model = filled(ToonModel(TINY), std=0.02)
    save(model, folder / "model.safetensors", dtype=torch.float32)
    save_part(model.vae, folder / "vae.safetensors", "vae", RunConfig(data="", out=""), {})
    (folder / "shape.yaml").write_text(json.dumps(TINY.to_dict()))
    words = [f"base={folder}/model.safetensors", "count=3", "held_out=0", *SIZE, *CPU]
    cache.main([f"data={clip_folders}", f"out={folder}/cache", *words])
    return folder


@pytest.mark.parametrize("case", CASES)
def test_a_step_and_one_more_equal_two(
    case: str, files: Path, clip_folders: Path, tmp_path: Path
) -> None:
    entry, own = CASES[case]
    words = [f"data={clip_folders}", *RUN, *(word.format(files=files) for word in own)]
    for name, steps in (("whole", 2), ("parts", 1), ("parts", 2)):
        entry.main([*words, f"out={tmp_path}/{name}", f"steps={steps}"])
    folders = (tmp_path / name / "checkpoints" for name in ("whole", "parts"))
    whole, parts = map(checkpoint.load_latest, folders)
    assert whole["step"] == parts["step"] == 2
    assert same(whole["objectives"], parts["objectives"])
    (result,) = (tmp_path / "whole").glob("*.safetensors")
    assert same(load_file(result), load_file(tmp_path / "parts" / result.name))
