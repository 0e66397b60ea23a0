"""What the files of an evaluation tell: its tables and curves, and how they were made."""

from collections.abc import Iterable, Mapping, Sequence, Set
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from torch import Tensor

from toon_core.metrics.metric import NO_MODEL, Metric
from toon_core.metrics.networks.network import Loaded, chosen_frames

from .cache import Cache
from .clips import read_clip
from .options import Settings
from .reconstruction import (
    Curves,
    frame_means,
    over_clips,
    reconstruction_columns,
    summarise_curves,
)
from .scores import OVER_TIME, ClipSummary, Scored
from .statistics import Scores, summarise, truth_means
from .systems import Spec
from .tables import Curve, Table

if TYPE_CHECKING:
    from .run import ClipScores

PASSING, INSIDE = "something enters or leaves", "nothing enters or leaves"
TABLE_1 = ("fvd", "kvd", "lpips", "clip_img", "clip_txt", "cpbd")
COMPARED = (
    "By these figures the paper compares the variants of its rectification, which `python -m "
    "benchmarks.ablation` trains. Here they are of the systems given."
)
DECODED = (
    "True clips, encoded and decoded by the autoencoder of each system that is a checkpoint, all "
    "frames counted; a decoder with references gets the two keys. By these figures the paper "
    "compares its decoder variants, which `python -m benchmarks.ablation` trains."
)


