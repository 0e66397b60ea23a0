"""Learned perceptual image patch similarity, for any trunk of five maps."""

from collections.abc import Callable, Iterable
from functools import reduce
from pathlib import Path
from typing import Literal

import torch
from torch import Tensor, nn

from ..frames import check_pair
from .packages import package_file

Net = Literal["vgg", "alex"]
WIDTHS: dict[Net, tuple[int, ...]] = {
    "vgg": (64, 128, 256, 512, 512),
    "alex": (64, 192, 384, 256, 256),
}


class LPIPS(nn.Module):
    """Distance of the maps of one trunk, weighted by learned heads; lower is better, 0 is equal.

    Zhang et al., "The unreasonable effectiveness of deep features as a perceptual metric", 2018,
    equation 1: maps are unit-normalised over channels, the squared difference is weighted per
    channel and averaged over positions, and the layers are summed.

    `trunk` maps RGB frames (f 3 h w) in [0, 1] to a list of maps (f d h' w'), one for each head,
    and does its own input normalisation. `heads` are the channel weights, one vector (d) a map.
    """

    def __init__(self, trunk: Callable[[Tensor], list[Tensor]], heads: list[Tensor]) -> None:
        super().__init__()
        self.trunk = trunk
        self.heads = nn.ParameterList(nn.Parameter(h, requires_grad=False) for h in heads)

    def features(self, frames: Tensor) -> list[Tensor]:
        """Unit-normalised maps of the frames, which `compare` takes; cache them for the truth.

        Gradients pass, and are finite also where a map is zero; float32 is needed (1e-10)."""
        return unit_maps(self.trunk(frames))

    def compare(self, a: list[Tensor], b: list[Tensor]) -> Tensor:
        """Distance per frame (f) of two lists made by `features`."""
        return weighted_distance(a, b, self.heads)

    @torch.no_grad()
    def forward(self, frames: Tensor, truth: Tensor) -> Tensor:
        """Distance of each frame: (f 3 h w), (f 3 h w) in [0, 1] -> (f)."""
        check_pair(frames, truth)
        return self.compare(self.features(frames), self.features(truth))


def weighted_distance(a: list[Tensor], b: list[Tensor], heads: Iterable[Tensor]) -> Tensor:
    """Distance per frame (f) of unit-normalised maps, by the channels' weights."""
    distances = [
        torch.einsum("fdhw,d->fhw", (x - y).square(), head).mean(dim=(1, 2))
        for x, y, head in zip(a, b, heads, strict=True)
    ]
    return reduce(torch.add, distances)


def unit_maps(maps: list[Tensor]) -> list[Tensor]:
    """A trunk's maps (f d h w), of unit length over the channels."""
    return [m / (m.norm(dim=1, keepdim=True) + 1e-10) for m in maps]


def load_heads(net: Net = "vgg", path: Path | None = None) -> list[Tensor]:
    """The published heads (v0.1), five vectors; by default the file in the lpips package.

    ValueError if the package is absent or the file is not those heads.
    """
    path = path or package_file("lpips", f"weights/v0.1/{net}.pth")
    state = torch.load(path, map_location="cpu", weights_only=True)
    wanted = {f"lin{i}.model.1.weight": (1, d, 1, 1) for i, d in enumerate(WIDTHS[net])}
    wrong = [key for key, shape in wanted.items() if _shape(state, key) != shape]
    if wrong:
        name = net.upper()
        raise ValueError(f"{path} is not the LPIPS {name} heads: {wrong[0]} is wrong or absent")
    return [state[key].flatten() for key in wanted]


def _shape(state: dict[str, Tensor], key: str) -> tuple[int, ...] | None:
    return tuple(state[key].shape) if key in state else None
