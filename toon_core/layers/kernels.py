"""The kernels behind `fused.py`, in Triton (Tillet et al. 2019): group norm with SiLU, GEGLU, and
a residual with the layer norm that follows it. Rows are places, channels lie within them.

Imported only where they are used; TRITON_INTERPRET=1 runs them on a CPU.
"""

from __future__ import annotations

from typing import Any

import torch
import triton  # type: ignore[import-untyped]
import triton.language as tl  # type: ignore[import-untyped]
from torch import Tensor

TILE = 8192  # elements of a program's tile
SPLITS = 64  # programs that share the statistics of one norm, at most


@triton.jit
def _moments(
    x, means, squares, rows, channels, share,
    groups: tl.constexpr, each: tl.constexpr, wide: tl.constexpr, tall: tl.constexpr,
    tiles: tl.constexpr,
):  # fmt: skip
    """Mean and summed squared distance from it of each group, in this program's share of a
    sample's rows; tiles are joined as they come (Chan et al. 1979)."""
    sample, split = tl.program_id(0), tl.program_id(1)
    group, inner = tl.arange(0, groups), tl.arange(0, wide)
    place = group[None, :, None] * each + inner[None, None, :]
    inside = inner[None, None, :] < each
    first = split * share
    last = tl.minimum(first + share, rows)
    mean = tl.zeros((groups,), tl.float32)
    square = tl.zeros((groups,), tl.float32)
    count = 0.0
    for tile_number in range(tiles):
        start = first + tile_number * tall
        row = start + tl.arange(0, tall)[:, None, None]
        mask = inside & (row < last)
        base = (sample * rows + row).to(tl.int64) * channels
        tile = tl.load(x + base + place, mask=mask, other=0.0).to(tl.float32)
        here = tl.maximum(tl.minimum(last - start, tall), 0).to(tl.float32) * each
        own = tl.sum(tl.sum(tile, 2), 0) / tl.maximum(here, 1.0)
        apart = tl.where(mask, tile - own[None, :, None], 0.0)
        spread = tl.sum(tl.sum(apart * apart, 2), 0)
        step = own - mean
        total = tl.maximum(count + here, 1.0)
        square += spread + step * step * (count * here / total)
        mean += step * (here / total)
        count += here
    at = (sample * tl.num_programs(1) + split) * groups + group
    tl.store(means + at, mean)
    tl.store(squares + at, square)


@triton.jit
def _apply(
    x, out, means, squares, weight, bias, rows, channels, share, splits, eps,
    groups: tl.constexpr, each: tl.constexpr, wide: tl.constexpr, tall: tl.constexpr,
    many: tl.constexpr, activate: tl.constexpr,
):  # fmt: skip
    """Joins the shares' moments, normalises a tile of rows, and where asked takes SiLU of it."""
    sample, block = tl.program_id(0), tl.program_id(1)
    group, inner, part = tl.arange(0, groups), tl.arange(0, wide), tl.arange(0, many)
    at = (sample * splits + part[:, None]) * groups + group[None, :]
    known = part[:, None] < splits
    counts = tl.minimum(share, rows - part * share).to(tl.float32) * each
    counts = tl.where(part < splits, counts, 0.0)[:, None]
    own = tl.load(means + at, mask=known, other=0.0)
    total = rows.to(tl.float32) * each
    mean = tl.sum(own * counts, 0) / total
    apart = own - mean[None, :]
    square = tl.load(squares + at, mask=known, other=0.0) + apart * apart * counts
    rstd = 1.0 / tl.sqrt(tl.sum(square, 0) / total + eps)
    place = group[None, :, None] * each + inner[None, None, :]
    inside = inner[None, None, :] < each
    row = block * tall + tl.arange(0, tall)[:, None, None]
    mask = inside & (row < rows)
    base = (sample * rows + row).to(tl.int64) * channels
    tile = tl.load(x + base + place, mask=mask, other=0.0).to(tl.float32)
    scale = tl.load(weight + place, mask=inside, other=0.0).to(tl.float32)
    shift = tl.load(bias + place, mask=inside, other=0.0).to(tl.float32)
    made = (tile - mean[None, :, None]) * rstd[None, :, None] * scale + shift
    if activate:
        made = made / (1.0 + tl.exp(-made))
    tl.store(out + base + place, made.to(out.dtype.element_ty), mask=mask)


@triton.jit
def _small(
    x, out, weight, bias, rows, channels, eps,
    each: tl.constexpr, wide: tl.constexpr, tall: tl.constexpr, tiles: tl.constexpr,
    activate: tl.constexpr,
):  # fmt: skip
    """All of one group of one sample, twice: for its moments, and to normalise it."""
    sample, group = tl.program_id(0), tl.program_id(1)
    inner = tl.arange(0, wide)[None, :]
    place, inside = group * each + inner, inner < each
    mean, square, count = 0.0, 0.0, 0.0
    for number in range(tiles):
        row = number * tall + tl.arange(0, tall)[:, None]
        mask = inside & (row < rows)
        at = (sample * rows + row).to(tl.int64) * channels + place
        tile = tl.load(x + at, mask=mask, other=0.0).to(tl.float32)
        here = tl.minimum(rows - number * tall, tall).to(tl.float32) * each
        own = tl.sum(tl.sum(tile, 1), 0) / here
        apart = tl.where(mask, tile - own, 0.0)
        step, total = own - mean, count + here
        square += tl.sum(tl.sum(apart * apart, 1), 0) + step * step * (count * here / total)
        mean += step * (here / total)
        count = total
    rstd = 1.0 / tl.sqrt(square / count + eps)
    scale = tl.load(weight + place, mask=inside, other=0.0).to(tl.float32)
    shift = tl.load(bias + place, mask=inside, other=0.0).to(tl.float32)
    for number in range(tiles):
        row = number * tall + tl.arange(0, tall)[:, None]
        mask = inside & (row < rows)
        at = (sample * rows + row).to(tl.int64) * channels + place
        tile = tl.load(x + at, mask=mask, other=0.0).to(tl.float32)
        made = (tile - mean) * rstd * scale + shift
        if activate:
            made = made / (1.0 + tl.exp(-made))
        tl.store(out + at, made.to(out.dtype.element_ty), mask=mask)


