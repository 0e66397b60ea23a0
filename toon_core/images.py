"""Fitting images of any size to the model's, and undoing it at the output (architecture.md 9)."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Literal

import torch
from torch import Tensor
from torch.nn.functional import adaptive_avg_pool2d, interpolate, pad

Mode = Literal["crop", "pad", "stretch"]
Size = tuple[int, int]  # height, width
MULTIPLE = 64  # three halvings of an f8 latent


def resize(images: Tensor, size: Size, antialias: bool = True) -> Tensor:
    """Bilinear (b c h w) -> (b c *size)."""
    if tuple(images.shape[-2:]) == size:
        return images
    if not antialias:
        return _lerp(_lerp(images, size[1], -1), size[0], -2)
    return interpolate(images, size, mode="bilinear", align_corners=False, antialias=True)


def within(picture: Tensor, longest: int) -> Tensor:
    """(c h w) with a longer side of `longest` pixels at most: each pixel the mean of those it
    covers. Never scaled up."""
    height, width = picture.shape[-2:]
    scale = min(1.0, longest / max(height, width))
    size = (max(1, round(height * scale)), max(1, round(width * scale)))
    return adaptive_avg_pool2d(picture, size)


def _lerp(images: Tensor, count: int, axis: int) -> Tensor:
    """Linear resampling of one axis. Written out because torch's kernel rounds the places
    differently with and without fused multiply-add, so that its result depends on the machine."""
    have, shape = images.shape[axis], [-1] + [1] * (-axis - 1)
    centres = torch.arange(count, dtype=torch.float32, device=images.device) + 0.5
    place = (centres * (have / count) - 0.5).clamp(min=0)
    low = place.floor().clamp(max=have - 1)
    part = (place - low).view(shape).to(images.dtype)
    below, above = (
        images.index_select(axis, i.long()) for i in (low, (low + 1).clamp(max=have - 1))
    )
    return below * (1 - part) + above * part


def resize_and_crop(images: Tensor, size: Size, antialias: bool = True) -> Tensor:
    """The release's fit: shorter side to min(size), then a centre crop to `size`, zero padded
    where it is too small (mid grey for images in [-1, 1], empty for sketches).

    `antialias` was off in the release before torchvision 0.17 and on since.
    """
    source = (images.shape[-2], images.shape[-1])
    return centre(resize(images, _released(source, size), antialias), size)


def _released(source: Size, size: Size) -> Size:
    """`source` with its shorter side at the shorter side of `size`."""
    (h, w), short = source, min(size)
    return (short, int(short * w / h)) if h <= w else (int(short * h / w), short)


def centre(images: Tensor, size: Size) -> Tensor:
    """Centre crop and zero pad (b c h w) to `size`."""
    left, right = _bars(images.shape[-1], size[1])
    top, bottom = _bars(images.shape[-2], size[0])
    images = pad(images, (left, right, top, bottom))
    y = int(round((images.shape[-2] - size[0]) / 2.0))
    x = int(round((images.shape[-1] - size[1]) / 2.0))
    return images[..., y : y + size[0], x : x + size[1]]


def _bars(have: int, want: int) -> tuple[int, int]:
    missing = max(want - have, 0)
    return missing // 2, (missing + 1) // 2


@dataclass(frozen=True)
class Fit:
    """How images of `source` size are brought to `target`, and back.

    crop: the release's fit; what it cuts stays cut. pad: scaled down or up to fit inside, bars
    around, which `undo` removes. stretch: aspect not kept, which `undo` restores.

    `keys` is set where the target was derived from the key frames' size (`nearest`): these are not
    scaled, and another picture is scaled as they would be had they its size. `other`: the size of
    another picture in the same clip, whose bars `undo` removes, too.
    """

    source: Size
    target: Size
    mode: Mode = "crop"
    antialias: bool = True
    keys: Size | None = None
    other: Size | None = None

    def __post_init__(self) -> None:
        if self.mode not in ("crop", "pad", "stretch"):
            raise ValueError(f"fit mode {self.mode!r}: expected crop, pad or stretch")
        for name, value in zip(("height", "width"), self.target, strict=True):
            if value <= 0 or value % MULTIPLE:
                raise ValueError(
                    f"{name} = {value} must be a positive multiple of {MULTIPLE} "
                    f"(nearest: {max(round(value / MULTIPLE), 1) * MULTIPLE})"
                )

    @classmethod
    def nearest(cls, source: Size, mode: Mode = "pad", antialias: bool = True) -> Fit:
        """Keep the images' own size, made multiples of 64: pad goes up, crop goes down, stretch
        to the nearest."""
        h, w = (_multiple(side, mode) for side in source)
        return cls(source, (h, w), mode, antialias, keys=source)

    def of(self, source: Size) -> Fit:
        """The same fit for another picture, of this size."""
        return replace(self, source=source)

    def beside(self, other: Size) -> Fit:
        """The same fit in a clip with another picture, of this size."""
        return replace(self, other=other)

    def apply(self, images: Tensor) -> Tensor:
        """(b c h w) of `source` size -> (b c *target)."""
        if self.mode == "stretch":
            return resize(images, self.target, self.antialias)
        if self.mode == "pad":
            return centre(resize(images, self._inside, self.antialias), self.target)
        images = resize_and_crop(images, self._cropped, self.antialias)
        return centre(images, self.target)

    def undo(self, frames: Tensor) -> Tensor:
        """(n c *target) -> frames with the source's aspect ratio; of the source's size where the
        target was the nearest to it."""
        if self.mode == "crop":
            return frames
        if self.mode == "stretch":
            return resize(frames, self._same_area, self.antialias)
        h, w = self.kept
        top, left = (_bars(have, want)[0] for have, want in zip((h, w), self.target, strict=True))
        return frames[..., top : top + h, left : left + w]

    @property
    def scaled(self) -> Size:
        """The whole picture's size in the frame's pixels."""
        whole = {"stretch": self.target, "pad": self._inside}
        return whole.get(self.mode) or _released(self.source, self._cropped)

    @property
    def kept(self) -> Size:
        """The size of what `undo` keeps of the frame and the picture fills, before a stretch is
        undone. It is in the middle, as every picture is."""
        sizes = [self.scaled, self._cropped if self.mode == "crop" else self.target, self.target]
        if self.mode == "pad" and self.other:
            sizes.append(self.of(self.other)._inside)
        return tuple(map(min, *sizes))

    @property
    def cut(self) -> float:
        """The part of the picture, 0 to 1, that does not come back out of `undo`."""
        return 1 - math.prod(self.kept) / math.prod(self.scaled)

    @property
    def bars(self) -> float:
        """The part of the frames, 0 to 1, that is bars and stays when `undo` is done."""
        return 1 - math.prod(self.kept) / math.prod(self.target) if self.mode == "crop" else 0.0

    @property
    def _cropped(self) -> Size:
        """What the release's fit crops to, before the keys' own size is cut to multiples."""
        return self.keys if self.keys and min(self.keys) >= MULTIPLE else self.target

    @property
    def _inside(self) -> Size:
        scale = min(t / s for s, t in zip(self.source, self.keys or self.target, strict=True))
        h, w = (max(round(s * scale), 1) for s in self.source)
        return h, w

    @property
    def _same_area(self) -> Size:
        if self.keys:
            return self.keys
        (h, w), (th, tw) = self.source, self.target
        scale = (th * tw / (h * w)) ** 0.5
        return round(h * scale), round(w * scale)


def _multiple(side: int, mode: Mode) -> int:
    count = side / MULTIPLE
    whole = {"pad": -(-side // MULTIPLE), "crop": int(count), "stretch": round(count)}
    return max(whole[mode], 1) * MULTIPLE
