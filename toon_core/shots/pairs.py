"""What two key drawings promise before anything is sampled, from the two pictures alone."""

from __future__ import annotations

import math
from dataclasses import astuple, dataclass

import torch
from torch import Tensor

from ..metrics.frames import check_pair, scaled_down
from ..metrics.line_map import LINE, line_map
from .motion import BlockMotion, block_motion

ROWS = 128  # shorter side at which the pictures are compared
POINTS = 1500  # pixels of lines of a picture that are looked at
BINS = (6, 8, 8)  # of the histogram: lightness 0..1, a and b -0.2..0.2
# Weights of colours, lines, matched, displacement and changed, then the constant: logistic
# regressions by benchmarks/guards.py on pairs of puppets, and by benchmarks/guards_takes.py on
# nano's takes of 36 puppet windows. docs/guards.md says how they do on others.
ONE_SHOT = (-3.81, -32.46, 2.07, -6.67, -2.84, 2.81)
HARDNESS = (1.21, 3.24, 0.12, 1.0, 1.29, -2.56)
SAME_SHOT = 1 / 3  # probability below which two shots are suspected
HARD = 0.22  # hardness from which a breakdown is suggested


@dataclass(frozen=True, kw_only=True)
class PairFeatures:
    """Comparison of two pictures.

    colours: Hellinger distance of their histograms in Oklab, 0 (alike) to 1.
    lines: mean distance from a line of one to the nearest of the other after the shift that suits
    the lines best, in shares of the diagonal (symmetric chamfer distance).
    matched: share of the blocks with lines or texture that stay or are found elsewhere.
    displacement: 95th percentile of the moving blocks' way, in shares of the diagonal.
    changed: share of the blocks that differ at their place.
    """

    colours: float
    lines: float
    matched: float
    displacement: float
    changed: float


@dataclass(frozen=True, kw_only=True)
class KeyPair:
    """What was found about two keys.

    one_shot: probability that both are of one shot. hardness: the distance (LPIPS-HED) that nano's
    frames between such keys are expected to have from the truth. suggestion: "none", "hold" or
    "breakdown"; text: what was found and what to do, empty for "none".
    """

    features: PairFeatures
    one_shot: float
    hardness: float
    suggestion: str
    text: str


def compare_keys(first: Tensor, last: Tensor) -> KeyPair:
    """Compare two keys (3 h w) in [0, 1] of one shape, scaled down to 128 rows or columns.

    The suggestion is no refusal: a flash, a costume change or a turn of the head may look like two
    shots. ValueError for other shapes and values, NaN among them.
    """
    features = compare(first, last)
    one_shot = logistic(ONE_SHOT, features)
    hardness = logistic(HARDNESS, features)
    suggestion, text = _suggest(features, one_shot, hardness)
    return KeyPair(
        features=features, one_shot=one_shot, hardness=hardness, suggestion=suggestion, text=text
    )


def compare(first: Tensor, last: Tensor) -> PairFeatures:
    """As `compare_keys`, the features alone."""
    check_pair(first[None], last[None])
    pair = scaled_down(torch.stack([first, last]).float(), ROWS)
    there, back = block_motion(pair[0], pair[1]), block_motion(pair[1], pair[0])
    diagonal = math.hypot(*pair.shape[-2:])
    ways = torch.cat([m.length[m.moving] for m in (there, back)])
    return PairFeatures(
        colours=_hellinger(*_histograms(pair)),
        lines=_chamfer(line_map(pair) > LINE) / diagonal,
        matched=(_matched(there) + _matched(back)) / 2,
        displacement=ways.quantile(0.95).item() / diagonal if len(ways) else 0.0,
        changed=there.changed.float().mean().item(),
    )


def oklab(pictures: Tensor) -> Tensor:
    """Oklab of sRGB (f 3 h w) in [0, 1]: L in 0..1, a and b about -0.4..0.4 (Ottosson, 2020)."""
    x = pictures.clamp(0, 1)
    linear = torch.where(x > 0.04045, ((x + 0.055) / 1.055) ** 2.4, x / 12.92)
    to_cones = x.new_tensor(
        [
            [0.4122214708, 0.5363325363, 0.0514459929],
            [0.2119034982, 0.6806995451, 0.1073969566],
            [0.0883024619, 0.2817188376, 0.6299787005],
        ]
    )
    to_lab = x.new_tensor(
        [
            [0.2104542553, 0.7936177850, -0.0040720468],
            [1.9779984951, -2.4285922050, 0.4505937099],
            [0.0259040371, 0.7827717662, -0.8086757660],
        ]
    )
    cones = torch.einsum("ij,fjhw->fihw", to_cones, linear).clamp(min=0) ** (1 / 3)
    return torch.einsum("ij,fjhw->fihw", to_lab, cones)


