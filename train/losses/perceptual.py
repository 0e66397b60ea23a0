"""LPIPS as a training loss, and the choice of the network that measures it."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn

from toon_core.metrics.networks.hed import load_lpips_hed, lpips_hed_label
from toon_core.metrics.networks.imagenet import FILES, find_trunk, load_lpips
from toon_core.metrics.networks.lpips import LPIPS, unit_maps
from train.engine.options import option

log = logging.getLogger("toon.train")

CHOICES = ("auto", "vgg", "alex", "hed", "none")


@dataclass(kw_only=True)
class PerceptualConfig:
    """LPIPS in a loss."""

    weight: float = option(0.0, least=0)  # of LPIPS; the paper's 0.1 for the decoder
    # Its network, the first that is there by auto; vgg and alex: torchvision's file in models.
    net: str = option("auto", choices=CHOICES)
    models: str = option("models", free=True)  # folder of files of other networks
    # Not the paper's: so much of the distance of Gram matrices (Gatys et al. 2016; Reda et al.
    # 2022) is added to LPIPS and to its line in the log: sharper where it is not certain what
    # goes where. Its weight in all is weight times style.
    style: float = option(0.0, least=0)
    frames: int = option(0, least=0)  # so many of a clip's frames, drawn at random (0: all)


class Perceptual(nn.Module):
    """LPIPS (Zhang et al. 2018, eq. 1) of images (n 3 h w) in [-1, 1], plus `style` times their
    `style_distance`; a number, the mean.

    Gradients reach the first argument only. In float32 whatever autocast says: the maps are
    divided by norms that may be as small as 1e-10. `label` says which networks measure.
    """

    def __init__(self, measure: LPIPS, label: str, style: float = 0.0) -> None:
        super().__init__()
        self.measure, self.label, self.style = measure.eval().requires_grad_(False), label, style

    def forward(self, images: Tensor, truth: Tensor) -> Tensor:
        with torch.autocast(images.device.type, enabled=False):
            wanted = self.measure.trunk((truth.detach().float() + 1) / 2)
            given = self.measure.trunk((images.float() + 1) / 2)
            found = self.measure.compare(unit_maps(given), unit_maps(wanted))
            if self.style:
                found = found + self.style * style_distance(given, wanted)
            return found.mean()


def style_distance(given: list[Tensor], wanted: list[Tensor]) -> Tensor:
    """Squared distance of the maps' Gram matrices (Gatys et al. 2016, eq. 3; in frame
    interpolation Reda et al. 2022), over the sum of both's squares, a mean over the layers: (n),
    0 to 1, so that pictures that are nearly flat do not outweigh all others. A blur has other
    matrices than what is sharp, wherever that stands, so it asks for lines even where it is not
    certain where they belong."""
    return torch.stack(
        [
            (a - b).square().sum((1, 2)) / (a.square() + b.square()).sum((1, 2)).clamp(min=1e-12)
            for a, b in ((gram(x), gram(y)) for x, y in zip(given, wanted, strict=True))
        ]
    ).mean(0)


def gram(maps: Tensor) -> Tensor:
    """(n d h w) -> (n d d), a mean over the places."""
    flat = maps.flatten(2)
    return flat @ flat.transpose(1, 2) / flat.shape[-1]


def perceptual_loss(config: PerceptualConfig) -> Perceptual | None:
    """The loss of a group of options; None for a weight of 0, or the network `none`.

    vgg, alex: the published LPIPS, torchvision's file lying in the folder `models`; hed: the
    published VGG heads on HED's VGG16 trunk. auto: the first of these three that is there, named
    in the log. ValueError when the one asked for, or all of them, are missing.
    """
    net, folder = config.net, Path(config.models)
    if net not in CHOICES:
        raise ValueError(f"perceptual={net}: expected one of {', '.join(CHOICES)}")
    if net == "none" or not config.weight:
        return None
    if net == "auto":
        net = next((known for known in FILES if find_trunk(known, folder)), "hed")
    loss = Perceptual(*_load(net, folder), config.style)
    log.info("perceptual loss: %s", loss.label)
    return loss


def _load(net: str, folder: Path) -> tuple[LPIPS, str]:
    if net != "hed":
        return load_lpips(net, folder), f"LPIPS v0.1 {net} ({FILES[net]} of torchvision)"
    try:
        return load_lpips_hed(), "LPIPS-HED, " + lpips_hed_label()
    except ValueError as error:
        files = " or ".join(FILES.values())
        raise ValueError(
            f"perceptual=hed: {error}; or put {files} into {folder}, or give perceptual.net=none"
        ) from error