@dataclass(frozen=True, kw_only=True)
class Report:
    """All that the files tell. frames: the numbers of frames that clips have; truth: {clip: scores
    of the true frames}; decoded: {checkpoint: its autoencoder's values}."""

    testset: str
    settings: Settings
    specs: Sequence[Spec]
    networks: Loaded
    frames: Set[int]
    scores: Scores
    truth: Mapping[str, Scored]
    clips: Mapping[str, ClipSummary]
    decoded: Mapping[str, Curves]

    @property
    def size(self) -> int:
        """Shorter side in pixels, the least of all clips."""
        return min(min(clip.size) for clip in self.clips.values())

    @cached_property
    def columns(self) -> tuple[Metric, ...]:
        return self.settings.columns(self.networks)

    @cached_property
    def perceptual(self) -> str:
        """Key of the LPIPS column."""
        return next(metric.key for metric in self.columns if "lpips" in (metric.family, metric.key))

    @property
    def values(self) -> dict[str, dict[str, dict[str, float]]]:
        """{system: {clip: {metric: value}}}."""
        return {s: {n: c.values for n, c in held.items()} for s, held in self.scores.items()}

    def distances(self) -> dict[str, float]:
        """{clip: LPIPS of the first system, or where no network is there what SSIM lacks}."""
        scored = self.scores[self.specs[0].name]
        return {n: s.values.get(self.perceptual, 1 - s.values["ssim"]) for n, s in scored.items()}

    def rows(self, name: str) -> dict[str, Tensor]:
        """One clip's frames (f 3 h w) in [0, 1] from the disk: the truth's and each system's."""
        clip = read_clip(self.clips[name].folder, self.settings.size)
        cache = Cache(self.settings.out, self.settings.sampling)
        return {"truth": clip.frames} | {s.name: cache.frames(clip, s.name) for s in self.specs}

    @cached_property
    def table(self) -> Table:
        """All metrics over all clips."""
        return self._table("All metrics", self.clips.keys())

    @cached_property
    def groups(self) -> dict[str, Table]:
        """The clips in which something passes the border and the others, each against the truth
        of its own clips; nothing where all are of one kind."""
        passing = {name for name, clip in self.clips.items() if clip.passing}
        groups = {PASSING: passing, INSIDE: self.clips.keys() - passing}
        if not all(groups.values()):
            return {}
        return {
            group: self._table(f"{len(names)} of these clips: {group}", names)
            for group, names in groups.items()
        }

    def _table(self, title: str, names: Set[str]) -> Table:
        scores = {s: {n: held[n] for n in held if n in names} for s, held in self.scores.items()}
        truth = {name: scored for name, scored in self.truth.items() if name in names}
        summary = summarise(scores, truth, self.columns)
        return Table(
            title=title,
            metrics=[m for m in self.columns if any(m.key in r for r in summary.values())],
            summary=summary,
            clips=len(names),
            truth=truth_means(truth),
        )

    def _part(self, title: str, families: Sequence[str], note: str = "") -> Table:
        """Of the whole table the first column of each family."""
        by_family: dict[str, Metric] = {}
        for metric in self.table.metrics:
            by_family.setdefault(metric.family or metric.key, metric)
        return Table(
            title=title,
            note=note,
            metrics=[by_family[family] for family in families if family in by_family],
            summary=self.table.summary,
            clips=self.table.clips,
            truth=self.table.truth,
        )

    @property
    def table_1(self) -> Table:
        """FVD, KVD, LPIPS, CLIP_img, CLIP_txt, CPBD, each by the network that is there."""
        return self._part("Table 1: interpolation", TABLE_1)

    @property
    def table_3(self) -> Table:
        """FVD and CLIP_img; KVD beside them where the clips are too few for FVD."""
        fvd = self.table_1.metrics[0]
        families = ("fvd", *([] if self.table.entries(fvd) else ["kvd"]), "clip_img")
        return self._part("Table 3: rectification", families, COMPARED)

    @property
    def table_4(self) -> Table:
        """True clips encoded and decoded by each checkpoint; without rows where there is none."""
        columns = reconstruction_columns(self.networks)
        return Table(
            title="Table 4: true clips encoded and decoded",
            note=DECODED,
            metrics=columns,
            summary={s: summarise_curves(c, columns) for s, c in self.decoded.items()},
            clips=len(self.clips),
        )

    @property
    def figure_10(self) -> list[Curve]:
        """Of the same frames, over the frame index."""
        return [
            Curve(
                title=f"Figure 10: {metric.title} of true clips encoded and decoded",
                metric=metric,
                systems={s: frame_means(c[metric.key]) for s, c in self.decoded.items()},
            )
            for metric in reconstruction_columns(self.networks)
            if all(metric.key in curves for curves in self.decoded.values())
        ]

    @property
    def interpolated(self) -> list[Curve]:
        """Of the systems' frames over the frame index, ends included."""
        return [
            Curve(
                title=f"{metric.title} of the interpolated frames",
                metric=metric,
                systems={
                    s.name: frame_means([c.curves[metric.key][s.name] for c in self.clips.values()])
                    for s in self.specs
                },
            )
            for metric in self.columns
            if metric.key in OVER_TIME
        ]

    def caption(self) -> str:
        """How the figures were made."""
        changes = ", ".join(f"{k} = {v}" for k, v in self.settings.sampling.changes)
        recipe = "Our checkpoints sample by the recipe in their file, which manifest.json lists"
        return (
            f"{self.caption_of_clips()} Seed {self.settings.sampling.seed}. Only inner frames are "
            "scored, except in the end-frame error. Every system that ran here was given the two "
            f"keys at {self._sizes()} pixels; what a system gives in another size, and frames made "
            f"elsewhere, are resized to it. {recipe}"
            + (f"; all of them with {changes}." if changes else ".")
        )

    def caption_of_clips(self) -> str:
        frames = " to ".join(map(str, _ends(self.frames)))
        return (
            f"{len(self.clips)} clips of {self.testset}, {frames} frames each, {self._sizes()} "
            "pixels. Means over the clips with 95 % bootstrap intervals in brackets; the best mean "
            "is bold where its interval lies apart from all others; n counts the clips where not "
            "all of them are in the mean."
        )

    def legend(self, metrics: Sequence[Metric]) -> str:
        """A line on each metric."""
        return "".join(f"{self._line(metric)}\n" for metric in metrics)

    def _line(self, metric: Metric) -> str:
        text = f"- **{metric.title}** ({metric.better}): {metric.meaning}"
        if metric.sampled and metric.model != NO_MODEL and len(self.frames) == 1:
            [count] = self.frames
            chosen = chosen_frames(count, self.settings.every_frame)
            text += f" Inner frames {', '.join(map(str, chosen))} of 0 to {count - 1}."
        return text

    def _sizes(self) -> str:
        sizes = {clip.size for clip in self.clips.values()}
        return " to ".join(f"{width}x{height}" for height, width in _ends(sizes))


def collect(
    testset: str, specs: Sequence[Spec], scored: Iterable["ClipScores"], settings: Settings
) -> Report:
    made = sorted(scored, key=lambda clip: clip.name)
    return Report(
        testset=testset,
        settings=settings,
        specs=specs,
        networks=settings.networks(),
        frames=frozenset(clip.frames for clip in made),
        scores={s.name: {clip.name: clip.systems[s.name] for clip in made} for s in specs},
        truth={clip.name: clip.truth for clip in made},
        clips={clip.name: clip.summary for clip in made},
        decoded={name: over_clips(clip.decoded[name] for clip in made) for name in made[0].decoded},
    )


def _ends(values: Iterable) -> list:
    """The least and the greatest; one where they are equal."""
    return sorted({min(values), max(values)})
