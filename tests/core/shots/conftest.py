"""Key pictures of a shape that moves, and a maker of the tiny model."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image, ImageDraw
from shot_pictures import drawing
from torch import Tensor

from toon_core.model import ToonModel
from toon_core.recipe import Recipe
from toon_core.shots.pipelined import PipelineMaker
from toon_core.sketch.encoder import SketchEncoder

RECIPE = Recipe(
    height=64,
    width=64,
    steps=2,
    cfg_scale=1.0,
    guidance_rescale=0.0,
    replace_middle_frames=False,
)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """a.png ... d.png: the disc further and further right; odd.png of another shape."""
    for name, x in zip("abcd", (14, 24, 36, 48), strict=True):
        drawing(x).save(tmp_path / f"{name}.png")
    drawing(40, (200, 120)).save(tmp_path / "odd.png")
    sketch = Image.new("L", (64, 64), 255)
    ImageDraw.Draw(sketch).ellipse((20, 20, 44, 44), outline=0)
    sketch.save(tmp_path / "sketch.png")
    return tmp_path


@pytest.fixture
def document() -> dict[str, Any]:
    """Three keys, on twos, the last one held."""
    return {
        "version": 1,
        "length": 26,
        "exposure": 2,
        "prompt": "a disc rolls",
        "keys": [
            {"id": "one", "frame": 0, "image": "a.png"},
            {"id": "two", "frame": 12, "image": "b.png"},
            {"id": "three", "frame": 22, "image": "c.png"},
        ],
    }


@pytest.fixture
def maker(tiny: ToonModel, tiny_sketch: SketchEncoder) -> PipelineMaker:
    return PipelineMaker(tiny, RECIPE, "tiny", tiny_sketch, "tiny sketch")


@pytest.fixture
def other_maker(tiny: ToonModel) -> PipelineMaker:
    """The same model, otherwise sampled."""
    return PipelineMaker(tiny, replace(RECIPE, steps=1), "tiny")


def disc(x: float, size: tuple[int, int] = (96, 128), colour: float = 0.9) -> Tensor:
    """A disc with a dark line around it and spots, over a ground of stripes: (3 h w)."""
    rows, columns = torch.meshgrid(torch.arange(size[0]), torch.arange(size[1]), indexing="ij")
    picture = torch.tensor([0.3, 0.55, 0.8]).view(3, 1, 1).expand(3, *size).clone()
    picture[:, rows % 24 < 2] = 0.4
    radius = torch.hypot(columns - x, rows - size[0] / 2.0)
    picture[:, radius < 20] = 0.05
    picture[:, radius < 18] = torch.tensor([colour, 0.7, 0.2]).view(3, 1)
    picture[:, torch.hypot(columns - x - 6, rows - size[0] / 2.0 + 6) < 4] = 0.1
    return picture


@pytest.fixture
def shot() -> Tensor:
    """Ten frames of a disc that moves to the right: (10 3 96 128)."""
    return torch.stack([disc(30 + 7 * i) for i in range(10)])
