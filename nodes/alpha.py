"""Transparent parts of key frames: filled with a colour, since the model knows no transparency."""

from __future__ import annotations

import torch
from PIL import ImageColor
from torch import Tensor

from . import tensors

FILL = "white"


def colour(fill: str) -> tuple[float, float, float]:
    """ "white" or "#ffffff" -> red, green and blue in [0, 1]; ValueError for what is no colour."""
    found: tuple[int, ...]
    try:
        found = ImageColor.getrgb(fill.strip())
    except (ValueError, AttributeError):
        found = ()
    if len(found) != 3:
        raise ValueError(
            f"fill = {fill!r} is no colour: give a name like white, or #rrggbb like #ffffff."
        )
    red, green, blue = (value / 255 for value in found)
    return red, green, blue


def filled(images: Tensor, mask: Tensor | None, fill: str, name: str) -> tuple[Tensor, float]:
    """IMAGE (b h w 3), or (b h w 4) with alpha, and a MASK (b h w) that is 1 where the picture is
    transparent, as Load Image gives it -> (IMAGE (b h w 3) on `fill`, the part of it in [0, 1] that
    was transparent). ValueError for a mask that is not the picture's."""
    has_alpha = images is not None and images.ndim == 4 and images.shape[-1] == 4
    colours = tensors.checked(images[..., :3] if has_alpha else images, name)
    clear = colours.new_zeros(())
    if has_alpha:
        clear = 1 - _checked(images[..., 3], f"the alpha channel of {name}")
    mask_name = name.replace("_image", "_mask")
    if mask is not None and _checked(mask, mask_name).any():
        drawn = _of(mask, colours, mask_name, name)
        clear = 1 - (1 - clear) * (1 - drawn)
    part = float(clear.mean())
    if part == 0:
        return colours, 0.0
    ground = colours.new_tensor(colour(fill))
    return torch.lerp(colours, ground.expand_as(colours), clear[..., None].to(colours)), part


def _checked(mask: Tensor, name: str) -> Tensor:
    if not torch.isfinite(mask).all():
        raise ValueError(f"{name} holds NaN or infinite values: check the node it comes from.")
    return mask.clamp(0, 1)


def _of(mask: Tensor, images: Tensor, mask_name: str, name: str) -> Tensor:
    """The mask of these images, (b h w) or (1 h w)."""
    mask = mask[None] if mask.ndim == 2 else mask
    b, h, w = images.shape[:3]
    if mask.ndim != 3 or mask.shape[1:] != (h, w) or len(mask) not in (1, b):
        raise ValueError(
            f"{mask_name} is {_size(mask)} and {name} {_size(images[..., 0])}: connect the MASK of "
            f"the node that gives {name}."
        )
    return _checked(mask, mask_name).to(images)


def _size(images: Tensor) -> str:
    if images.ndim != 3:
        return f"of the shape {tuple(images.shape)}"
    count, h, w = images.shape
    return f"{w}x{h}" if count == 1 else f"{count} of {w}x{h}"
