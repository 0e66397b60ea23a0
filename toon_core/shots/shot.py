"""A shot: a checked sheet with its pictures, its timing, and the takes that it wants."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import adaptive_avg_pool2d

from ..images import Fit, Size
from .drawings import Drawings, digest, fitted
from .joins import to_model, working_fit
from .making import Hint, Job, Maker, Picture
from .motion import SIDE
from .plan import Plan, SegmentPlan, coarse, plan
from .sheet import Key, Sheet, SheetError, Sketch
from .takes import Takes, take_name

METHOD = 1  # of making; another number makes every take anew

# progress(part of all that is to be made in 0..1, the key at work, x0 or None)
Progress = Callable[[float, Key, Tensor | None], object]


@dataclass
class KeyPicture:
    """A key as it is shown, and what names it."""

    key: Key
    digest: str
    thumbnail: Tensor  # (3 h w) uint8: of many keys floats would be much

    @property
    def small(self) -> Tensor:
        """(3 h w) in [0, 1], for comparing."""
        return self.thumbnail.float() / 255


@dataclass(frozen=True)
class Shot:
    """A checked sheet with its pictures, its timing, and the takes that it wants.

    Made by `Shot.of`, before any model works; takes (by key) are names in the order of their seeds.
    """

    sheet: Sheet
    drawings: Drawings
    size: Size
    fit: Fit
    keys: tuple[KeyPicture, ...]
    plan: Plan
    takes: Mapping[str, tuple[str, ...]]
    made: Mapping[str, Mapping[str, Any]] = field(repr=False)  # by name: what makes it

    @classmethod
    def of(cls, sheet: Sheet, drawings: Drawings, maker: Maker, dense: bool = True) -> Shot:
        """SheetError for a picture that is missing or none, and sketches without an encoder."""
        if sheet.sketches and maker.sketch_encoder is None:
            raise SheetError(
                f"sketches (frame {sheet.sketches[0].frame}): give the sketch encoder of this model"
            )
        drawings.check(sheet)
        size, recipe = drawings.size(sheet), maker.recipe
        fit = working_fit(size, (recipe.height, recipe.width))
        keys = tuple(_key_picture(key, drawings, size, sheet, fit) for key in sheet.keys)
        timing = plan(sheet, [coarse(k.small) for k in keys], recipe.fps, dense)
        shot = cls(sheet, drawings, size, fit, keys, timing, {}, {})
        takes: dict[str, tuple[str, ...]] = {}
        made: dict[str, Mapping[str, Any]] = {}
        for segment in timing.segments:
            if segment.drawn:
                named = shot._named(segment, maker)
                takes[segment.key.id] = tuple(named)
                made |= named
        return replace(shot, takes=takes, made=made)

    def picture(self, key: Key) -> Tensor:
        """(h w 3) uint8 of the result's size."""
        return fitted(self.drawings.key(key), self.size, self.sheet.fit)

    def missing(self, takes: Takes) -> list[tuple[SegmentPlan, int]]:
        """Segments and the number of a take that is wanted and not there. A locked segment wants
        none."""
        return [
            (segment, i)
            for segment in self.plan.segments
            if segment.drawn and not segment.lock
            for i, name in enumerate(self.takes[segment.key.id])
            if not takes.has(name)
        ]

    def job(self, segment: SegmentPlan, number: int) -> Job:
        """What makes a take of a segment."""
        assert segment.next is not None
        return Job(
            first=self._for_model(segment.key),
            last=self._for_model(segment.next),
            prompt=segment.prompt,
            negative=segment.negative,
            seed=segment.seeds[number],
            fs=segment.fs,
            levels=segment.levels,
            sketches={t: self._hint(sketch) for t, sketch in segment.sketches.items()},
        )

    def key_picture(self, key: Key) -> KeyPicture:
        return next(k for k in self.keys if k.key.id == key.id)

    def _for_model(self, key: Key) -> Picture:
        picture = self.picture(key)
        whole = picture.permute(2, 0, 1)[None].float() / 127.5 - 1
        return Picture(self.key_picture(key).digest, to_model(picture, self.fit), whole)

    def _hint(self, sketch: Sketch) -> Hint:
        lines = fitted(self.drawings.sketch(sketch), self.size, self.sheet.fit)
        small = (to_model(lines, self.fit) + 1) / 2
        return Hint(small.mean(1, keepdim=True), sketch.strength, sketch.start, sketch.end)

    def _named(self, segment: SegmentPlan, maker: Maker) -> dict[str, dict[str, Any]]:
        assert segment.next is not None
        r = maker.recipe
        shared: dict[str, Any] = {
            "method": METHOD,
            "first": self.key_picture(segment.key).digest,
            "last": self.key_picture(segment.next).digest,
            "prompt": segment.prompt,
            "negative": segment.negative,
            "fs": segment.fs,
            "levels": segment.levels,
            "sketches": {
                t: [digest(self.drawings.sketch(s)), s.strength, s.start, s.end]
                for t, s in segment.sketches.items()
            },
            "model": maker.identity,
            "recipe": {k: v for k, v in asdict(r).items() if k not in ("fps", "frames", "seed")},
            "fit": self.fit.mode,
        }
        named = [{**shared, "seed": seed} for seed in segment.seeds]
        return {take_name(segment.key.id, made): made for made in named}


def _key_picture(key: Key, drawings: Drawings, size: Size, sheet: Sheet, fit: Fit) -> KeyPicture:
    picture = fitted(drawings.key(key), size, sheet.fit)
    scale = min(1.0, SIDE / max(size))
    height, width = (max(round(side * scale), 1) for side in size)
    small = adaptive_avg_pool2d(picture.permute(2, 0, 1).float(), (height, width))
    return KeyPicture(key, digest(picture), small.round().to(torch.uint8))


def make_missing(
    shot: Shot, maker: Maker, takes: Takes, progress: Progress = lambda part, key, x0: None
) -> list[str]:
    """Make what is wanted and not there, each take kept as soon as it is done; the ids of the keys
    whose segments were sampled."""
    wanted = shot.missing(takes)
    sampled: list[str] = []
    for done, (segment, number) in enumerate(wanted):

        def step(part: float, x0: Tensor | None, done: int = done, key: Key = segment.key) -> None:
            progress((done + part) / len(wanted), key, x0)

        step(0.0, None)
        frames = maker.make(shot.job(segment, number), step)
        name = shot.takes[segment.key.id][number]
        takes.save(name, frames, shot.made[name])
        if segment.key.id not in sampled:
            sampled.append(segment.key.id)
    return sampled
