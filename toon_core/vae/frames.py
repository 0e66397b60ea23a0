"""Which frames of a clip a tensor holds, and running per-frame work a few frames at a time."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from einops import rearrange
from torch import Tensor


@dataclass(frozen=True)
class Span:
    """Frames [start, stop) of a clip of `total`."""

    start: int
    stop: int
    total: int

    def __len__(self) -> int:
        return self.stop - self.start

    @property
    def has_first(self) -> bool:
        return self.start == 0

    @property
    def has_last(self) -> bool:
        return self.stop == self.total

    def widened(self, by: int) -> Span:
        """With `by` neighbours on either side, as far as the clip goes."""
        return Span(max(self.start - by, 0), min(self.stop + by, self.total), self.total)


def spans(total: int, size: int | None) -> Iterator[Span]:
    step = size or total
    for start in range(0, total, step):
        yield Span(start, min(start + step, total), total)


FrameWork = Callable[[Tensor, Span], Tensor]


def map_frames(work: FrameWork, clip: Tensor, size: int | None) -> Tensor:
    """Run `work` on ((b f) c h w) pieces of a clip (b f c h w), `size` frames at a time (None:
    all at once), into one output; the pieces' intermediates never exist together."""
    out = None
    for span in spans(clip.shape[1], size):
        piece = rearrange(clip[:, span.start : span.stop], "b f c h w -> (b f) c h w")
        done = rearrange(work(piece, span), "(b f) c h w -> b f c h w", f=len(span))
        if len(span) == span.total:
            return done
        if out is None:
            out = done.new_empty(done.shape[0], span.total, *done.shape[2:])
        out[:, span.start : span.stop] = done
    assert out is not None
    return out
