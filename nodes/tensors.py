"""ComfyUI's IMAGE (b h w c in [0, 1]) to the core's (b c h w in [-1, 1]) and back. Nowhere else."""

from __future__ import annotations

import math

from einops import rearrange
from torch import Tensor
from torch.nn import functional

OVERSHOOT = 0.25  # beyond [0, 1], as resizing and sharpening leave it: cut off


def checked(images: Tensor | None, name: str) -> Tensor:
    """The IMAGE itself; ValueError where it is missing, empty, not RGB, not finite or clearly not
    in [0, 1]."""
    if images is None:
        raise ValueError(f"{name}: no image is connected.")
    if images.ndim != 4 or 0 in images.shape:
        raise ValueError(
            f"{name}: expected an IMAGE batch (b h w 3), got the shape {tuple(images.shape)}."
        )
    if images.shape[-1] == 4:
        raise ValueError(
            f"{name} has an alpha channel: put it on a background first (for example with "
            "Image Composite Masked), since the model knows no transparency."
        )
    if images.shape[-1] != 3:
        raise ValueError(f"{name}: expected 3 colour channels, got {images.shape[-1]}.")
    if not images.is_floating_point():
        raise ValueError(
            f"{name} holds {str(images.dtype).removeprefix('torch.')} numbers, but an IMAGE holds "
            "floats in [0, 1]: check the node it comes from."
        )
    low, high = (float(bound) for bound in images.aminmax())
    if not (math.isfinite(low) and math.isfinite(high)):
        raise ValueError(f"{name} holds NaN or infinite values: check the node it comes from.")
    if low < -OVERSHOOT or high > 1 + OVERSHOOT:
        raise ValueError(
            f"{name} holds values from {low:.3g} to {high:.3g}, but an IMAGE is in [0, 1]: check "
            "the node it comes from."
        )
    return images


def resized(images: Tensor, height: int, width: int) -> Tensor:
    """(b h w c) at another size, clamped to [0, 1]."""
    if images.shape[1:3] != (height, width):
        planes = rearrange(images, "b h w c -> b c h w")
        planes = functional.interpolate(planes, (height, width), mode="bicubic", antialias=True)
        images = rearrange(planes, "b c h w -> b h w c")
    return images.clamp(0, 1)


def to_core(images: Tensor, name: str) -> Tensor:
    """IMAGE -> (b 3 h w) in [-1, 1]."""
    return rearrange(checked(images, name).float().clamp(0, 1), "b h w c -> b c h w") * 2 - 1


def to_sketches(images: Tensor, name: str) -> Tensor:
    """IMAGE -> (n 3 h w) in [0, 1]."""
    return rearrange(checked(images, name).float(), "b h w c -> b c h w").clamp(0, 1)


def to_comfy(frames: Tensor) -> Tensor:
    """(n 3 h w) in about [-1, 1] -> IMAGE, clamped."""
    return rearrange((frames.float() + 1) / 2, "b c h w -> b h w c").clamp(0, 1)
