"""Render clips of motion that is not cartoon, to train a base that has never seen a cartoon.

    python -m benchmarks.ablation.photographs out=DIR [clips=600 size=128 frames=48 seed=0 ...]

Photographs that come inside the wheel of scikit-image (of people, animals, things, textures, and
two from a microscope), under a smoothly moving camera, with fragments of other ones that glide,
turn, bend and cover each other; nothing is drawn and nothing is downloaded. The result is a folder
of clips, `<clip>/frame_000.png ...` with prompt.txt and fps.txt, as every recipe reads it. Clip i
depends on (seed, i) alone; a run that was stopped goes on with the same command. Coordinates are
-1..1 over the square frame, x right and y down.
"""

from __future__ import annotations

import json
import logging
import os
import shutil
import sys
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import torch
from omegaconf import MISSING
from PIL import Image
from torch import Tensor
from torch.nn import functional
from tqdm import tqdm

from train.data.readers.frames import open_image
from train.engine.config import parse
from train.engine.files import OutFolder, write_text
from train.engine.options import option
from train.engine.stop import GO_ON, exit_on_user_error
from train.eval.testset import write_frames

log = logging.getLogger("toon.photographs")

Rng = np.random.Generator
PICTURES = {
    "astronaut.png": "an astronaut",
    "brick.png": "a brick wall",
    "camera.png": "a man with a camera",
    "chelsea.png": "a cat",
    "clock_motion.png": "a clock in motion",
    "coffee.png": "a cup of coffee",
    "coins.png": "old coins",
    "grass.png": "grass",
    "gravel.png": "gravel",
    "hubble_deep_field.jpg": "distant galaxies",
    "ihc.png": "stained tissue",
    "moon.png": "the surface of the moon",
    "motorcycle_left.png": "a motorcycle",
    "retina.jpg": "a retina",
    "rocket.jpg": "a rocket on its pad",
}
SIDE = 320  # short side that pictures are kept at
MASK = 64
OVERSAMPLING = 2


@dataclass(frozen=True, kw_only=True)
class MotionConfig:
    """How far things go, in half frames where not said otherwise, over 48 frames."""

    fragments: int = 3  # at most; 1 at least
    fragment: tuple[float, float] = (0.25, 0.65)  # half its side
    travel: float = 0.7  # of a fragment
    turn: float = 1.2  # of a fragment, radians
    grow: float = 0.3  # of a fragment, in its logarithm
    elastic: float = 0.12  # of a fragment's own half side
    pan: float = 0.3
    zoom: float = 0.25  # of the camera, in its logarithm
    roll: float = 0.25  # radians
    tilt: float = 0.12  # perspective: how much nearer the edge comes
    light: float = 0.12  # share that the brightness wanders
    recolour: float = 0.4  # share of pictures whose red, green and blue change places


@dataclass(frozen=True, kw_only=True)
class RenderConfig:
    """What is rendered, and where it goes."""

    out: str = MISSING  # folder of the clips
    clips: int = option(600, least=1)
    frames: int = option(48, least=1)  # of a clip
    size: int = option(128, least=1)  # pixels of a side
    fps: int = option(24, least=1)  # frames per second
    seed: int = option(0, least=0)
    motion: MotionConfig = field(default_factory=MotionConfig)


def render(config: RenderConfig) -> Path:
    """Write all clips that are not there yet; ValueError where the folder has others."""
    out = Path(config.out)
    with OutFolder(out).locked():
        _check_options(config, out / "photographs.json")
        missing = [i for i in range(config.clips) if not (out / clip_name(i)).is_dir()]
        pictures = load_pictures() if missing else {}
        for number in tqdm(missing, "clips", config.clips, initial=config.clips - len(missing)):
            rng = np.random.default_rng([config.seed, number])
            clip, prompt = render_clip(pictures, rng, config.frames, config.size, config.motion)
            unfinished = out / "unfinished" / clip_name(number)  # no clip of the folder above it
            write_frames(clip, unfinished)
            (unfinished / "prompt.txt").write_text(prompt + "\n", encoding="utf-8")
            (unfinished / "fps.txt").write_text(f"{config.fps}\n", encoding="utf-8")
            os.replace(unfinished, out / clip_name(number))
        shutil.rmtree(out / "unfinished", ignore_errors=True)
    return out


