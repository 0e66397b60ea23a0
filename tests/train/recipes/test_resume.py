"""A run that was stopped and gone on with equals one that was not, of every entry, bit for bit."""

from __future__ import annotations

from pathlib import Path
from types import ModuleType

import pytest
from safetensors.torch import load_file
from toy_recipe import same

from train import autoencoder, cache, decoder, pretrain, rectify, sketch
from train.engine import checkpoint

SIZE = ["height=64", "width=64", "frames=4", "seed=3"]
CPU = ["workers=0", "threads=1", "device=cpu"]
LOOKS = ["run.sheet_clips=0", "run.held_out=0", "optim.warmup=0", "optim.ema=0.9"]
RUN = ["batch=2", "lr=1e-3", *LOOKS, *SIZE, *(f"run.{word}" for word in CPU)]
BASE, SHAPE = "base={files}/model.safetensors", "shape={files}/shape.yaml"
CACHED = [BASE, "data={cached}"]
ADVERSARIAL = ["gan_start=0", "disc_width=16", "perceptual.net=none"]
FROM_NOTHING = [SHAPE, "autoencoder={files}/autoencoder.safetensors"]
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
def cached(files: Path, clip_folders: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What that model makes of the clips."""
    out = tmp_path_factory.mktemp("cache")
    words = [f"base={files}/model.safetensors", "count=3", "held_out=0", *SIZE, *CPU]
    cache.main([f"data={clip_folders}", f"out={out}", *words])
    return out


@pytest.mark.parametrize("case", CASES)
def test_a_step_and_one_more_equal_two(
    case: str, files: Path, cached: Path, clip_folders: Path, tmp_path: Path
) -> None:
    entry, own = CASES[case]
    words = [
        f"data={clip_folders}",
        *RUN,
        *(word.format(files=files, cached=cached) for word in own),
    ]
    for name, steps in (("whole", 2), ("parts", 1), ("parts", 2)):
        entry.main([*words, f"out={tmp_path}/{name}", f"steps={steps}"])
    folders = (tmp_path / name / "checkpoints" for name in ("whole", "parts"))
    whole, parts = map(checkpoint.load_latest, folders)
    assert whole["step"] == parts["step"] == 2
    assert same(whole["objectives"], parts["objectives"])
    (result,) = (tmp_path / "whole").glob("*.safetensors")
    assert same(load_file(result), load_file(tmp_path / "parts" / result.name))
