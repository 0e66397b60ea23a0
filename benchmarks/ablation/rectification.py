"""Table 3, and figures 6 and 7: the rectification variants on held-out clips."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from PIL import Image

from benchmarks.ablation.plan import RECTIFIED, AblationConfig, Folders, Run
from benchmarks.ablation.reconstruction import networks
from benchmarks.ablation.tables import Values, column, write_table
from toon_core.metrics.registry import columns
from train.eval.cache import Cache
from train.eval.options import Settings, read_sampling
from train.eval.output import draw_sheet
from train.eval.run import evaluate
from train.eval.systems import Sampling
from train.eval.testset import read_clip, read_testset

ROWS = {
    "I": "I: the base as it is",
    "II": "II: projector + whole UNet",
    "III": "III: projector + spatial, temporal bypassed in training",
    "IV": "IV: projector + spatial, temporal frozen",
    "V": "V: projector only",
}
# Paper, table 3: I3D's video distance and similarity of CLIP features, on its own 1K clips.
PAPER = {
    "fvd": {"I": 86.62, "II": 70.73, "III": 291.45, "IV": 52.73, "V": 81.45},
    "clip_img": {"I": 0.8637, "II": 0.8978, "III": 0.7997, "IV": 0.9096, "V": 0.8875},
}
SEED = 123


def sampling(config: AblationConfig) -> Sampling:
    """How clips are sampled: by the models' own recipe but for `config.sampling`."""
    return read_sampling([f"{k}={v}" for k, v in config.sampling.items()], SEED)


def systems(folders: Folders, done: list[Run]) -> dict[str, Path]:
    """Name -> model, of the variants whose runs are done; the base is variant I."""
    found = {"I_0": folders.base}
    for run in done:
        if run.recipe == "rectify":
            found[f"{run.variant}_{run.seed}"] = folders.result(run)
    order = ("I", *RECTIFIED)
    return dict(sorted(found.items(), key=lambda item: order.index(item[0].rsplit("_", 1)[0])))


def settings(config: AblationConfig, out: Path) -> Settings:
    return Settings(
        out=out,
        sampling=sampling(config),
        size=config.size,
        device=config.device,
        models=Path(config.models),
        only=None if config.networks else (),
    )


def score(
    config: AblationConfig,
    folders: Folders,
    models: Mapping[str, Path],
    out: Path,
) -> dict[str, dict]:
    """`train.evaluate` of the models on the test set: {system: {metric: {mean, ...}}}."""
    words = [f"{name}={path}" for name, path in models.items()]
    found = evaluate(words, folders.testset, settings(config, out))
    return found["systems"]


def report(config: AblationConfig, folders: Folders, done: list[Run]) -> str:
    """Score, write table_3 and both figures, and return the section in Markdown."""
    out, models = folders.out / "rectification", systems(folders, done)
    summary = score(config, folders, models, out)
    found = by_variant(summary)
    measured = columns(networks(config).labels)
    shown = [column(metric, PAPER) for metric in measured if metric.key in found]
    table = write_table(folders.out / "table_3", ROWS, shown, found)
    clips = read_testset(folders.testset)
    for number, first in ((6, 0), (7, config.figure_clips)):
        chosen = clips[first : first + config.figure_clips] or clips[: config.figure_clips]
        picture = figure(config, out, chosen, list(models))
        picture.save(folders.out / f"figure_{number}.png", optimize=True)
    changed = ", ".join(f"{k}={v}" for k, v in config.sampling.items()) or "nothing changed"
    drawn = (
        f"{len(clips)} held-out clips at {config.size}x{config.size}, sampled by the recipe "
        f"of their width with {changed}, one seed for all; \u00b1 is the standard deviation "
        "over the training seeds. A dash: no network for it, or too few clips."
    )
    return f"## Table 3: rectification\n\n{drawn}\n\n{table}\n{_pictures('67')}"


def by_variant(summary: Mapping[str, Mapping[str, Mapping]]) -> dict[str, Values]:
    """{metric: {variant: its means, one a seed}}."""
    found: dict[str, dict[str, list[float]]] = {}
    for system, row in summary.items():
        variant = system.rsplit("_", 1)[0]
        for metric, entry in row.items():
            value = entry["mean"] if entry["mean"] is not None else float("nan")
            found.setdefault(metric, {}).setdefault(variant, []).append(value)
    return found


def figure(config: AblationConfig, out: Path, clips: list[Path], names: list[str]) -> Image.Image:
    """The truth and one row a variant, of the first seed."""
    cache, rows = Cache(out, sampling(config)), []
    for folder in clips:
        clip = read_clip(folder, config.size)
        rows.append((f'truth: {clip.name} "{clip.prompt}"', clip.frames))
        for name in names:
            variant, seed = name.rsplit("_", 1)
            if seed == "0":
                rows.append((variant, cache.frames(clip, name)))
    return draw_sheet(rows)


def _pictures(numbers: str) -> str:
    return "\n".join(f"![Figure {n}: rectification variants](figure_{n}.png)\n" for n in numbers)
