"""What the files of an evaluation tell, gathered clip by clip: no picture stays in memory."""

import hashlib
from collections.abc import Iterable, Mapping, Sequence, Set
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from torch import Tensor
from tqdm import tqdm

from toon_core.metrics.colour_drift import colour_drift
from toon_core.metrics.psnr import psnr

from .bench import ClipScores, Settings
from .clips import Clip, pixels, read_clip
from .columns import COLOUR_DRIFT, PSNR
from .frame_curves import Curve, frame_means
from .groups import crosses_border
from .metric import Metric
from .reconstruction import Curves, Reconstructor
from .report import Run, Scores, summarise, truth_means
from .scores import Scored
from .store import Store
from .systems import Spec
from .tables import Table

PASSING, INSIDE = "something enters or leaves", "nothing enters or leaves"
OVER_TIME = {PSNR: psnr, COLOUR_DRIFT: colour_drift}


@dataclass(frozen=True, kw_only=True)
class Seen:
    """What one look at a clip and at the systems' frames of it leaves.

    frames: {system: sha256 of its frames}; curves: {metric: {system: a value for each frame}}.
    """

    folder: Path
    digest: str
    size: tuple[int, int]
    prompt: str
    fps: int | None
    passing: bool
    frames: Mapping[str, str]
    curves: Mapping[str, Mapping[str, list[float]]]


@dataclass(frozen=True, kw_only=True)
class Report:
    """All that the files tell. truth: {clip: scores of the true frames}; decoded: {checkpoint:
    its autoencoder's values}."""

    settings: Settings
    specs: Sequence[Spec]
    run: Run
    scores: Scores
    truth: Mapping[str, Scored]
    seen: Mapping[str, Seen]
    decoded: Mapping[str, Curves]

    @cached_property
    def table(self) -> Table:
        """All metrics over all clips."""
        return self._table("All metrics", self.seen.keys())

    @cached_property
    def groups(self) -> dict[str, Table]:
        """The clips in which something passes the border and the others, each against the truth
        of its own clips; nothing where all are of one kind."""
        passing = {name for name, clip in self.seen.items() if clip.passing}
        groups = {PASSING: passing, INSIDE: self.seen.keys() - passing}
        if not all(groups.values()):
            return {}
        return {
            group: self._table(f"{len(names)} of these clips: {group}", names)
            for group, names in groups.items()
        }

    def _table(self, title: str, names: Set[str]) -> Table:
        def chosen(held: Mapping[str, Scored]) -> dict[str, Scored]:
            return {name: scored for name, scored in held.items() if name in names}

        measure, truth = self.run.measure, chosen(self.truth)
        scores = {system: chosen(held) for system, held in self.scores.items()}
        summary = summarise(scores, truth, measure)
        return Table(
            title=title,
            metrics=[m for m in measure.columns() if any(m.key in r for r in summary.values())],
            summary=summary,
            clips=len(names),
            truth=truth_means(truth),
        )

    @cached_property
    def interpolated(self) -> list[Curve]:
        """Of the systems' frames, ends included."""
        return [
            Curve(
                title=f"{metric.title} of the interpolated frames",
                metric=metric,
                systems={spec.name: self._course(metric, spec.name) for spec in self.specs},
            )
            for metric in OVER_TIME
        ]

    def _course(self, metric: Metric, system: str) -> list[float]:
        return frame_means([clip.curves[metric.key][system] for clip in self.seen.values()])

    @property
    def values(self) -> dict[str, dict[str, dict[str, float]]]:
        return {s: {n: c.values for n, c in held.items()} for s, held in self.scores.items()}

    def rows(self, name: str) -> dict[str, Tensor]:
        """One clip's frames (f 3 h w) in [0, 1] from the disk: the truth's and each system's."""
        clip = read_clip(self.seen[name].folder, self.settings.size)
        store = Store(self.settings.out, self.settings.sampling)
        made = {spec.name: store.frames(clip, spec.name) for spec in self.specs}
        return {"truth": clip.frames, **made}


def gather(
    testset: str,
    folders: Sequence[Path],
    specs: Sequence[Spec],
    scored: Iterable[ClipScores],
    settings: Settings,
) -> Report:
    made = sorted(scored, key=lambda clip: clip.name)
    names = [spec.name for spec in specs]
    seen = {folder.name: _look(folder, names, settings) for folder in folders}
    reconstructor = Reconstructor(settings)
    return Report(
        settings=settings,
        specs=specs,
        run=_run(testset, made, seen, settings),
        scores={name: {clip.name: clip.systems[name] for clip in made} for name in names},
        truth={clip.name: clip.truth for clip in made},
        seen=seen,
        decoded={
            spec.name: reconstructor.measured(spec.what, _clips(spec.name, folders, settings))
            for spec in specs
            if isinstance(spec.what, Path) and spec.what.is_file()
        },
    )


def _run(
    testset: str, made: Sequence[ClipScores], seen: Mapping[str, Seen], settings: Settings
) -> Run:
    return Run(
        testset=testset,
        clips=len(made),
        frames=frozenset(clip.frames for clip in made),
        sizes=frozenset(clip.size for clip in seen.values()),
        sampling=settings.sampling,
        measure=settings.measure(),
    )


def _look(folder: Path, systems: Sequence[str], settings: Settings) -> Seen:
    clip, store = read_clip(folder, settings.size), Store(settings.out, settings.sampling)
    digests, curves = {}, {metric.key: {} for metric in OVER_TIME}
    for system in systems:
        frames = store.frames(clip, system)
        digests[system] = hashlib.sha256(pixels(frames).tobytes()).hexdigest()
        for metric, of in OVER_TIME.items():
            curves[metric.key][system] = of(frames, clip.frames).tolist()
    return Seen(
        folder=folder,
        digest=clip.digest(),
        size=clip.size,
        prompt=clip.prompt,
        fps=clip.fps,
        passing=crosses_border(clip.frames),
        frames=digests,
        curves=curves,
    )


def _clips(name: str, folders: Sequence[Path], settings: Settings) -> Iterable[Clip]:
    for folder in tqdm(folders, f"{name}: encode and decode", unit="clip"):
        yield read_clip(folder, settings.size)
