"""What the files of an evaluation tell: its tables and curves, and how they were made."""

from collections.abc import Iterable, Mapping, Sequence, Set
from dataclasses import dataclass, replace
from functools import cached_property

from torch import Tensor

from toon_core.metrics.metric import NO_MODEL, Metric
from toon_core.metrics.network import Loaded, chosen_frames

from .cache import Cache
from .options import Settings, Spec
from .scores import OVER_TIME, ClipScores, reconstruction_columns
from .tables import Curve, Scores, Table, mean_curve, tabulate
from .testset import read_clip

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
    """All that the files tell. clips: by name, in its order."""

    testset: str
    settings: Settings
    specs: Sequence[Spec]
    clips: Mapping[str, ClipScores]

    @cached_property
    def networks(self) -> Loaded:
        return self.settings.networks()

    @cached_property
    def columns(self) -> tuple[Metric, ...]:
        return self.settings.columns(self.networks)

    @property
    def size(self) -> int:
        """Shorter side in pixels, the least of all clips."""
        return min(min(clip.size) for clip in self.clips.values())

    @cached_property
    def scores(self) -> Scores:
        """{system: {clip: its scores}}."""
        return {s.name: {n: c.systems[s.name] for n, c in self.clips.items()} for s in self.specs}

    @cached_property
    def decoded(self) -> Scores:
        """{checkpoint: {clip: how its autoencoder gives the clip back}}."""
        checkpoints = next(iter(self.clips.values())).decoded
        return {s: {n: c.decoded[s] for n, c in self.clips.items()} for s in checkpoints}

    @property
    def values(self) -> dict[str, dict[str, dict[str, float]]]:
        """{system: {clip: {metric: value}}}."""
        return {s: {n: c.values for n, c in held.items()} for s, held in self.scores.items()}

    @cached_property
    def perceptual(self) -> str:
        """Key of the LPIPS column."""
        return next(metric.key for metric in self.columns if "lpips" in (metric.family, metric.key))

    @cached_property
    def ranked(self) -> list[str]:
        """The clips from best to worst, by LPIPS of the first system, or where no network is there
        by what SSIM lacks."""
        values = self.values[self.specs[0].name]
        distances = {n: v.get(self.perceptual, 1 - v["ssim"]) for n, v in values.items()}
        return sorted(distances, key=lambda name: (distances[name], name))

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
        truth = {name: clip.truth for name, clip in self.clips.items() if name in names}
        return tabulate(title, scores, truth, self.columns)

    def _part(self, title: str, families: Sequence[str], note: str = "") -> Table:
        """Of the whole table the first column of each family."""
        by_family: dict[str, Metric] = {}
        for metric in self.table.metrics:
            by_family.setdefault(metric.family or metric.key, metric)
        shown = [by_family[family] for family in families if family in by_family]
        return replace(self.table, title=title, note=note, metrics=shown)

    @cached_property
    def paper(self) -> dict[str, Table]:
        """The paper's tables, by the names of their files.

        1: FVD, KVD, LPIPS, CLIP_img, CLIP_txt, CPBD, each by the network that is there. 3: FVD and
        CLIP_img; KVD beside them where the clips are too few for FVD. 4: true clips encoded and
        decoded by each checkpoint, where there is any.
        """
        one = self._part("Table 1: interpolation", TABLE_1)
        families = ("fvd", *([] if one.entries(one.metrics[0]) else ["kvd"]), "clip_img")
        three = self._part("Table 3: rectification", families, COMPARED)
        tables = {"table_1": one, "table_3": three}
        if self.decoded:
            columns = reconstruction_columns(self.networks)
            title = "Table 4: true clips encoded and decoded"
            tables["table_4"] = tabulate(title, self.decoded, {}, columns, DECODED)
        return tables

    @cached_property
    def curves(self) -> dict[str, list[Curve]]:
        """Over the frame index, ends included, by the names of their files: figure 10 of the same
        true clips where there is a checkpoint, and of the systems' frames."""
        curves = {}
        if self.decoded:
            title = "Figure 10: {} of true clips encoded and decoded"
            curves["figure_10"] = [
                mean_curve(title.format(m.title), m, self.decoded)
                for m in reconstruction_columns(self.networks)
                if m.model != NO_MODEL
            ]
        curves["frame_index"] = [
            mean_curve(f"{m.title} of the interpolated frames", m, self.scores)
            for m in self.columns
            if m.key in OVER_TIME
        ]
        return curves

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
        frames = " to ".join(map(str, _ends(clip.frames for clip in self.clips.values())))
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
        count, *others = {clip.frames for clip in self.clips.values()}
        if metric.sampled and metric.model != NO_MODEL and not others:
            chosen = chosen_frames(count, self.settings.every_frame)
            text += f" Inner frames {', '.join(map(str, chosen))} of 0 to {count - 1}."
        return text

    def _sizes(self) -> str:
        sizes = _ends(clip.size for clip in self.clips.values())
        return " to ".join(f"{width}x{height}" for height, width in sizes)


def _ends(values: Iterable) -> list:
    """The least and the greatest; one where they are equal."""
    distinct = set(values)
    return sorted({min(distinct), max(distinct)})
