"""Files of every layout: the golden model's names, two levels of it, and full size (sparse)."""

from __future__ import annotations

import gzip
import json
import struct
from dataclasses import replace
from pathlib import Path

import pytest
import torch

import toon_core
from toon_core import official
from toon_core.config import ToonConfig
from toon_core.model import ToonModel
from toon_core.presets import nano, nano_sketch
from toon_core.sketch.encoder import SketchEncoder
from toon_core.weights import errors
from toon_core.weights.save import released_state

GOLDEN = Path(__file__).parents[2] / "parity" / "golden"
MANIFESTS = Path(__file__).parent / "manifests"


@pytest.fixture(scope="session")
def golden_config() -> ToonConfig:
    """The golden end-to-end model: as many parts as the released one."""
    case = json.loads((GOLDEN / "index.json").read_text())["e2e.safetensors"]["t8"]["config"]
    return official.read_model(case)


@pytest.fixture(scope="session")
def golden_state() -> dict[str, torch.Tensor]:
    """Its names and shapes as the reference's manifest lists them."""
    return numbered(json.loads((GOLDEN / "manifest-lvd-t8.json").read_text()))


def numbered(shapes: dict[str, list[int]]) -> dict[str, torch.Tensor]:
    """Each tensor repeats one number of its own, so that a pickle of them is small."""
    return {k: torch.tensor(i / 4096).expand(s) for i, (k, s) in enumerate(shapes.items())}


@pytest.fixture(scope="session")
def tiny_config() -> ToonConfig:
    """The same parts with two levels, quick to build."""
    full = nano()
    return replace(
        full,
        unet=replace(full.unet, channel_mult=(1, 2), attention_resolutions=(2, 1)),
        vae=replace(full.vae, ch_mult=(1, 1, 2)),
        clip=replace(full.clip, vocab_size=49408, text_layers=2, vision_layers=1),
    )


@pytest.fixture(scope="session")
def tiny_state(tiny_config: ToonConfig) -> dict[str, torch.Tensor]:
    state = released_state(ToonModel(tiny_config, device="meta"))
    return numbered({k: v.shape for k, v in state.items() if "." in k})


@pytest.fixture(scope="session")
def pruned_state(tiny_state: dict) -> dict[str, torch.Tensor]:
    towers = ("cond_stage_model.", "embedder.")
    return {k: v for k, v in tiny_state.items() if not k.startswith(towers)}


@pytest.fixture(scope="session")
def pruned_config(tiny_config: ToonConfig) -> ToonConfig:
    return replace(tiny_config, clip=None)


@pytest.fixture(scope="session")
def sketch_state() -> dict[str, torch.Tensor]:
    torch.manual_seed(1)
    encoder = SketchEncoder(nano_sketch())
    return {k: torch.randn_like(v) for k, v in encoder.state_dict().items()}


@pytest.fixture
def ckpt(tmp_path: Path):
    """A pickle of some tensors, as `state_dict`."""

    def write(state: dict[str, torch.Tensor]) -> Path:
        path = tmp_path / "model.ckpt"
        torch.save({"state_dict": state}, path)
        return path

    return write


@pytest.fixture
def full_ckpt(ckpt, manifest):
    """A full-size pickle of zeros, and perhaps some schedule tables."""

    def write(name: str, **tables: torch.Tensor) -> Path:
        zeros = {k: torch.zeros(()).expand(s) for k, s in manifest(name).items() if "." in k}
        return ckpt(zeros | tables)

    return write


@pytest.fixture(scope="session")
def refuse():
    """Load a file that must fail, in the form every error has."""

    def check(path: Path, kind: type[errors.WeightsError], *words: str, **options) -> str:
        """This class; in the message the file, the words, and what to get and where to put it."""
        with pytest.raises(kind) as caught:
            toon_core.load(path, **options)
        message = str(caught.value)
        assert type(caught.value) is kind and isinstance(caught.value, ValueError)
        for word in (str(path), *words, "Doubiiu/ToonCrafter", "ComfyUI/models/"):
            assert word in message
        return message

    return check


@pytest.fixture(scope="session")
def manifest():
    """Names and shapes of a full-size file: `manifest("pruned")`."""

    def read(name: str) -> dict[str, list[int]]:
        return json.loads(gzip.decompress((MANIFESTS / f"manifest-{name}.json.gz").read_bytes()))

    return read


@pytest.fixture
def sparse(tmp_path: Path):
    """A safetensors file of the given names and shapes, zeros that take no disk."""

    def write(shapes: dict[str, list[int]], name: str = "sparse.safetensors") -> Path:
        header, end = {}, 0
        for key, shape in shapes.items():
            start, end = end, end + 2 * torch.Size(shape).numel()
            header[key] = {"dtype": "F16", "shape": shape, "data_offsets": [start, end]}
        text = json.dumps(header).encode()
        text += b" " * (-len(text) % 8)
        path = tmp_path / name
        with path.open("wb") as file:
            file.write(struct.pack("<Q", len(text)) + text)
            file.truncate(8 + len(text) + end)
        return path

    return write
