"""The drawings of one segment as they are shown, from its key and its take."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from itertools import chain

import torch
from torch import Tensor

from ..images import Fit, Size
from ..metrics.frames import scaled_down
from .guards import ROWS
from .joins import Join, from_model, to_model, working_fit
from .plan import SegmentPlan
from .spacing import chosen, way_of
from .takes import Take


@dataclass(frozen=True)
class Shown:
    """A segment with the take that is shown; first and last (h w 3) uint8 are the keys as shown,
    take None where the first is held."""

    segment: SegmentPlan
    first: Tensor
    last: Tensor | None = None
    take: Take | None = None

    @cached_property
    def _chosen(self) -> tuple[list[int], bool]:
        if self.take is None:
            return [], False
        # Sketches were drawn for frames of this take only where it has their count.
        pinned = self.segment.pinned if len(self.take.frames) == self.segment.made else {}
        return chosen(way_of(self.take.frames), list(self.segment.places), pinned)

    @property
    def frames(self) -> list[int]:
        """Of the made frames those that are shown, a drawing each."""
        return self._chosen[0]

    @property
    def repeats(self) -> bool:
        """Whether the made frames were too few, so that some are shown twice."""
        return self._chosen[1] and len(set(self.frames)) < len(self.frames)

    def pictures(self) -> Iterator[tuple[Tensor, int]]:
        """Each drawing (h w 3) uint8, the key first, and for how many frames it is shown."""
        ends = [*self.segment.starts[1:], self.segment.span]
        counts = [end - start for start, end in zip(self.segment.starts, ends, strict=True)]
        yield self.first, counts[0]
        for t, count in zip(self.frames, counts[1:], strict=True):
            grown = from_model(self._joined(t), self._fit)[0]
            pixels = ((grown.permute(1, 2, 0) + 1) * 127.5).round().clamp(0, 255)
            yield pixels.to(torch.uint8), count

    def small(self) -> Tensor:
        """All drawings between both keys (f 3 h w) in [0, 1], to be judged, at the size of that:
        at their own a long segment's would be gigabytes."""
        begin, end = self._small_keys
        whole = chain([begin], (self._joined(t) for t in self.frames), [end])
        return torch.cat([scaled_down(((x + 1) / 2).clamp(0, 1), ROWS) for x in whole])

    def _joined(self, t: int) -> Tensor:
        """A made frame (1 3 h w) in [-1, 1], near a key in its colours."""
        assert self.take is not None
        frame = self.take.frames[t].permute(2, 0, 1)[None].float() / 127.5 - 1
        begin, end = self._joins
        distances = ((begin, t), (end, len(self.take.frames) - 1 - t))
        for join, distance in distances:
            if weight := join.weight(distance):
                frame = frame + weight * join.residual
        return frame

    @cached_property
    def _joins(self) -> tuple[Join, Join]:
        assert self.take is not None
        begin, end = self._small_keys
        return Join.of(begin, self.take.frames[0]), Join.of(end, self.take.frames[-1])

    @cached_property
    def _small_keys(self) -> tuple[Tensor, Tensor]:
        """(1 3 h w) in [-1, 1] at the model's size."""
        assert self.last is not None
        return to_model(self.first, self._fit), to_model(self.last, self._fit)

    @cached_property
    def _fit(self) -> Fit:
        size: Size = (self.first.shape[0], self.first.shape[1])
        if self.take is None:
            return working_fit(size, size)
        return working_fit(size, (self.take.frames.shape[1], self.take.frames.shape[2]))
