"""What a model is asked for between two keys, and how its clips become takes."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from itertools import chain
from typing import TYPE_CHECKING, Generic, TypeVar

import torch
from torch import Tensor

from .drawings import digest
from .sheet import derived_seed
from .spacing import way_of

if TYPE_CHECKING:
    from ..recipe import Recipe

FRAMES = 16  # that the model makes at once, the keys included

Step = Callable[[float, Tensor], object]
Value = TypeVar("Value")


@dataclass(frozen=True)
class Picture:
    """A key for the model: pixels (1 3 h w) in [-1, 1] at its size; whole (1 3 h w) as it is shown,
    for the image tokens; latent (1 z h w), scaled, where it was made by the model."""

    digest: str
    pixels: Tensor
    whole: Tensor
    latent: Tensor | None = None


@dataclass(frozen=True)
class Hint:
    """A sketch (1 1 h w) in [0, 1], bright lines on black, at the model's size."""

    lines: Tensor
    strength: float | None
    start: float
    end: float


@dataclass(frozen=True, kw_only=True)
class Job:
    """One take to make; sketches by the number of the made frame."""

    first: Picture
    last: Picture
    prompt: str
    negative: str
    seed: int
    fs: int
    levels: int = 0
    sketches: Mapping[int, Hint] = field(default_factory=dict)


class Recent(Generic[Value]):
    """What was made last, by the digest of what it was made of."""

    def __init__(self, most: int = 3) -> None:  # a segment's two keys, and one for a breakdown
        self._most, self._made = most, OrderedDict[str, Value]()

    def get(self, digest: str, make: Callable[[], Value]) -> Value:
        if digest not in self._made:
            self._made[digest] = make()
        self._made.move_to_end(digest)
        while len(self._made) > self._most:
            self._made.popitem(last=False)
        return self._made[digest]


class Maker(ABC):
    """A model that makes clips.

    recipe: how it samples; identity: a text that names the model and what patches it, so that equal
    ones make equal takes; sketch_identity: the same of its sketch encoder, empty where it has none.
    """

    recipe: Recipe
    identity: str
    sketch_identity: str = ""

    @abstractmethod
    def clip(self, jobs: Sequence[Job], step: Step) -> tuple[Tensor, list[Tensor]]:
        """16 frames of each job: scaled latents (b z f h w), and (f h w 3) uint8.

        Several jobs have no sketches. Random numbers come from each job's seed alone, in the
        release's order: posterior noise, x_T, one a step. step(part done in 0..1, x0 (b z f h w)).
        """

    def room(self) -> int:
        """Clips that may be made at once."""
        return 1

    @torch.inference_mode()
    def make(self, jobs: Sequence[Job], on_step: Step = lambda part, x0: None) -> list[Tensor]:
        """-> of each job its frames (f h w 3) uint8. on_step(part of all in 0..1, x0 (b z f h w)).

        Several jobs are made as one batch and have neither sketches nor denser passes, which have
        seeds of their own.
        """
        if len(jobs) > 1:
            return self.clip(jobs, on_step)[1]
        [job] = jobs
        passes = 2 ** (job.levels + 1) - 1
        clips = self._clips(job, lambda done, part, x0: on_step((done + part) / passes, x0))
        return [torch.cat([clip[min(n, 1) :] for n, clip in enumerate(clips)])]

    def _clips(self, job: Job, on_pass: Callable[[int, float, Tensor], object]) -> list[Tensor]:
        """Those of the last pass, in order, each ending with the frame that the next begins with.

        Level by level: between each two pictures a clip is made, whose middle one comes between
        them for the next level. No closure refers to itself here: that would keep the pictures of
        every segment until Python looks for circles.
        """
        pictures, seeds, done = [job.first, job.last], [job.seed], 0
        for level in range(job.levels + 1):
            clips, between = [], []
            for first, last, seed in zip(pictures[:-1], pictures[1:], seeds, strict=True):
                part = replace(job, first=first, last=last, seed=seed)
                latents, [frames] = self.clip([part], partial(on_pass, done))
                clips.append(frames)
                if level < job.levels:
                    between.append(_breakdown(latents, frames))
                done += 1
            pictures = [*chain(*zip(pictures, between, strict=False)), pictures[-1]]
            seeds = [derived_seed(seed, half) for seed in seeds for half in ("begin", "end")]
        return clips


def _breakdown(latents: Tensor, frames: Tensor) -> Picture:
    """The made frame halfway, by the motion measured, as a key, its latent as the model made it."""
    way = way_of(frames)
    i = min(range(1, len(way) - 1), key=lambda t: abs(way[t] - 0.5))
    pixels = frames[i].permute(2, 0, 1)[None].float() / 127.5 - 1
    return Picture(digest(frames[i]), pixels, pixels, latents[:, :, i])
