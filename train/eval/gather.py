"""What the files of an evaluation tell, gathered clip by clip: no picture stays in memory."""

from collections.abc import Iterable, Mapping, Sequence, Set
from dataclasses import dataclass
from functools import cached_property

from torch import Tensor

from .bench import ClipScores
from .clips import read_clip
from .frame_curves import Curve, frame_means
from .metric import Metric
from .reconstruction import Curves, over_clips
from .report import Run, Scores, summarise, truth_means
from .scores import Scored
from .seen import OVER_TIME, Seen
from .settings import Settings
from .store import Store
from .systems import Spec
from .tables import Table

PASSING, INSIDE = "something enters or leaves", "nothing enters or leaves"


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
    specs: Sequence[Spec],
    scored: Iterable[ClipScores],
    settings: Settings,
) -> Report:
    made = sorted(scored, key=lambda clip: clip.name)
    return Report(
        settings=settings,
        specs=specs,
        run=_run(testset, made, settings),
        scores={s.name: {clip.name: clip.systems[s.name] for clip in made} for s in specs},
        truth={clip.name: clip.truth for clip in made},
        seen={clip.name: clip.seen for clip in made},
        decoded={name: over_clips(clip.decoded[name] for clip in made) for name in made[0].decoded},
    )


def _run(testset: str, made: Sequence[ClipScores], settings: Settings) -> Run:
    return Run(
        testset=testset,
        clips=len(made),
        frames=frozenset(clip.frames for clip in made),
        sizes=frozenset(clip.seen.size for clip in made),
        sampling=settings.sampling,
        measure=settings.measure(),
    )
