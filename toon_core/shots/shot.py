"""A shot: a checked sheet with its pictures, its timing, and the takes that it wants."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any

import torch
from torch import Tensor

from ..images import Fit, Size, within
from ..recipe import ADDED, Recipe
from ..sketch.control import bright_lines
from .drawings import Drawings, digest, fitted
from .joins import to_model, working_fit
from .making import Hint, Job, Maker, Picture
from .motion import SIDE
from .pairs import KeyPair, compare_keys
from .plan import Plan, SegmentPlan, coarse, plan
from .sheet import Key, Sheet, SheetError, Sketch
from .takes import Takes, take_name

METHOD = 1  # of making; another number makes every take anew
CHANGED = "its picture has changed since the shot was begun: render it again"

# progress(part of all that is to be made in 0..1, the key at work, x0 or None)
Progress = Callable[[float, Key, Tensor | None], object]
Wanted = tuple[SegmentPlan, int]  # a segment and the number of its take


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
    _pairs: dict[str, KeyPair] = field(default_factory=dict, repr=False)

    @classmethod
    def of(cls, sheet: Sheet, drawings: Drawings, maker: Maker, dense: bool = True) -> Shot:
        """SheetError for a picture that is missing or none, and sketches without an encoder."""
        if sheet.sketches and not maker.sketch_identity:
            raise SheetError(
                f"sketches (frame {sheet.sketches[0].frame}): give the sketch encoder of this model"
            )
        drawings.check(sheet)
        size, recipe = drawings.size(sheet), maker.recipe
        fit = working_fit(size, (recipe.height, recipe.width))
        keys = tuple(_key_picture(key, drawings, size, sheet) for key in sheet.keys)
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
        """(h w 3) uint8 of the result's size. SheetError where the drawing has changed since."""
        picture = fitted(self.drawings.key(key), self.size, self.sheet.fit)
        if digest(picture) != self.key_picture(key).digest:
            raise SheetError(f"key {key.id!r} (frame {key.frame}): {CHANGED}")
        return picture

    def missing(self, takes: Takes) -> list[Wanted]:
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
        drawn = self.made[self.takes[segment.key.id][number]]["sketches"]
        return Job(
            first=self._for_model(segment.key),
            last=self._for_model(segment.next),
            prompt=segment.prompt,
            negative=segment.negative,
            seed=segment.seeds[number],
            fs=segment.fs,
            levels=segment.levels,
            sketches={t: self._hint(s, drawn[t][0]) for t, s in segment.sketches.items()},
        )

    def key_picture(self, key: Key) -> KeyPicture:
        return next(k for k in self.keys if k.key.id == key.id)

    def pair(self, segment: SegmentPlan) -> KeyPair:
        """How the keys of a drawn segment compare."""
        assert segment.next is not None
        if segment.key.id not in self._pairs:
            keys = (self.key_picture(key).small for key in (segment.key, segment.next))
            self._pairs[segment.key.id] = compare_keys(*keys)
        return self._pairs[segment.key.id]

    def before(self, segment: SegmentPlan) -> list[str]:
        """What a drawn segment's two keys promise: suggestions, before anything is made."""
        assert segment.next is not None
        same = self.key_picture(segment.key).digest == self.key_picture(segment.next).digest
        if same and not segment.sketches:
            return ["Both keys are the same picture: mode hold shows it without the model."]
        text = self.pair(segment).text
        return [text] if text else []

    def _for_model(self, key: Key) -> Picture:
        picture = self.picture(key)
        whole = picture.permute(2, 0, 1)[None].float() / 127.5 - 1
        return Picture(self.key_picture(key).digest, to_model(picture, self.fit), whole)

    def _hint(self, sketch: Sketch, expected: str) -> Hint:
        """Its lines are told from the paper before any bars come beside them, which are empty."""
        drawing = self.drawings.sketch(sketch)
        if digest(drawing) != expected:
            raise SheetError(f"sketches (frame {sketch.frame}): {CHANGED}")
        drawn = drawing.permute(2, 0, 1)[None].float() / 255
        lines = (bright_lines(drawn)[0].permute(1, 2, 0) * 255).round().to(torch.uint8)
        placed = fitted(lines.expand(-1, -1, 3), self.size, self.sheet.fit)[..., :1]
        small = self.fit.apply(placed.permute(2, 0, 1)[None].float() / 255)
        return Hint(small, sketch.strength, sketch.start, sketch.end)

    def _named(self, segment: SegmentPlan, maker: Maker) -> dict[str, dict[str, Any]]:
        assert segment.next is not None
        shared: dict[str, Any] = {
            "method": METHOD,
            "first": self.key_picture(segment.key).digest,
            "last": self.key_picture(segment.next).digest,
            "prompt": segment.prompt,
            "negative": segment.negative,
            "fs": segment.fs,
            "levels": segment.levels,
            "sketches": {t: self._sketched(s) for t, s in segment.sketches.items()},
            "sketch_encoder": maker.sketch_identity if segment.sketches else "",
            **made_by(maker),
            "fit": self.fit.mode,
        }
        named = [{**shared, "seed": seed} for seed in segment.seeds]
        return {take_name(segment.key.id, made): made for made in named}

    def _sketched(self, sketch: Sketch) -> list[Any]:
        """What a take hangs on of a sketch: one of another size is placed by the sheet's fit."""
        drawing = self.drawings.sketch(sketch)
        placed = [] if drawing.shape[:2] == self.size else [self.sheet.fit]
        return [digest(drawing), sketch.strength, sketch.start, sketch.end, *placed]