def _histograms(pictures: Tensor) -> Tensor:
    """Shares of the bins of each picture: (f bins)."""
    lab = oklab(pictures)
    unit = torch.stack([lab[:, 0], lab[:, 1] / 0.4 + 0.5, lab[:, 2] / 0.4 + 0.5], dim=1)
    bins = lab.new_tensor(BINS).view(3, 1, 1)
    place = torch.minimum((unit.clamp(0, 1) * bins).long(), bins.long() - 1)
    number = (place[:, 0] * BINS[1] + place[:, 1]) * BINS[2] + place[:, 2]
    counts = [n.flatten().bincount(minlength=math.prod(BINS)) for n in number]
    return torch.stack(counts).float() / number[0].numel()


def _hellinger(a: Tensor, b: Tensor) -> float:
    return (1 - (a * b).sqrt().sum()).clamp(min=0).sqrt().item()


def _matched(motion: BlockMotion) -> float:
    """Blocks that look alike everywhere tell nothing, unless there are no others."""
    asked = motion.textured if motion.textured.any() else torch.ones_like(motion.textured)
    found = ~motion.changed | motion.moving
    return (found & asked).sum().item() / asked.sum().item()


def _chamfer(lines: Tensor) -> float:
    """Of two line drawings (2 h w), bool, in pixels; the diagonal where only one has lines."""
    height, width = lines.shape[-2:]
    if not lines.flatten(1).any(dim=1).all():
        return math.hypot(height, width) if lines.any() else 0.0
    down, right = _best_shift(lines.float())
    points = [plane.nonzero() for plane in lines]
    points[0] = points[0] + torch.tensor([down, right], device=lines.device)
    a, b = (p[:: max(1, len(p) // POINTS)].float() for p in points)
    table = torch.cdist(a, b)
    return (table.amin(dim=0).mean() + table.amin(dim=1).mean()).item() / 2


def _best_shift(lines: Tensor) -> tuple[int, int]:
    """Down and right by which the lines of the first (2 h w) fall on most of the second's, at most
    a quarter of the picture."""
    height, width = lines.shape[-2:]
    size = (2 * height, 2 * width)  # room, so that nothing wraps around
    # Within a pixel is on it.
    wide = torch.nn.functional.max_pool2d(lines[1:], 3, stride=1, padding=1)[0]
    first, second = torch.fft.rfft2(lines[0], s=size), torch.fft.rfft2(wide, s=size)
    hits = torch.fft.irfft2(second * first.conj(), s=size)
    y, x = (torch.fft.fftfreq(n, 1 / n, device=lines.device) for n in size)
    far = (y.abs() > height / 4)[:, None] | (x.abs() > width / 4)
    best = int(hits.masked_fill(far, -1).argmax())
    return int(y[best // size[1]]), int(x[best % size[1]])


def logistic(weights: tuple[float, ...], features: PairFeatures) -> float:
    """1 / (1 + exp(-x)), x the sum of the weighted features and the last weight: in (0, 1)."""
    *slopes, constant = weights
    total = constant + sum(w * f for w, f in zip(slopes, astuple(features), strict=True))
    return 1 / (1 + math.exp(-total))


def _suggest(features: PairFeatures, one_shot: float, hardness: float) -> tuple[str, str]:
    if not features.changed:
        return "hold", "The keys are alike. Hold the first one; there is nothing to draw between."
    if one_shot < SAME_SHOT:
        return "hold", (
            f"The keys look like two shots (probability of one: {one_shot:.0%}). If this is a cut, "
            "hold the first key up to the second; else draw a breakdown at the middle."
        )
    if hardness > HARD:
        return "breakdown", (
            f"The keys are far apart: {1 - features.matched:.0%} of the drawing is not found again "
            f"and parts move by up to {features.displacement:.0%} of the picture. Draw a breakdown "
            "at the middle."
        )
    return "none", ""
