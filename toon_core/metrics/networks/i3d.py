"""I3D, the video network of published FVD and KVD, from its TorchScript file.

The file is looked for in a folder and never fetched.
"""

from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ..frames import check_frames
from ..network import Network, View, file_label

FILE = "i3d_torchscript.pt"
SIZE = 224
FEWEST = 10  # frames that the network's strides in time need
FEATURES = 400


class I3D(nn.Module):
    """A clip to the 400 outputs of I3D trained on Kinetics-400 (Carreira and Zisserman, 2017).

    `net` is the TorchScript module that FVD is published with: called with (1 3 f 224 224) in
    [-1, 1] and the options rescale, resize and return_features.
    """

    fewest = FEWEST

    def __init__(self, net: nn.Module) -> None:
        super().__init__()
        self.net = net

    @torch.no_grad()
    def forward(self, frames: Tensor) -> Tensor:
        """RGB frames (f 3 h w) in [0, 1], any size, 10 frames or more -> (400)."""
        check_frames(frames)
        if len(frames) < FEWEST:
            raise ValueError(f"I3D needs clips of {FEWEST} frames or more, {len(frames)} given")
        x = F.interpolate(frames.float(), (SIZE, SIZE), mode="bilinear", align_corners=False)
        video = (x * 2 - 1).transpose(0, 1)[None]
        return self.net(video, rescale=False, resize=False, return_features=True).flatten().float()


def find_i3d(folder: Path) -> Path | None:
    """The TorchScript file in `folder`, or None."""
    path = folder / FILE
    return path if path.is_file() else None


def load_i3d(path: Path) -> I3D:
    """I3D from its TorchScript file; ValueError if it is not that network."""
    try:
        net = I3D(torch.jit.load(path, map_location="cpu")).eval()
        features = net(torch.zeros(FEWEST, 3, 8, 8))
    except (RuntimeError, TypeError) as error:
        raise ValueError(f"{path} is not the TorchScript I3D of FVD: {error}") from error
    if features.shape != (FEATURES,):
        raise ValueError(f"{path} gives {tuple(features.shape)} features; I3D gives {FEATURES}")
    return net


def _look(net: I3D, view: View) -> Tensor | None:
    """The clip's features; None where it is too short."""
    return net(view.between_keys) if len(view.frames) >= FEWEST else None


NETWORKS = (
    Network(
        name="i3d",
        advice=f"put {FILE} into the models folder",
        files=lambda models: [path for path in [find_i3d(models)] if path],
        label=lambda models: f"I3D ({file_label(models / FILE)})",
        load=lambda models: load_i3d(models / FILE),
        look=_look,
    ),
)
