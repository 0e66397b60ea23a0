"""How much of a frame is one key faded into the other, told without the truth."""

import torch
from torch import Tensor
from torch.nn import functional as F

from ..frames import check_frames, check_keys

BLOCK = 16  # pixels
CHANGE = 0.08  # a pixel has changed where a colour of the keys differs by more
LEAST = 8  # changed pixels that a block must have to be judged
BETWEEN = (0.15, 0.85)  # a blend nearer to a key than this is the key
EXPLAINED = 0.8  # share of the distance to the nearer key that the blend must explain
HELD = 1e-4  # mean squared difference up to which a frame is the key itself


def fade_score(frames: Tensor, first: Tensor, last: Tensor) -> Tensor:
    """Share of the changed blocks of each frame that are a blend of the keys, in [0, 1]: -> (f).

    frames (f 3 h w), usually the inner ones, first and last (3 h w), all in [0, 1]. NaN where
    there is nothing to judge: the keys are equal, or the frame is one of the keys (a hold). 0: no
    block is a blend; 1: a cross-fade. ValueError for other shapes and values.

    Only pixels in which the keys differ count, and blocks of 16 pixels with enough of them. Per
    block, a = <x - first, last - first> / |last - first|^2 gives the nearest blend B(a), and
    g = 1 - |x - B(a)|^2 / min(|x - first|^2, |x - last|^2); the block is a blend where a lies in
    0.15..0.85 and g > 0.8. A block in which each pixel is one key or the other, as an edge that
    passes leaves it, has g <= 0.5. By block, since over a whole frame one fading arm is lost. A
    glow, a transparent veil and a true dissolve are blends as well.
    """
    blends, judged, held = blend_blocks(frames, first, last)
    share = (blends & judged).sum(dim=(1, 2)) / judged.sum().clamp(min=1)
    nothing = held | ~judged.any()
    return torch.where(nothing, torch.nan, share.float())


def blend_blocks(frames: Tensor, first: Tensor, last: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """As `fade_score`: which blocks are blends (f rows columns), which are judged (rows columns),
    and which frames are one of the keys (f)."""
    check_frames(frames)
    check_keys(frames, first, last)
    step, offset = last.double() - first.double(), frames.double() - first.double()
    changed = (step.abs().amax(dim=0) > CHANGE).double()
    # The products of each block give all three distances: |x - B(a)|^2 for any a is a parabola.
    energy = _sums((step.square().sum(dim=0) * changed)[None])
    along = _sums((offset * step).sum(dim=1) * changed)
    apart = _sums(offset.square().sum(dim=1) * changed)
    alpha = along / energy.clamp(min=1e-12)
    to_first, to_last = apart, apart - 2 * along + energy
    to_blend = apart - along.square() / energy.clamp(min=1e-12)
    explained = 1 - to_blend / torch.minimum(to_first, to_last).clamp(min=1e-12)
    low, high = BETWEEN
    judged = (_sums(changed[None]) >= LEAST)[0]
    pixels = changed.sum().clamp(min=1)
    nearer = torch.minimum(to_first.sum(dim=(1, 2)), to_last.sum(dim=(1, 2)))
    held = nearer / (3 * pixels) <= HELD
    return (explained > EXPLAINED) & (alpha > low) & (alpha < high), judged, held


def _sums(planes: Tensor) -> Tensor:
    """(f h w) -> the sum over each block (f rows columns), the last ones filled up with 0."""
    below, right = (-side % BLOCK for side in planes.shape[-2:])
    return F.avg_pool2d(F.pad(planes, (0, right, 0, below)), BLOCK) * BLOCK**2
