"""Whether shortcuts of sampling keep the frames as they are: the gate of `presets.turbo`.

    python benchmarks/turbo.py [testset=FOLDER reference=nano clips=52 out=runs/turbo ...]

nano samples clips by a reference and with each shortcut of turbo, alone and together; the frames
between the keys are held against the true ones. reference=nano is its own recipe,
reference=guided the same with the release's cfg_scale: what saves branches can show itself only
where there are some. Paired by clips (each the mean
over the seeds), with 95 % bootstrap intervals over them. A shortcut passes where the distance
(LPIPS-HED of six frames, both middle ones among them) grows by at most 2 % of the reference's mean,
at the interval's upper end, and the frames move 0.8 to 1.2 times as much. Speed is the processor's
time for a clip, reference over shortcut, in turns on some of the clips; passes are the clips that
go through the UNet for one that is made.

testset: a folder as train.heldout writes it; without one the cast and held-out puppets. What was
made is kept in `out`, and a second call goes on.
"""

from __future__ import annotations

import statistics
import sys
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from itertools import chain
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from tqdm import tqdm

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "benchmarks")]

from first_step import FirstStepConfig, puppets  # noqa: E402
from nano_cast import COLUMNS, NETWORKS, cast  # noqa: E402

from toon_core.metrics.plain.crossfade_residual import crossfade_residual  # noqa: E402
from toon_core.metrics.plain.motion_ratio import motion_ratio  # noqa: E402
from toon_core.presets import nano, turbo  # noqa: E402
from toon_core.unet.model import VideoUNet  # noqa: E402
from train.data.puppets.levels import LEVELS as PUPPET_LEVELS  # noqa: E402
from train.engine.config import parse  # noqa: E402
from train.engine.options import option  # noqa: E402
from train.eval.cache import Cache  # noqa: E402
from train.eval.scores import Scored, Scorer  # noqa: E402
from train.eval.systems import NANO, Checkpoint, Sampling  # noqa: E402
from train.eval.tables import interval, markdown  # noqa: E402
from train.eval.testset import Clip, read_clip, read_testset  # noqa: E402

FIGURES = DISTANCE, MOTION, RESIDUAL = "lpips_hed", "motion_ratio", "crossfade_residual"
LOOKED_AT = (0, 2, 5, 7, 8, 11, 13, 15)  # of 16 frames, for the distance; the keys are at the ends
FIRST_SEED = 123
MARGIN = 0.02  # of the reference's mean distance
MOVES = (0.8, 1.2)  # times as much as the reference
Changes = dict[str, Any]

REFERENCES: dict[str, Changes] = {"nano": {}, "guided": {"cfg_scale": 7.5}}
# What turbo changes, one by one: the reference that shows it, and fields of a recipe.
SHORTCUTS: dict[str, tuple[str, tuple[str, ...]]] = {
    "guidance interval": ("guided", ("cfg_start", "cfg_end")),
    "shared deep features": ("nano", ("reuse",)),
    "one decode": ("nano", ("replace_middle_frames",)),
}


@dataclass(kw_only=True)
class TurboConfig:
    """What is measured, and on what."""

    testset: str = ""  # folder of clips; empty: the cast and held-out puppets
    reference: str = option("nano", choices=tuple(REFERENCES))
    out: str = "runs/turbo"  # keeps frames and scores
    clips: int = option(52, least=2)  # at most, the first by name
    seeds: int = option(1, least=1)  # of each clip
    timed: int = option(3, least=1)  # clips on which time is taken
    threads: int = 1


Pass = tuple[int, bool]  # clips in it, and whether it is shallow


@contextmanager
def passes(unet: VideoUNet) -> Iterator[Counter[Pass]]:
    """The UNet's calls while it is entered."""
    found: Counter[Pass] = Counter()

    def see(_: Any, args: tuple[Any, ...]) -> None:
        found[len(args[2].text), args[2].shallow] += 1

    hook = unet.register_forward_pre_hook(see)
    try:
        yield found
    finally:
        hook.remove()


@dataclass
class Measured:
    """Of one setting: {figure: {clip: mean over the seeds}}, the passes of a clip, seconds of the
    timed clips."""

    values: dict[str, dict[str, float]] = field(default_factory=dict)
    passes: Counter[Pass] = field(default_factory=Counter)
    seconds: list[float] = field(default_factory=list)

    def mean(self, key: str) -> float:
        return statistics.fmean(self.values[key].values())

    def clips(self, shallow: bool) -> int:
        """Through the UNet, for one clip that is made."""
        return sum(n * times for (n, kind), times in self.passes.items() if kind is shallow)


@dataclass(frozen=True)
class Verdict:
    """grown: of the distance, in shares of the reference's mean, with its interval; moves: motion
    over the reference's."""

    grown: float
    low: float
    high: float
    moves: float

    @property
    def passed(self) -> bool:
        return self.high <= MARGIN and MOVES[0] <= self.moves <= MOVES[1]


def judged(ours: Measured, reference: Measured) -> Verdict:
    """Clip by clip."""
    mine, theirs = ours.values[DISTANCE], reference.values[DISTANCE]
    grown = interval([mine[clip] - theirs[clip] for clip in theirs])
    mean = reference.mean(DISTANCE)
    shares = [float(grown[key] or 0) / mean for key in ("mean", "lo", "hi")]
    return Verdict(*shares, ours.mean(MOTION) / reference.mean(MOTION))


