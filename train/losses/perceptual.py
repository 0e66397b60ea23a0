"""LPIPS as a training loss, and the choice of the network that measures it."""

from __future__ import annotations

import logging
from pathlib import Path

import torch
from torch import Tensor, nn

from toon_core.metrics.hed import load_lpips_hed, lpips_hed_label
from toon_core.metrics.imagenet import FILES, find_trunk, load_lpips
from toon_core.metrics.lpips import LPIPS

log = logging.getLogger("toon.train")

CHOICES = ("auto", "vgg", "alex", "hed", "none")


class Perceptual(nn.Module):
    """LPIPS (Zhang et al. 2018, eq. 1) of images (n 3 h w) in [-1, 1]; a number, the mean.

    Gradients reach the first argument only. In float32 whatever autocast says: the maps are
    divided by norms that may be as small as 1e-10. `label` says which networks measure, `net`
    names the trunk: vgg, alex or hed.
    """

    def __init__(self, measure: LPIPS, label: str, net: str = "vgg") -> None:
        super().__init__()
        self.net = net
        self.measure, self.label = measure.eval().requires_grad_(False), label

    def forward(self, images: Tensor, truth: Tensor) -> Tensor:
        with torch.autocast(images.device.type, enabled=False):
            wanted = self.measure.features((truth.detach().float() + 1) / 2)
            given = self.measure.features((images.float() + 1) / 2)
            return self.measure.compare(given, wanted).mean()


def perceptual(choice: str, models: str | Path) -> Perceptual | None:
    """The loss of one of CHOICES, or None for `none`.

    vgg, alex: the published LPIPS, torchvision's file lying in the folder `models`; hed: the
    published VGG heads on HED's VGG16 trunk. auto: the first of these three that is there, named
    in the log. ValueError when the one asked for, or all of them, are missing.
    """
    if choice not in CHOICES:
        raise ValueError(f"perceptual={choice}: expected one of {', '.join(CHOICES)}")
    if choice == "none":
        return None
    folder = Path(models)
    loss = _load(choice if choice != "auto" else _available(folder), folder)
    log.info("perceptual loss: %s", loss.label)
    return loss


def _available(folder: Path) -> str:
    for net in ("vgg", "alex"):
        if find_trunk(net, folder):
            return net
    return "hed"


def _load(choice: str, folder: Path) -> Perceptual:
    if choice == "hed":
        try:
            return Perceptual(load_lpips_hed(), "LPIPS-HED, " + lpips_hed_label(), "hed")
        except ValueError as error:
            files = " or ".join(FILES.values())
            raise ValueError(
                f"perceptual=hed: {error}; or put {files} into {folder}, or give perceptual=none"
            ) from error
    label = f"LPIPS v0.1 {choice} ({FILES[choice]} of torchvision)"
    return Perceptual(load_lpips(choice, folder), label, choice)
