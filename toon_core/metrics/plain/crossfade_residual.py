"""How far a clip is from fading one key into the other."""

from torch import Tensor

from ..frames import check_frames, check_keys
from ..metric import TRUTH, Metric, mean


def crossfade_residual(frames: Tensor, first: Tensor, last: Tensor) -> Tensor:
    """Distance of each inner frame to the best blend of the keys, in [0, 1]: -> (f).

    frames (f 3 h w), first and last (3 h w), all in [0, 1]. Per frame the least-squares
    alpha = <x - first, last - first> / |last - first|^2, held in [0, 1], gives the nearest
    cross-fade (1 - alpha) first + alpha last; returned is the root mean square of what is left.
    0 is a pure cross-fade or a held key. Compare with the residual of the truth: more is not
    better by itself, since noise has a residual as well.
    """
    check_frames(frames)
    check_keys(frames, first, last)
    start, step = first.double(), (last - first).double()
    offset = frames.double() - start
    # A clip whose keys are equal has one blend only, whatever alpha is.
    energy = step.square().sum().clamp(min=1e-12)
    alpha = ((offset * step).sum(dim=(1, 2, 3)) / energy).clamp(0, 1)
    rest = offset - alpha[:, None, None, None] * step
    return rest.square().mean(dim=(1, 2, 3)).sqrt().float()


METRICS = (
    Metric(
        key="crossfade_residual",
        title="cross-fade residual",
        better=TRUTH,
        digits=3,
        meaning="distance (RMS) of each inner frame to the best blend of the two keys. 0 is a pure "
        "cross-fade or a held key; the truth's own value is the mark.",
        compute=lambda clip: mean(crossfade_residual(clip.inner, clip.first, clip.last)),
        place=100,
    ),
)
