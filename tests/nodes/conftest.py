"""A tiny model as a user's file, and ComfyUI with it in its folders."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import torch

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent / "parity")]

from graphs import encode, picture  # noqa: E402
from parity_cases import Draws  # noqa: E402
from parity_index import Case, read  # noqa: E402
from parity_models import Models  # noqa: E402

from toon_core.weights.save import save  # noqa: E402

if TYPE_CHECKING:
    from inprocess import Comfy

GOLDEN = HERE.parent / "parity" / "golden"
MODEL, PRUNED, SKETCH = "tiny.safetensors", "tiny_pruned.safetensors", "tiny_sketch.safetensors"


@pytest.fixture(scope="session")
def golden() -> dict[str, Case]:
    """The golden cases by file stem and name."""
    return {f"{c.file.split('.')[0]}/{c.name}": c for c in read(GOLDEN)}


@pytest.fixture(scope="session")
def tiny(golden: dict[str, Case]) -> Any:
    """The golden end-to-end model."""
    return Models().get("e2e", golden["e2e/t8"])


@pytest.fixture(scope="session")
def toon(comfy: Comfy, tiny: Any, golden: dict[str, Case]) -> Comfy:
    """ComfyUI with tiny files of the official layout in its model folders."""
    from dataclasses import replace

    folder = comfy.base / "models"
    for name in ("checkpoints", "diffusion_models", "controlnet"):
        (folder / name).mkdir(exist_ok=True)
    save(tiny, folder / "checkpoints" / MODEL)
    sketch = next(c for k, c in golden.items() if k.startswith("sketch/"))
    save(Models().get("control", sketch), folder / "controlnet" / SKETCH)
    towers = tiny.text, tiny.image, tiny.config
    tiny.text = tiny.image = None
    tiny.config = replace(tiny.config, clip=None)
    save(tiny, folder / "diffusion_models" / PRUNED)
    tiny.text, tiny.image, tiny.config = towers
    comfy.folder_paths.filename_list_cache.clear()
    return comfy


@pytest.fixture(scope="session")
def ready(toon: Comfy) -> Ready:
    """Keys of two pictures, loaded and encoded once for all tests that only sample."""
    return Ready(toon)


class Ready:
    """`keys` are the nodes 1 to 4; with them in a prompt, `run` finds them in its cache."""

    def __init__(self, comfy: Comfy) -> None:
        self.comfy, self.executor = comfy, comfy.executor()
        self.keys = encode(comfy, picture(1), picture(2))

    def run(self, nodes: dict[str, Any], keep: list[str], **options: Any) -> Any:
        prompt = {**self.keys, **nodes}
        everything = [*keep, "1", "4"]
        return self.comfy.run(prompt, keep=everything, executor=self.executor, **options)


@pytest.fixture
def golden_noise(
    toon: Comfy, golden: dict[str, Case], monkeypatch: pytest.MonkeyPatch
) -> Iterator[list[Draws]]:
    """Every stream of random numbers is the golden case's, from its start."""
    made: list[Draws] = []

    def seeded(seed: int, device: torch.device) -> Draws:
        made.append(Draws(golden["e2e/t8"]))
        return made[-1]

    pipelines = [m for n, m in sys.modules.items() if n.endswith("ToonTween.toon_core.pipeline")]
    assert len(pipelines) == 1
    monkeypatch.setattr(pipelines[0], "seeded", seeded)
    yield made


@pytest.fixture
def expected(golden: dict[str, Case]) -> dict[str, torch.Tensor]:
    """The golden end-to-end outputs."""
    from safetensors.torch import load_file

    return load_file(GOLDEN / "e2e.safetensors")


def to_image(tensor: torch.Tensor) -> torch.Tensor:
    """(3 h w) or (b 3 h w) in [-1, 1] -> IMAGE."""
    batch = tensor if tensor.ndim == 4 else tensor[None]
    return (batch.movedim(1, -1) + 1) / 2