def clip_name(number: int) -> str:
    return f"photographs_{number:05d}"


def _check_options(config: RenderConfig, manifest: Path) -> None:
    """The folder's options, but for the number of clips, are these, or it is new."""
    wanted = asdict(config)
    del wanted["out"], wanted["clips"]
    wanted = json.loads(json.dumps(wanted))
    if manifest.is_file() and json.loads(manifest.read_text()) != wanted:
        raise ValueError(f"out={manifest.parent}: holds clips of other options; give a new folder")
    write_text(manifest, json.dumps(wanted, indent=1) + "\n")


def load_pictures() -> dict[str, Tensor]:
    """Name -> (3 h w) in [0, 1]; ValueError where scikit-image is not installed."""
    return {name: _read(name) for name in PICTURES}


def _read(name: str) -> Tensor:
    with open_image(_file(name)) as file:
        picture = file.convert("RGB")
    scale = SIDE / min(picture.size)
    size = tuple(max(SIDE, round(side * scale)) for side in picture.size)
    pixels = np.array(picture.resize(size, Image.Resampling.LANCZOS))
    return torch.from_numpy(pixels).movedim(-1, 0).float() / 255


def _file(name: str) -> Path:
    """A picture of the installed package, which is not imported."""
    spec = find_spec("skimage")
    folders = (spec and spec.submodule_search_locations) or []
    found = [path for folder in folders if (path := Path(folder) / "data" / name).is_file()]
    if not found:
        raise ValueError(
            f"scikit-image with its picture {name} is needed: pip install scikit-image"
        )
    return found[0]


def render_clip(
    pictures: Mapping[str, Tensor], rng: Rng, frames: int, size: int, config: MotionConfig
) -> tuple[Tensor, str]:
    """A clip (t 3 size size) in [0, 1] and what is in it. Fragments that come later in the
    sentence are nearer and cover the others."""
    names = list(pictures)
    count = int(rng.integers(1, config.fragments + 1))
    ground, *others = (names[i] for i in rng.choice(len(names), count + 1, replace=False))
    base = _base(size * OVERSAMPLING)
    clip = _grid_sample(_square(pictures[ground], rng, config), _camera(rng, frames, base, config))
    for name in others:
        layer, alpha = _fragment(_square(pictures[name], rng, config), rng, frames, base, config)
        clip = torch.lerp(clip, layer, alpha)
    gain = 1 + _path(rng, frames, config.light)
    clip = functional.avg_pool2d(clip * gain.view(-1, 1, 1, 1), OVERSAMPLING).clamp(0, 1)
    moving = ", then ".join(PICTURES.get(name, name) for name in others)
    return clip, f"a photograph of {PICTURES.get(ground, ground)}, in front of it moves {moving}"


def _base(side: int) -> Tensor:
    """Pixel centres (1 side side 2)."""
    line = (torch.arange(side) + 0.5) * 2 / side - 1
    y, x = torch.meshgrid(line, line, indexing="ij")
    return torch.stack([x, y], -1)[None]


def _path(rng: Rng, frames: int, amplitude: float) -> Tensor:
    """A smooth course (t) of about that size: a glide and two slow swings."""
    time = np.arange(frames) / 48
    glide = rng.uniform(-1, 1) * (time - time.mean())
    swings = sum(
        rng.uniform(-0.5, 0.5) * np.sin(2 * np.pi * (rng.uniform(0.3, 1.6) * time + rng.random()))
        for _ in range(2)
    )
    return torch.from_numpy(amplitude * (glide + swings)).float()


def _camera(rng: Rng, frames: int, base: Tensor, c: MotionConfig) -> Tensor:
    """Where in the picture every pixel looks, (t s s 2): pan, zoom, roll and perspective."""
    tilt = torch.stack([_path(rng, frames, c.tilt), _path(rng, frames, c.tilt)], -1)
    depth = 1 + (base * tilt.view(-1, 1, 1, 2)).sum(-1, keepdim=True)
    zoom = torch.exp(_path(rng, frames, c.zoom)) * 0.7
    pan = torch.stack([_path(rng, frames, c.pan), _path(rng, frames, c.pan)], -1)
    seen = _turned(base / depth, _path(rng, frames, c.roll))
    return seen * zoom.view(-1, 1, 1, 1) + pan.view(-1, 1, 1, 2)


