"""How near the lines of a frame are to a given sketch."""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

from ..frames import check_frames
from ..metric import HIGHER, Metric, mean


@dataclass(frozen=True, kw_only=True)
class SketchAgreement:
    """Lines of one frame against one sketch; distances in pixels of the frame.

    precision: share of the frame's line pixels that have a sketch line within the tolerance.
    recall: share of the sketch's line pixels that have a line of the frame within the tolerance.
    f_score: harmonic mean of both, 1 is best.
    distance: mean distance from a sketch pixel to the nearest line of the frame and back (the
    symmetric chamfer distance), 0 is best; the frame's diagonal where one of the two has no line.
    """

    precision: float
    recall: float
    f_score: float
    distance: float


def sketch_agreement(
    frame: Tensor,
    sketch: Tensor,
    tolerance: float = 2.0,
    edges: Callable[[Tensor], Tensor] | None = None,
) -> SketchAgreement:
    """Compare the edges of frame (3 h w) in [0, 1] with a sketch (h w), (1 h w) or (3 h w).

    Lines of the sketch may be light on dark or dark on light: the rarer side of 0.5 is taken as
    the lines. `edges` maps frames (f 3 h w) to line maps (f 1 h w) in [0, 1], a line above 0.5; by
    default Canny's. Matching within a tolerance follows Martin, Fowlkes and Malik, "Learning to
    detect natural image boundaries", 2004, without their one-to-one assignment.
    """
    check_frames(frame[None], "frame")
    size = (frame.shape[-2], frame.shape[-1])
    lines = (edges or canny_edges)(frame[None])[0, 0] > 0.5
    drawn = sketch_lines(sketch.to(frame), size)
    if not drawn.any():
        raise ValueError("the sketch holds no line; give a drawing with lines on a plain ground")
    to_drawn, to_lines = nearest(lines, drawn), nearest(drawn, lines)
    precision = (to_drawn <= tolerance).double().mean().item() if len(to_drawn) else 0.0
    recall = (to_lines <= tolerance).double().mean().item()
    total = precision + recall
    return SketchAgreement(
        precision=precision,
        recall=recall,
        f_score=2 * precision * recall / total if total else 0.0,
        distance=_chamfer(to_drawn, to_lines, size),
    )


def canny_edges(frames: Tensor) -> Tensor:
    """Canny edges of frames (f 3 h w) in [0, 1] as 0 or 1: (f 1 h w)."""
    from kornia.filters import canny

    return canny(frames.float(), low_threshold=0.1, high_threshold=0.2)[1]


def sketch_lines(sketch: Tensor, size: tuple[int, int]) -> Tensor:
    """Which pixels of a sketch are lines, at the frame's size: bool (h w)."""
    grey = sketch if sketch.ndim == 2 else sketch.mean(dim=0)
    lines = grey > 0.5
    lines = ~lines if lines.double().mean() > 0.5 else lines
    if tuple(lines.shape) == tuple(size):
        return lines
    # Thin lines must survive shrinking, so any touched pixel counts.
    return F.adaptive_max_pool2d(lines[None, None].float(), size)[0, 0] > 0.5


def nearest(a: Tensor, b: Tensor) -> Tensor:
    """Distance in pixels from each set pixel of a (h w) to the nearest set one of b: (n).

    Infinite where b is empty.
    """
    points, targets = a.nonzero().float(), b.nonzero().float()
    if not len(targets):
        return points.new_full((len(points),), float("inf"))
    # In parts, since the full table of a 512 frame would be gigabytes.
    return torch.cat([torch.cdist(part, targets).amin(dim=1) for part in points.split(1024)])


def _chamfer(to_drawn: Tensor, to_lines: Tensor, size: tuple[int, int]) -> float:
    if not len(to_drawn) or not len(to_lines):
        return float(size[0] ** 2 + size[1] ** 2) ** 0.5
    return (to_drawn.mean().item() + to_lines.mean().item()) / 2


METRICS = (
    Metric(
        key="sketch_f",
        title="sketch F",
        better=HIGHER,
        digits=3,
        meaning="share of lines that agree with the given sketch within 2 pixels (F-score of Canny "
        "edges), only on frames that have a sketch. Only a checkpoint with a sketch encoder "
        "(MODEL+ENCODER) was shown them.",
        compute=lambda clip: mean(
            [sketch_agreement(clip.frames[i], s).f_score for i, s in clip.sketches.items()]
        ),
        needs=("sketch",),
        place=140,
    ),
)