def group_norm_small(
    x: Tensor, weight: Tensor, bias: Tensor, groups: int, eps: float, activate: bool
) -> Tensor:
    """As `group_norm`, for samples so small that a program takes a group: one launch."""
    n, rows, channels = x.shape
    each = channels // groups
    wide = triton.next_power_of_2(each)
    tall = min(triton.next_power_of_2(rows), max(1, TILE // wide))
    out = torch.empty_like(x)
    _small[(n, groups)](
        x, out, weight, bias, rows, channels, eps, each=each, wide=wide, tall=tall,
        tiles=triton.cdiv(rows, tall), activate=activate,
    )  # fmt: skip
    return out


def group_norm(
    x: Tensor, weight: Tensor, bias: Tensor, groups: int, eps: float, activate: bool
) -> Tensor:
    """(n rows channels), statistics of each sample's groups; two launches, x is read by both."""
    n, rows, channels = x.shape
    each = channels // groups
    wide = triton.next_power_of_2(each)
    tall = max(1, TILE // (groups * wide))
    splits = min(SPLITS, triton.cdiv(rows, tall))
    share = triton.cdiv(triton.cdiv(rows, splits), tall) * tall
    splits = triton.cdiv(rows, share)
    out = torch.empty_like(x)
    means, squares = (x.new_empty(n, splits, groups, dtype=torch.float32) for _ in range(2))
    shape: dict[str, Any] = {"groups": groups, "each": each, "wide": wide, "tall": tall}
    _moments[(n, splits)](x, means, squares, rows, channels, share, **shape, tiles=share // tall)
    many = triton.next_power_of_2(splits)
    _apply[(n, triton.cdiv(rows, tall))](
        x, out, means, squares, weight, bias, rows, channels, share, splits, eps,
        **shape, many=many, activate=activate,
    )  # fmt: skip
    return out


@triton.jit
def _geglu(x, out, count, inner, size: tl.constexpr):
    at = tl.program_id(0).to(tl.int64) * size + tl.arange(0, size)
    mask = at < count
    place = at // inner * (2 * inner) + at % inner
    value = tl.load(x + place, mask=mask, other=0.0).to(tl.float32)
    gate = tl.load(x + place + inner, mask=mask, other=0.0).to(tl.float32)
    made = value * (0.5 * gate * (1.0 + tl.erf(gate * 0.7071067811865476)))
    tl.store(out + at, made.to(out.dtype.element_ty), mask=mask)


def geglu(x: Tensor) -> Tensor:
    """value * gelu(gate) of (... 2d), the value's channels first."""
    inner = x.shape[-1] // 2
    out = x.new_empty(*x.shape[:-1], inner)
    size = 4096
    _geglu[(triton.cdiv(out.numel(), size),)](x, out, out.numel(), inner, size=size)
    return out


@triton.jit
def _add_norm(
    x, y, weight, bias, total, out, rows, channels, eps, wide: tl.constexpr, tall: tl.constexpr
):  # fmt: skip
    row = tl.program_id(0) * tall + tl.arange(0, tall)[:, None]
    place = tl.arange(0, wide)[None, :]
    inside = place < channels
    mask = inside & (row < rows)
    at = row.to(tl.int64) * channels + place
    joined = tl.load(x + at, mask=mask, other=0.0).to(tl.float32)
    joined += tl.load(y + at, mask=mask, other=0.0).to(tl.float32)
    kept = joined.to(total.dtype.element_ty)
    tl.store(total + at, kept, mask=mask)
    joined = kept.to(tl.float32)  # the norm is of what the residual stream holds
    mean = tl.sum(joined, 1) / channels
    apart = tl.where(mask, joined - mean[:, None], 0.0)
    rstd = 1.0 / tl.sqrt(tl.sum(apart * apart, 1) / channels + eps)
    scale = tl.load(weight + place, mask=inside, other=0.0).to(tl.float32)
    shift = tl.load(bias + place, mask=inside, other=0.0).to(tl.float32)
    made = apart * rstd[:, None] * scale + shift
    tl.store(out + at, made.to(out.dtype.element_ty), mask=mask)


def add_norm(
    x: Tensor, y: Tensor, weight: Tensor, bias: Tensor, eps: float
) -> tuple[Tensor, Tensor]:
    """x + y, and the layer norm of it over the last axis."""
    channels = x.shape[-1]
    rows, wide = x.numel() // channels, triton.next_power_of_2(channels)
    tall = max(1, TILE // 2 // wide)
    total, out = torch.empty_like(x), torch.empty_like(x)
    _add_norm[(triton.cdiv(rows, tall),)](
        x, y, weight, bias, total, out, rows, channels, eps, wide=wide, tall=tall
    )
    return total, out