def _fragment(
    texture: Tensor, rng: Rng, frames: int, base: Tensor, c: MotionConfig
) -> tuple[Tensor, Tensor]:
    """Colours (t 3 s s) and cover (t 1 s s) of a piece with a ragged round edge that glides,
    turns, grows and bends."""
    side = rng.uniform(*c.fragment) * torch.exp(_path(rng, frames, c.grow))
    centre = torch.stack([_path(rng, frames, c.travel) for _ in range(2)], -1)
    centre = centre + torch.from_numpy(rng.uniform(-0.6, 0.6, 2)).float()
    own = (base - centre.view(-1, 1, 1, 2)) / side.view(-1, 1, 1, 1)
    own = _turned(own, _path(rng, frames, c.turn))
    own = own + _bend(rng, own, c.elastic)
    mask = _blob(rng).expand(frames, -1, -1, -1)
    alpha = functional.grid_sample(mask, own, padding_mode="zeros", align_corners=False)
    return _grid_sample(texture, own * rng.uniform(0.4, 0.9)), alpha


def _turned(grid: Tensor, angle: Tensor) -> Tensor:
    """A grid (t s s 2) or (1 s s 2), turned by an angle (t) about its origin."""
    x, y = grid.unbind(-1)
    sine, cosine = (f(angle).view(-1, 1, 1) for f in (torch.sin, torch.cos))
    return torch.stack([cosine * x + sine * y, cosine * y - sine * x], -1)


def _bend(rng: Rng, grid: Tensor, amplitude: float) -> Tensor:
    """An elastic warp: two waves that travel through the piece, (t s s 2)."""
    phase = torch.arange(len(grid)).view(-1, 1, 1) / 48 * 2 * np.pi
    total = torch.zeros_like(grid)
    for _ in range(2):
        a, b, rate, start = (float(v) for v in rng.uniform(-3, 3, 4))
        wave = torch.sin(a * grid[..., 0] + b * grid[..., 1] + rate * phase + start)
        way = torch.from_numpy(rng.uniform(-1, 1, 2)).float()
        total += 0.5 * amplitude * wave[..., None] * way
    return total


def _blob(rng: Rng) -> Tensor:
    """A mask (1 1 m m) whose radius wanders around its middle; the edge is a little soft."""
    x, y = _base(MASK)[0].unbind(-1)
    angle, radius = torch.atan2(y, x), torch.full_like(x, 0.7)
    for k in range(1, 6):
        radius += float(rng.uniform(-0.18, 0.18)) / k * torch.cos(k * angle + rng.uniform(0, 6.3))
    return ((radius - torch.hypot(x, y)) * MASK / 4 + 0.5).clamp(0, 1)[None, None]


def _square(picture: Tensor, rng: Rng, c: MotionConfig) -> Tensor:
    """A random square of a picture, sometimes mirrored or in other colours: few of the pictures
    have blue or green."""
    height, width = picture.shape[-2:]
    side = int(rng.integers(SIDE * 5 // 8, SIDE + 1))
    top, left = (int(rng.integers(n - side + 1)) for n in (height, width))
    square = picture[:, top : top + side, left : left + side]
    if rng.random() < c.recolour:
        square = square[rng.permutation(3)]
    return square.flip(-1) if rng.random() < 0.5 else square


def _grid_sample(texture: Tensor, grid: Tensor) -> Tensor:
    """(3 h w) seen through a grid (t s s 2); beyond its edges it is mirrored."""
    layers = texture.expand(len(grid), -1, -1, -1)
    return functional.grid_sample(layers, grid, padding_mode="reflection", align_corners=False)


if __name__ == "__main__":
    logging.basicConfig(level=logging.INFO, format="%(levelname)s %(message)s")
    with exit_on_user_error(GO_ON):
        folder = render(parse(RenderConfig, sys.argv[1:], __doc__))
    log.info("%s: done", folder)
