"""What several files begin with: tiny clips made on the spot, random networks, an evaluation."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from discs import make_clip_folders, make_testset
from small_models import PLAIN, TINY, filled

from toon_core.model import ToonModel
from toon_core.vae.autoencoder import Autoencoder
from toon_core.weights.save import save
from train.engine.config import RunConfig
from train.engine.export import save_part
from train.eval.options import Settings


def _animated(start, end, frames: int) -> dict:
    ease = {"i": {"x": [0.5], "y": [1]}, "o": {"x": [0.5], "y": [0]}}
    return {"a": 1, "k": [{"t": 0, "s": start, "e": end, **ease}, {"t": frames, "s": end}]}


@pytest.fixture(scope="session")
def write_lottie():
    """write_lottie(path, colour=(r g b in 0..1), start=, end=, frames=, spin=) -> path."""

    def write(path: Path, colour=(1, 0, 0), start=(20, 50), end=(80, 50), frames=60, spin=0):
        fixed = {"a": 0, "k": 0}
        shapes = [
            {"ty": "rc", "p": {"a": 0, "k": [0, 0]}, "s": {"a": 0, "k": [40, 24]}, "r": fixed},
            {"ty": "fl", "c": {"a": 0, "k": [*colour, 1]}, "o": {"a": 0, "k": 100}},
        ]
        still = {"p": [0, 0], "a": [0, 0], "s": [100, 100], "r": 0, "o": 100}
        group_place = {"ty": "tr", **{key: {"a": 0, "k": value} for key, value in still.items()}}
        transform = {
            "p": _animated([*start, 0], [*end, 0], frames),
            "r": _animated([0], [spin], frames) if spin else fixed,
            "o": {"a": 0, "k": 100},
            "a": {"a": 0, "k": [0, 0, 0]},
            "s": {"a": 0, "k": [100, 100, 100]},
        }
        layer = {"ty": 4, "ip": 0, "op": frames, "st": 0, "ks": transform, "ind": 1}
        layer["shapes"] = [{"ty": "gr", "it": [*shapes, group_place]}]
        document = {"v": "5.5.7", "fr": 60, "ip": 0, "op": frames, "w": 100, "h": 100}
        path.write_text(json.dumps(document | {"assets": [], "layers": [layer]}))
        return path

    return write


@pytest.fixture(scope="session")
def lottie_folder(tmp_path_factory, write_lottie) -> Path:
    """Eight moving clips, two of them alike, and three that cannot be used."""
    root = tmp_path_factory.mktemp("clips")
    write_lottie(root / "red box.json")
    write_lottie(root / "blue box.json", colour=(0, 0, 1))
    write_lottie(root / "down.json", start=(50, 15), end=(50, 85), frames=90)
    write_lottie(root / "corner.json", start=(15, 15), end=(85, 85), frames=120)
    write_lottie(root / "spin.json", start=(50, 50), end=(50, 50), spin=360, frames=70)
    write_lottie(root / "roll.json", start=(90, 80), end=(10, 80), spin=-200, frames=100)
    write_lottie(root / "rise.json", start=(25, 95), end=(30, 10), frames=80)
    write_lottie(root / "1f438.json", start=(80, 20), end=(20, 60), spin=90, frames=110)
    write_lottie(root / "still.json", end=(20, 50))
    write_lottie(root / "short.json", frames=10)
    (root / "broken.json").write_text('{"layers": [')
    return root


@pytest.fixture(scope="session")
def clip_folders(tmp_path_factory) -> Path:
    return make_clip_folders(tmp_path_factory.mktemp("folders"))


@pytest.fixture(scope="session")
def files(tmp_path_factory) -> Path:
    """A random model of the least size that has every kind of block, none of its layers zero:
    model.safetensors, its shape.yaml, and of a plain decoder autoencoder.safetensors."""
    folder = tmp_path_factory.mktemp("files")
    torch.manual_seed(0)
    model = filled(ToonModel(TINY), std=0.02)
    save(model, folder / "model.safetensors", dtype=torch.float32)
    plain = Autoencoder(PLAIN.vae)
    plain.load_state_dict(model.vae.state_dict(), strict=False)
    options = RunConfig(data="", out="")
    save_part(plain, folder / "autoencoder.safetensors", "vae", options, {})
    (folder / "shape.yaml").write_text(json.dumps(TINY.to_dict()))
    return folder


@pytest.fixture(scope="session")
def base(files) -> Path:
    return files / "model.safetensors"


@pytest.fixture
def vae() -> Autoencoder:
    """A random one of nano's shape, with a plain decoder."""
    torch.manual_seed(4)
    return Autoencoder(PLAIN.vae)


@pytest.fixture
def batch() -> dict:
    """Two clips of noise."""
    return {
        "video": torch.rand(2, 3, 4, 64, 64, generator=torch.Generator().manual_seed(5)) * 2 - 1
    }


@pytest.fixture
def testset(tmp_path: Path) -> Path:
    return make_testset(tmp_path / "held_out")


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(out=tmp_path / "out", size=64)


@pytest.fixture
def bare(settings: Settings) -> Settings:
    """Where the networks do not matter, to measure without them saves their time."""
    return replace(settings, only=())
