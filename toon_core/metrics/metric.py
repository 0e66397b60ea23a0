"""What a measure is for the tables, and what it is given: one entry, one comparison."""

import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import torch
from torch import Tensor

from .network import Loaded, View, chosen_frames

HIGHER, LOWER, TRUTH = "higher is better", "lower is better", "nearer to the truth is better"
NO_MODEL = "no model"
INPUTS = ("truth", "sketch", "prompt")  # what a comparison may lack; other needs are networks


@dataclass(kw_only=True, eq=False)
class Comparison:
    """One clip and what it is measured against.

    frames and truth (f 3 h w) in [0, 1] with both ends, first and last (3 h w) the keys; sketches
    {frame number: (c h' w')}. Slow networks look at some of the inner frames, with `every_frame`
    at all.
    """

    frames: Tensor
    first: Tensor
    last: Tensor
    truth: Tensor | None = None
    sketches: Mapping[int, Tensor] = field(default_factory=dict)
    prompt: str = ""
    networks: Loaded | None = None
    every_frame: bool = False
    view_of_truth: View | None = None  # where another system's comparison made it already

    @property
    def inner(self) -> Tensor:
        """The frames between the keys."""
        return self.frames[1:-1]

    @property
    def true(self) -> Tensor:
        """The true frames between the keys."""
        assert self.truth is not None
        return self.truth[1:-1]

    @cached_property
    def view(self) -> View:
        """The frames as networks see them, each network's answer kept."""
        return self._viewed(self.frames)

    @cached_property
    def true_view(self) -> View:
        """The same of the true frames."""
        assert self.truth is not None
        return self.view_of_truth or self._viewed(self.truth)

    def _viewed(self, frames: Tensor) -> View:
        assert self.networks is not None
        chosen = chosen_frames(len(frames), self.every_frame)
        keys = self.first, self.last
        return View(self.networks, frames, keys, chosen, sorted(self.sketches))

    def has(self, need: str) -> bool:
        if need == "truth":
            return self.truth is not None
        if need == "sketch":
            return bool(self.sketches)
        if need == "prompt":
            return bool(self.prompt)
        return self.networks is not None and need in self.networks


@dataclass(frozen=True, kw_only=True)
class Metric:
    """One measure, and one column of the tables.

    `needs`: which of INPUTS a clip must have, and which networks must be there. `compute` gives
    the clip's value, NaN where it has no meaning. Of several metrics of one `family` the first by
    `place` whose networks are there is shown. `variant`: shown only where that variant is asked
    for. `sampled`: measured on some of the inner frames. `model` is filled by `columns`: the
    networks that measured, None where none is needed, NO_MODEL where they are absent.
    """

    key: str
    title: str
    better: str
    digits: int
    meaning: str
    compute: Callable[..., float]
    needs: tuple[str, ...] = ()
    family: str = ""
    variant: str = ""
    place: int = 1000  # columns stand in this order
    sampled: bool = False
    model: str | None = None

    @property
    def networks(self) -> tuple[str, ...]:
        return tuple(need for need in self.needs if need not in INPUTS)

    @property
    def of_truth(self) -> bool:
        """Whether the true frames have a value of their own, the mark of the tables."""
        return "truth" not in self.needs or self.better == TRUTH


@dataclass(frozen=True, kw_only=True)
class SetMetric(Metric):
    """A measure of all clips together, by the features that its one network gives of each.

    `compute` takes the features of the systems' clips and of the truth's, two (n d), row by row of
    one clip. `resample` takes these and draws (r n) of their rows, and gives the bootstrap's values
    (r); `draws`: how many. `fewest`: clips needed for features of width d.
    """

    resample: Callable[[Tensor, Tensor, Tensor], Tensor]
    draws: int = 2000
    fewest: Callable[[int], int] = lambda width: 2


def measure(metrics: Iterable[Metric], clip: Comparison) -> dict[str, float]:
    """{key: value} of the metrics whose needs the clip has; those without meaning are left out."""
    values = {}
    for metric in metrics:
        if not isinstance(metric, SetMetric) and all(map(clip.has, metric.needs)):
            value = metric.compute(clip)
            if math.isfinite(value):
                values[metric.key] = value
    return values


def mean(values: Tensor | list[Any]) -> float:
    """The mean as a number, NaN of nothing."""
    return torch.as_tensor(values, dtype=torch.float64).mean().item()
