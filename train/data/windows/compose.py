"""Putting characters on backgrounds: placement, ink outline, layers.

Layers are (t 4 h w) float32 in [0, 1] with premultiplied alpha, so
over(a, b) = a + (1 - alpha_a) * b (Porter and Duff, 1984).
"""

from functools import reduce

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from train.data.filters.sketches import xdog
from train.data.windows.canvas import Colour

Pair = tuple[float, float]
Shape = tuple[int, int]  # height and width


def as_layer(frames: np.ndarray) -> Tensor:
    """(t h w c) or (h w c) uint8 to float32 (... c h w) in [0, 1]."""
    pixels = torch.from_numpy(np.array(frames)).movedim(-1, -3)
    return pixels.to(torch.float32, memory_format=torch.contiguous_format).mul_(1 / 255)


def over(layer: Tensor, below: Tensor) -> Tensor:
    """`layer` (t 4 h w) over `below` (c h w) or (t c h w), c 3 or 4; gives (t c h w)."""
    channels = below.shape[-3]
    return torch.addcmul(layer[:, :channels], 1 - layer[:, 3:], below)


def over_white(layer: Tensor) -> Tensor:
    """A layer (t 4 h w) over white, as one that fills its frame."""
    if float(layer[:, 3:].min()) == 1:
        return layer
    return over(layer, layer.new_ones(4, 1, 1))


def resize_to_cover(frames: Tensor, shape: Shape) -> Tensor:
    """Frames (t c h w) resized until they cover `shape`, their centre cropped to it."""
    height, width = frames.shape[-2:]
    if (height, width) == shape:
        return frames
    scale = max(shape[0] / height, shape[1] / width)
    size = max(shape[0], round(height * scale)), max(shape[1], round(width * scale))
    if size != (height, width):
        frames = functional.interpolate(frames, size, mode="bilinear", antialias=True)
    top, left = (size[0] - shape[0]) // 2, (size[1] - shape[1]) // 2
    return frames[..., top : top + shape[0], left : left + shape[1]]


def place(layer: Tensor, shape: Shape, scale: float, shift: Pair, drift: Pair = (0, 0)) -> Tensor:
    """Scale a layer (t c s s) about its centre and move it; gives (t c *shape).

    At scale 1 it is as high as the picture's short side. `shift` (x, y) is where the centre goes
    from the picture's centre and `drift` what is added per frame, both in output pixels. Outside
    the layer is transparent.
    """
    if layer.shape[-2:] == shape and scale == 1 and not any((*shift, *drift)):
        return layer
    short = min(shape)
    while layer.shape[-1] > 1.7 * short * scale:  # bilinear sampling alone would alias
        rows = layer[..., ::2, :] + layer[..., 1::2, :]
        layer = (rows[..., ::2] + rows[..., 1::2]).mul_(0.25)
    moves = torch.tensor(shift) + torch.arange(len(layer))[:, None] * torch.tensor(drift)
    grid = torch.empty(len(layer), *shape, 2)
    for axis, side in enumerate((shape[1], shape[0])):
        centres = (torch.arange(side) + 0.5) * 2 / short - side / short
        from_layer = (centres - 2 / short * moves[:, axis, None]) / scale  # (t side)
        grid[..., axis] = from_layer[:, None] if axis == 0 else from_layer[..., None]
    return functional.grid_sample(layer, grid, align_corners=False)


def add_outline(layer: Tensor, colour: Colour, width: int) -> Tensor:
    """Put an ink line of `width` pixels around the silhouette of every frame."""
    alpha = layer[:, 3:]
    grown = alpha
    for _ in range(width):
        grown = _dilate(grown)
    ink = torch.tensor([*(value / 255 for value in colour), 1.0])[:, None, None]
    return torch.addcmul(layer, grown * (1 - alpha), ink)


def ink_inner_lines(layer: Tensor, colour: Colour) -> Tensor:
    """Draw the lines between a layer's own colours in ink, as XDoG finds them over white."""
    alpha = layer[:, 3:]
    lines = xdog(over_white(layer)[:, :3] * 2 - 1) * alpha
    ink = torch.tensor([value / 255 for value in colour])[:, None, None]
    return torch.cat([torch.lerp(layer[:, :3], ink * alpha, lines), alpha], 1)


def _dilate(mask: Tensor) -> Tensor:
    """Maximum over a plus-shaped neighbourhood, which keeps corners round."""
    around = functional.pad(mask, (1, 1, 1, 1))
    rows, columns = around[..., 1:-1], around[..., 1:-1, :]
    shifted = rows[..., 2:, :], rows[..., :-2, :], columns[..., 2:], columns[..., :-2]
    return reduce(torch.maximum, shifted, mask)


def pan_over(picture: Tensor, shape: Shape, frames: int, pan: Pair) -> Tensor:
    """A camera moving `pan` (x, y) pixels a frame over a picture (c h w); gives (t c *shape).

    The picture must be larger than `shape` by the whole way on each axis, and one pixel more.
    """
    room = picture.shape[-1] - shape[1], picture.shape[-2] - shape[0]
    starts = [gap - 1 if step < 0 else 0 for gap, step in zip(room, pan, strict=True)]
    views = []
    for number in range(frames):
        x, y = (start + number * step for start, step in zip(starts, pan, strict=True))
        views.append(_view(picture, x, y, shape))
    return torch.stack(views)


def _view(picture: Tensor, x: float, y: float, shape: Shape) -> Tensor:
    """Bilinear crop at a fractional position."""
    left, top = int(x), int(y)
    block = picture[:, top : top + shape[0] + 1, left : left + shape[1] + 1]
    block = torch.lerp(block[:, :-1], block[:, 1:], y - top)
    return torch.lerp(block[..., :-1], block[..., 1:], x - left)
