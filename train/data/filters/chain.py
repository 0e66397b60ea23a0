"""All filters in their order: cheap ones first, what costs most only for what is left."""

import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial

from train.data.filters import captions, shots, sketches
from train.data.filters.base import Builder, Filter, FilterConfig, NoModel, Piece
from train.data.filters.pictures import black, blurred, find_text, flicker, static

STEPS: dict[str, Builder] = {
    "black": lambda c: Filter("brightness", partial(black, limit=c.black)) if c.black else None,
    "shots": shots.build,
    "static": lambda c: Filter("change", partial(static, limit=c.static)),  # by 0 it only measures
    "blurred": lambda c: (
        Filter("edges", partial(blurred, limit=c.sharpness)) if c.sharpness else None
    ),
    "flicker": lambda c: (
        Filter("change", partial(flicker, limit=c.flicker)) if c.flicker < 1 else None
    ),
    "text": find_text,
    "captions": captions.captions,
    "agreement": captions.agreement,
    "sketches": sketches.build,
}


@dataclass(frozen=True)
class Chain:
    """The steps that run, by name and in their order, and why others do not."""

    filters: dict[str, Filter]
    missing: dict[str, str]

    def models(self) -> dict[str, str]:
        """The model of every step by name; "no model" for one that is left out."""
        models = {name: step.model for name, step in self.filters.items()}
        return models | dict.fromkeys(self.missing, "no model")

    def run(
        self, piece: Piece, least_frames: int, seconds: Counter[str] | None = None
    ) -> Iterator[tuple[Piece, str]]:
        """The pieces that come out, each with the reason it is dropped for, or "". What each step
        takes is added to `seconds`."""
        seconds = Counter() if seconds is None else seconds
        steps = list(self.filters.items())
        todo = [(piece, 0)]
        while todo:
            piece, number = todo.pop()
            if len(piece) < least_frames:
                yield piece, f"short: {len(piece)} frames, at least {least_frames} are needed"
                continue
            if number == len(steps):
                yield piece, ""
                continue
            name, step = steps[number]
            begin = time.perf_counter()
            verdict = step.judge(piece)
            seconds[name] += time.perf_counter() - begin
            piece.scores.update(verdict.scores)
            vars(piece).update(verdict.changes)
            if verdict.reason:
                yield piece, f"{name}: {verdict.reason}"
                continue
            after = number + (not (verdict.cuts and verdict.again))
            todo += [(part, after) for part in reversed(_parts(piece, verdict.cuts))]


def _parts(piece: Piece, cuts: tuple[int, ...]) -> list[Piece]:
    if not cuts:
        return [piece]
    edges = [0, *cuts, len(piece)]
    return [piece.part(a, b) for a, b in zip(edges, edges[1:], strict=False)]


def build(config: FilterConfig) -> Chain:
    """ModelError where an option names a model that cannot be used."""
    filters, missing = {}, {}
    for name, builder in STEPS.items():
        try:
            step = builder(config)
        except NoModel as error:
            missing[name] = str(error)
            continue
        if step is not None:
            filters[name] = step
    return Chain(filters, missing)
