"""Learned perceptual image patch similarity, for any trunk of five maps."""

from collections.abc import Callable
from pathlib import Path

import torch
from torch import Tensor, nn

from .frames import check_pair
from .packages import package_file

VGG_WIDTHS = (64, 128, 256, 512, 512)


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

    @torch.no_grad()
    def features(self, frames: Tensor) -> list[Tensor]:
        """Unit-normalised maps of the frames, which `compare` takes; cache them for the truth."""
        return [m / (m.norm(dim=1, keepdim=True) + 1e-10) for m in self.trunk(frames)]

    @torch.no_grad()
    def compare(self, a: list[Tensor], b: list[Tensor]) -> Tensor:
        """Distance per frame (f) of two lists made by `features`."""
        layers = zip(a, b, self.heads, strict=True)
        return sum(
            torch.einsum("fdhw,d->fhw", (x - y).square(), head).mean(dim=(1, 2))
            for x, y, head in layers
        )

    def forward(self, frames: Tensor, truth: Tensor) -> Tensor:
        """Distance of each frame: (f 3 h w), (f 3 h w) in [0, 1] -> (f)."""
        check_pair(frames, truth)
        return self.compare(self.features(frames), self.features(truth))


def load_vgg_heads(path: Path | None = None) -> list[Tensor]:
    """The published VGG heads (v0.1), five vectors; by default the file in the lpips package.

    ValueError if the package is absent or the file is not those heads.
    """
    path = path or package_file("lpips", "weights/v0.1/vgg.pth")
    state = torch.load(path, map_location="cpu", weights_only=True)
    keys = [f"lin{i}.model.1.weight" for i in range(len(VGG_WIDTHS))]
    wrong = [k for k, d in zip(keys, VGG_WIDTHS, strict=True) if _shape(state, k) != (1, d, 1, 1)]
    if wrong:
        raise ValueError(f"{path} does not hold the LPIPS VGG heads: {wrong[0]} is wrong or absent")
    return [state[key].flatten() for key in keys]


def _shape(state: dict[str, Tensor], key: str) -> tuple[int, ...] | None:
    return tuple(state[key].shape) if key in state else None
