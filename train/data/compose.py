"""Putting characters on backgrounds: placement, ink outline, layers.

Layers are (t 4 h w) float32 in [0, 1] with premultiplied alpha, so
over(a, b) = a + (1 - alpha_a) * b (Porter and Duff, 1984).
"""

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from train.data.canvas import Colour

Pair = tuple[float, float]


def as_layer(frames: np.ndarray) -> Tensor:
    """(t h w c) or (h w c) uint8 to float32 (... c h w) in [0, 1]."""
    pixels = torch.from_numpy(np.array(frames)).movedim(-1, -3)
    return pixels.to(torch.float32, memory_format=torch.contiguous_format).mul_(1 / 255)


def over(layer: Tensor, below: Tensor) -> Tensor:
    """`layer` (t 4 h w) over `below` (c h w) or (t c h w), c 3 or 4; gives (t c h w)."""
    channels = below.shape[-3]
    return torch.addcmul(layer[:, :channels], 1 - layer[:, 3:], below)


def placed(layer: Tensor, size: int, scale: float, shift: Pair, drift: Pair = (0, 0)) -> Tensor:
    """Scale a layer (t c s s) about its centre and move it; gives (t c size size).

    `shift` (x, y) is where the centre goes from the picture's centre and `drift` what is added
    per frame, both in output pixels. Outside the layer is transparent.
    """
    if layer.shape[-1] == size and scale == 1 and not any((*shift, *drift)):
        return layer
    while layer.shape[-1] > 1.7 * size * scale:  # bilinear sampling alone would alias
        rows = layer[..., ::2, :] + layer[..., 1::2, :]
        layer = (rows[..., ::2] + rows[..., 1::2]).mul_(0.25)
    moves = torch.tensor(shift) + torch.arange(len(layer))[:, None] * torch.tensor(drift)
    centres = (torch.arange(size) + 0.5) * 2 / size - 1
    axes = (centres[None, :, None] - 2 / size * moves[:, None]) / scale  # (t size 2)
    grid = torch.empty(len(layer), size, size, 2)
    grid[..., 0] = axes[:, None, :, 0]
    grid[..., 1] = axes[:, :, None, 1]
    return functional.grid_sample(layer, grid, align_corners=False)


def outlined(layer: Tensor, colour: Colour, width: int) -> Tensor:
    """Put an ink line of `width` pixels around the silhouette of every frame."""
    alpha = layer[:, 3:]
    grown = alpha
    for _ in range(width):
        grown = _dilated(grown)
    ink = torch.tensor([*(value / 255 for value in colour), 1.0])[:, None, None]
    return torch.addcmul(layer, grown * (1 - alpha), ink)


def _dilated(mask: Tensor) -> Tensor:
    """Maximum over a plus-shaped neighbourhood, which keeps corners round."""
    grown = mask.clone()
    for here, there in (
        (grown[..., 1:, :], mask[..., :-1, :]),
        (grown[..., :-1, :], mask[..., 1:, :]),
        (grown[..., :, 1:], mask[..., :, :-1]),
        (grown[..., :, :-1], mask[..., :, 1:]),
    ):
        torch.maximum(here, there, out=here)
    return grown


def panned(picture: Tensor, size: int, frames: int, pan: Pair) -> Tensor:
    """A camera moving `pan` (x, y) pixels a frame over a picture (c h w); gives (t c size size).

    The picture must be larger than `size` by the whole way on each axis, and one pixel more.
    """
    room = picture.shape[-1] - size, picture.shape[-2] - size
    starts = [gap - 1 if step < 0 else 0 for gap, step in zip(room, pan, strict=True)]
    views = []
    for number in range(frames):
        x, y = (start + number * step for start, step in zip(starts, pan, strict=True))
        views.append(_view(picture, x, y, size))
    return torch.stack(views)


def _view(picture: Tensor, x: float, y: float, size: int) -> Tensor:
    """Bilinear crop at a fractional position."""
    left, top = int(x), int(y)
    block = picture[:, top : top + size + 1, left : left + size + 1]
    block = torch.lerp(block[:, :-1], block[:, 1:], y - top)
    return torch.lerp(block[..., :-1], block[..., 1:], x - left)