@dataclass(frozen=True)
class Setting:
    """What is measured. seeds: of each clip."""

    name: str
    changes: Changes  # of nano's recipe
    seeds: range

    def sampling(self, seed: int) -> Sampling:
        return Sampling(seed=seed, changes=tuple(self.changes.items()))


def settings(reference: str, seeds: int) -> Iterator[Setting]:
    """The reference first."""
    first = range(FIRST_SEED, FIRST_SEED + seeds)
    base = REFERENCES[reference]
    yield Setting("reference", base, first)
    recipe = replace(nano().recipe, **base)
    own, fast, together = vars(recipe), vars(turbo(recipe)), dict(base)
    for name, (shown_by, fields) in SHORTCUTS.items():
        changes = {key: fast[key] for key in fields if fast[key] != own[key]}
        together |= changes
        if shown_by == reference:
            yield Setting(name, {**base, **changes}, first)
    yield Setting("turbo: together", together, first)


class Bench:
    """nano, its scores, and what is kept of them."""

    def __init__(self, out: Path) -> None:
        self.out, self.system = out, Checkpoint("nano", NANO)
        self.scorer = Scorer([m for m in COLUMNS if m.key == DISTANCE], NETWORKS, every_frame=True)
        self._last: tuple[Clip | None, Clip | None] = None, None

    def scores(self, clip: Clip, setting: Setting, seed: int) -> Mapping[str, float]:
        self.system.name = f"{setting.name}, seed {seed}"
        cache = Cache(self.out, setting.sampling(seed), str(LOOKED_AT))
        return cache.scored(clip, self.system, lambda frames: self._scored(clip, frames)).values

    def _scored(self, clip: Clip, frames: Tensor) -> Scored:
        if clip is not self._last[0]:  # the scorer knows its truth again by the object
            some = replace(clip, frames=clip.frames[list(LOOKED_AT)], sketches={})
            self._last = clip, some
        scored = self.scorer.score(self._last[1], frames[list(LOOKED_AT)])
        motion = motion_ratio(frames[1:-1], clip.frames[1:-1])
        residual = float(crossfade_residual(frames[1:-1], clip.first, clip.last).mean())
        return replace(scored, values=scored.values | {MOTION: motion, RESIDUAL: residual})

    def time(self, clip: Clip, setting: Setting) -> tuple[float, Counter[Pass]]:
        with passes(self.system.model.unet) as seen:
            begin = time.process_time()
            self.system.frames(clip, setting.sampling(setting.seeds.start))
            return time.process_time() - begin, seen


def measure(clips: Sequence[Clip], config: TurboConfig) -> dict[str, Measured]:
    bench = Bench(Path(config.out) / config.reference)
    chosen = list(settings(config.reference, config.seeds))
    found = {setting.name: Measured() for setting in chosen}
    for clip in tqdm(clips, "clips"):
        for setting in chosen:
            made = [bench.scores(clip, setting, seed) for seed in setting.seeds]
            for key in FIGURES:
                mean = statistics.fmean(values[key] for values in made)
                found[setting.name].values.setdefault(key, {})[clip.name] = mean
    for clip in clips[: config.timed]:
        for setting in chosen:
            seconds, found[setting.name].passes = bench.time(clip, setting)
            found[setting.name].seconds.append(seconds)
    return found


HEADER = ("", "Distance", "Grown by (95 %)", "Motion", "Residual", "UNet passes", "Speed", "")


def rows(found: Mapping[str, Measured]) -> Iterator[list[str]]:
    """The first is the reference."""
    reference = next(iter(found.values()))
    for name, ours in found.items():
        it = judged(ours, reference)
        pairs = zip(reference.seconds, ours.seconds, strict=True)
        faster = statistics.median(theirs / mine for theirs, mine in pairs)
        shallow = ours.clips(True)
        yield [
            name,
            f"{ours.mean(DISTANCE):.4f}",
            f"{100 * it.grown:+.1f} % ({100 * it.low:+.1f} to {100 * it.high:+.1f})",
            f"{ours.mean(MOTION):.2f}",
            f"{ours.mean(RESIDUAL):.3f}",
            f"{ours.clips(False)}" + (f" + {shallow} shallow" if shallow else ""),
            f"{faster:.2f}",
            "passes" if it.passed else "fails",
        ]


def shown(config: TurboConfig) -> list[Clip]:
    """The clips that are measured on."""
    if config.testset:
        return [read_clip(folder) for folder in read_testset(Path(config.testset), config.clips)]
    drawn = cast()
    count = -(-(config.clips - len(drawn)) // PUPPET_LEVELS)
    made = (puppets(FirstStepConfig(count=count), level) for level in range(PUPPET_LEVELS))
    return [*drawn, *chain.from_iterable(zip(*made, strict=True))][: config.clips]


def main(arguments: list[str]) -> None:
    config = parse(TurboConfig, arguments, __doc__)
    torch.set_num_threads(config.threads)
    print(markdown(HEADER, rows(measure(shown(config), config))))


if __name__ == "__main__":
    main(sys.argv[1:])
