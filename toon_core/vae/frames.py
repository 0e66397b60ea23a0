"""Which frames of a clip a tensor holds, and running per-frame work a few frames at a time."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import torch
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


class JointNorm:
    """Group norm with statistics over a whole clip (b f c h w), applied to some of its frames.

    The statistics are taken once, in float32 and in two passes: a difference of large sums
    would lose the digits that 1e-4 needs.
    """

    def __init__(self, norm: torch.nn.GroupNorm, clip: Tensor, size: int | None) -> None:
        self.norm, self.clip = norm, clip
        self.whole = size is None or size >= clip.shape[1]
        if size is not None and not self.whole:
            self.mean, self.rstd = self._statistics(size)

    def __call__(self, span: Span) -> Tensor:
        """Normalised frames (b c f' h w)."""
        norm = self.norm
        piece = rearrange(self.clip[:, span.start : span.stop], "b f c h w -> b c f h w")
        if self.whole:
            return norm(piece)
        grouped = rearrange(piece, "b (g c) f h w -> b g c f h w", g=norm.num_groups)
        flat = rearrange((grouped.float() - self.mean) * self.rstd, "b g c ... -> b (g c) ...")
        weight, bias = (p.to(flat).view(-1, 1, 1, 1) for p in (norm.weight, norm.bias))
        return (flat * weight + bias).to(piece.dtype)

    def _statistics(self, size: int) -> tuple[Tensor, Tensor]:
        count = self.clip[0].numel() // self.norm.num_groups
        mean = self._total(lambda x: x, size) / count
        variance = self._total(lambda x: (x - mean).square(), size) / count
        return mean, (variance + self.norm.eps).rsqrt()

    def _total(self, of: Callable[[Tensor], Tensor], size: int) -> Tensor:
        """Sum over a group's channels, frames and places: (b g 1 1 1 1)."""
        total = torch.zeros((), device=self.clip.device)
        for span in spans(self.clip.shape[1], size):
            piece = self.clip[:, span.start : span.stop]
            grouped = rearrange(piece, "b f (g c) h w -> b g c f h w", g=self.norm.num_groups)
            total = total + of(grouped.float()).sum(dim=(2, 3, 4, 5), keepdim=True)
        return total
