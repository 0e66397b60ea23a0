"""Where the parts of one drawing went in another: block matching, without a network."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

from ..images import within
from ..metrics.frames import check_pair

SIDE = 128  # both pictures are scaled down to this longer side, in pixels
CHANGED = 0.04  # root mean square difference from which a block is no longer the same
TEXTURE = 0.04  # standard deviation below which a block looks alike wherever it is put
EXPLAINED = 0.5  # a match leaves at most this share of the squared difference of staying
# What a match must gain in mean squared difference for each pixel it lies further away. Flat blocks
# match everywhere, and of their equal matches noise would pick any.
PER_PIXEL = 1e-5


@dataclass(frozen=True, kw_only=True)
class BlockMotion:
    """Displacement of each block of a picture towards another; all fields (rows, columns).

    dx, dy: pixels of the given pictures, right and down: where the block is in the other picture.
    0 in blocks that did not change.
    cost: root mean square difference of the block from its match, in units of [0, 1]. High where
    the block is hidden in the other picture or looks different there.
    changed: the block differs from what the other picture has at its place.
    textured: it has lines or texture to be found by.
    moving: changed, textured and found elsewhere. Only there dx and
    dy can be trusted; what was hidden, revealed or recoloured is changed and not moving.
    """

    dx: Tensor
    dy: Tensor
    cost: Tensor
    changed: Tensor
    textured: Tensor
    moving: Tensor

    @property
    def length(self) -> Tensor:
        """Length of the displacement in pixels of the given pictures."""
        return torch.hypot(self.dx, self.dy)


def block_motion(a: Tensor, b: Tensor, block: int = 8, reach: int = 24) -> BlockMotion:
    """Find each block of a in b; both (3 h w) in [0, 1], of one shape.

    The pictures are first scaled down to a longer side of 128 pixels (never up); block, the side of
    a block, and reach, the largest displacement to each side, are in pixels of those. The search
    is full: the displacement with the least squared difference over the three colours wins, and of
    equal ones the shortest (Jain and Jain, "Displacement measurement and its application in
    interframe image coding", 1981, with a price on length). Its centre never leaves the picture.
    ValueError for other shapes, values outside of [0, 1] or NaN, and block or reach below 1.
    """
    check_pair(a[None], b[None])
    if block < 1 or reach < 1:
        raise ValueError(f"block={block}, reach={reach}: expected 1 pixel at least")
    small_a, small_b = (within(x.float(), SIDE) for x in (a, b))
    error = _errors(small_a, small_b, block, reach)
    at = torch.arange(-reach, reach + 1, device=error.device)
    dy, dx = (d.flatten() for d in torch.meshgrid(at, at, indexing="ij"))
    price = error + PER_PIXEL * torch.hypot(dx.float(), dy.float())
    price[_outside(error, small_a, dy, dx, block)] = torch.inf
    best = price.argmin(dim=-1)

    stay = error[..., len(dx) // 2]
    found = error.gather(-1, best[..., None])[..., 0]
    changed = stay > CHANGED**2
    best = torch.where(changed, best, len(dx) // 2)
    moved = (dy[best] != 0) | (dx[best] != 0)
    textured = _spread(small_a, block) > TEXTURE
    return BlockMotion(
        dx=dx[best] * (a.shape[-1] / small_a.shape[-1]),
        dy=dy[best] * (a.shape[-2] / small_a.shape[-2]),
        cost=torch.where(changed, found, stay).sqrt(),
        changed=changed,
        textured=textured,
        moving=changed & moved & textured & (found < EXPLAINED * stay),
    )


def _blocks(picture: Tensor, block: int) -> Tensor:
    """(3 h w) -> (rows columns 3 block block); the last ones are filled up with the border."""
    below, right = (-side % block for side in picture.shape[-2:])
    padded = F.pad(picture[None], (0, right, 0, below), mode="replicate")[0]
    return padded.unfold(1, block, block).unfold(2, block, block).permute(1, 2, 0, 3, 4)


def _errors(a: Tensor, b: Tensor, block: int, reach: int) -> Tensor:
    """Mean squared difference of each block of a from b at every displacement.

    -> (rows columns (2 reach + 1)^2), rows of displacements from up left to down right.
    """
    blocks = _blocks(a, block)
    rows, columns = blocks.shape[:2]
    below, right = (-side % block for side in b.shape[-2:])
    around = F.pad(b[None], (reach, reach + right, reach, reach + below), mode="replicate")[0]
    side = block + 2 * reach
    windows = around.unfold(1, side, block).unfold(2, side, block).permute(1, 2, 0, 3, 4)
    windows = windows.reshape(1, -1, side, side)
    # |a - b|^2 = |a|^2 - 2 <a, b> + |b|^2: one convolution for each block in place of 2,401
    # differences of whole pictures.
    kernels = blocks.reshape(-1, 3, block, block)
    product = F.conv2d(windows, kernels, groups=len(kernels))[0]
    energy = around.square().sum(dim=0)[None, None]
    energy = F.avg_pool2d(energy, block, stride=1)[0, 0] * block**2
    span = 2 * reach + 1
    energy = energy.unfold(0, span, block).unfold(1, span, block).reshape(-1, span, span)
    own = kernels.square().sum(dim=(1, 2, 3))[:, None, None]
    error = (own - 2 * product + energy).clamp(min=0) / (3 * block**2)
    return error.reshape(rows, columns, -1)


def _outside(error: Tensor, picture: Tensor, dy: Tensor, dx: Tensor, block: int) -> Tensor:
    """Whether a displacement puts the block's centre outside of the picture; as `error`."""
    height, width = picture.shape[-2:]
    # Half of a block that hangs over the border may lie outside already; staying is always allowed.
    y = (torch.arange(error.shape[0]) * block + block / 2).clamp(max=height)[:, None].to(dy) + dy
    x = (torch.arange(error.shape[1]) * block + block / 2).clamp(max=width)[:, None].to(dx) + dx
    off_y, off_x = (y < 0) | (y > height), (x < 0) | (x > width)
    return off_y[:, None] | off_x[None]


def _spread(picture: Tensor, block: int) -> Tensor:
    """Standard deviation of each block's pixels from its mean colour: (rows columns)."""
    return _blocks(picture, block).var(dim=(-2, -1), correction=0).mean(dim=2).sqrt()