def made_by(maker: Maker) -> dict[str, Any]:
    """What all takes of a model and its recipe say of them."""
    return {"model": maker.identity, "recipe": _identity(maker.recipe)}


def _identity(recipe: Recipe) -> dict[str, Any]:
    """Of a recipe what a take hangs on. What was added to the release's and is off is left out:
    takes of before there was any keep their names."""
    off = {k: getattr(Recipe(), k) for k in ADDED}
    said = {k: v for k, v in asdict(recipe).items() if k not in ("fps", "frames", "seed")}
    return {k: v for k, v in said.items() if k not in off or v != off[k]}


def _key_picture(key: Key, drawings: Drawings, size: Size, sheet: Sheet) -> KeyPicture:
    picture = fitted(drawings.key(key), size, sheet.fit)
    small = within(picture.permute(2, 0, 1).float(), SIDE)
    return KeyPicture(key, digest(picture), small.round().to(torch.uint8))


def make_missing(
    shot: Shot, maker: Maker, takes: Takes, progress: Progress = lambda part, key, x0: None
) -> list[str]:
    """Make what is wanted and not there, each take kept as soon as it is done; the ids of the keys
    whose segments were sampled."""
    wanted = shot.missing(takes)
    done = 0
    while done < len(wanted):
        at_once = wanted[done : done + _at_once(wanted[done:], maker)]

        def step(
            part: float, x0: Tensor | None, first: int = done, some: Sequence[Wanted] = at_once
        ) -> None:
            made = first + part * len(some)
            progress(made / len(wanted), some[int(part * len(some) * 0.999)][0].key, x0)

        step(0.0, None)
        made = maker.make([shot.job(*one) for one in at_once], step)
        for (segment, number), frames in zip(at_once, made, strict=True):
            name = shot.takes[segment.key.id][number]
            takes.save(name, frames, shot.made[name])
        done += len(at_once)
    return list(dict.fromkeys(segment.key.id for segment, _ in wanted))


def _at_once(wanted: Sequence[Wanted], maker: Maker) -> int:
    """How many of the next takes the model makes in one batch."""
    alone = [bool(segment.levels or segment.sketches) for segment, _ in wanted]
    together = alone.index(True) if True in alone else len(alone)
    return max(1, min(together, maker.room()))
