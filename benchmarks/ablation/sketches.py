"""Figure 9: the frame-independent sketch encoder and ZeroGate, with one sketch in the middle."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import torch
from torch import Tensor

import toon_core
from benchmarks.ablation import rectification
from benchmarks.ablation.plan import RECTIFIED_BASE, SKETCHES, AblationConfig, Folders, Run
from benchmarks.ablation.reconstruction import networks
from benchmarks.ablation.tables import Column, Values, write_table
from toon_core.metrics.plain.sketch_agreement import sketch_agreement
from toon_core.model import ToonModel
from toon_core.sketch.encoder import SketchEncoder
from train.data.filters.sketches import xdog
from train.eval.output import draw_sheet
from train.eval.scores import Reconstructor
from train.eval.systems import sample
from train.eval.testset import Clip, read_clip, read_frames, read_testset, write_frames

ROWS = {
    "independent": "frame-independent encoder",
    "zero_gate": "ZeroGate",
    "none": "no sketch",
}


def report(config: AblationConfig, folders: Folders, done: list[Run]) -> str:
    """Sample, measure, write table_sketch and figure_9, and return the section in Markdown."""
    runs = [run for run in done if run.recipe == "sketch"]
    measure = Reconstructor(networks(config))
    found: dict[str, dict[str, list[float]]] = {}
    for clip, systems in sample_clips(config, folders, runs):
        for name, frames in systems.items():
            for key, value in scores(clip, frames, measure).items():
                found.setdefault(key, {}).setdefault(name, []).append(value)
    means: dict[str, Values] = {
        key: {name: [sum(v) / len(v)] for name, v in row.items()} for key, row in found.items()
    }
    table = write_table(folders.out / "table_sketch", ROWS, columns(measure), means)
    _draw(config, folders, runs)
    note = (
        "One sketch, of the middle frame. Lines F: agreement of a frame's edges with the true "
        "frame's lines. Jump: change into and out of the sketched frame over that of the other "
        "frames, divided by the same of the truth; 1 is right."
    )
    title = "## Figure 9: sketches on one frame"
    return f"{title}\n\n{note}\n\n{table}\n![Figure 9: sketch encoders](figure_9.png)\n"


def columns(measure: Reconstructor) -> tuple[Column, ...]:
    """LPIPS by the name of the network that measures it."""
    lpips = measure.columns[-1].title
    return (
        Column(key="lines_at", title="lines F, frame with the sketch", digits=3, better=1),
        Column(key="lines_else", title="lines F, the others", digits=3, better=1),
        Column(key="lpips_at", title=f"{lpips}, frame with the sketch", digits=4, better=-1),
        Column(key="lpips_else", title=f"{lpips}, the others", digits=4, better=-1),
        Column(key="jump", title="jump at the sketch", digits=2, better=0),
    )


def sample_clips(
    config: AblationConfig, folders: Folders, runs: list[Run], limit: int | None = None
) -> Iterator[tuple[Clip, dict[str, Tensor]]]:
    """Clips of the test set and what each system makes of them; kept under sketches/."""
    model, encoders = None, {}
    names = [*(run.variant for run in runs), "none"]
    for folder in read_testset(folders.testset, limit or config.sketch_clips):
        clip = read_clip(folder, config.size)
        where = {name: folders.out / "sketches" / name / clip.name for name in names}
        if model is None and not all(path.is_dir() for path in where.values()):
            model, encoders = _load(config, folders, runs)
        for name, path in where.items():
            if not path.is_dir():
                _write(_make(config, clip, model, encoders.get(name), name), path)
        yield clip, {name: _read(path, clip) for name, path in where.items()}


def _load(config: AblationConfig, folders: Folders, runs: list[Run]) -> tuple[ToonModel, dict]:
    def load(path: Path, kind: str) -> ToonModel | SketchEncoder:
        return toon_core.load(path, device=config.device, dtype=torch.float32, expect=kind)

    encoders = {run.variant: load(folders.result(run), "sketch") for run in runs}
    return load(folders.out / RECTIFIED_BASE / "model.safetensors", "toon"), encoders


def _make(
    config: AblationConfig, clip: Clip, model: ToonModel, encoder: SketchEncoder | None, name: str
) -> Tensor:
    """The clip from its keys, and the middle frame's sketch where there is an encoder."""
    middle = len(clip.frames) // 2
    drawn = 1 - lines(clip)[middle].expand(3, -1, -1)
    how = rectification.sampling(config)
    scale = float(config.sketch.get("scale", 1.0))
    how = replace(how, changes=(*how.changes, ("sketch_scale", scale)))
    clip = replace(clip, sketches={middle: drawn})
    return sample(model, clip, how, encoder, zero_gate=SKETCHES.get(name, False))


def lines(clip: Clip) -> Tensor:
    """XDoG of every true frame, (f 1 h w) in [0, 1], bright on black."""
    return xdog(clip.frames * 2 - 1)


def _write(frames: Tensor, path: Path) -> None:
    unfinished = path.with_name(path.name + ".part")
    shutil.rmtree(unfinished, ignore_errors=True)
    write_frames(frames, unfinished)
    os.replace(unfinished, path)


def _read(path: Path, clip: Clip) -> Tensor:
    return read_frames([path / f"frame_{i:03d}.png" for i in range(len(clip.frames))], clip.size)


def scores(clip: Clip, frames: Tensor, measure: Reconstructor) -> dict[str, float]:
    """On the frame with the sketch and on the other inner ones; NaN-free: frames whose truth has
    no lines are left out."""
    middle, drawn = len(frames) // 2, lines(clip)
    others = [i for i in range(1, len(frames) - 1) if i != middle]
    found = {
        "lines_at": _agreement(frames, drawn, [middle]),
        "lines_else": _agreement(frames, drawn, others),
        "jump": _jump(frames, middle) / max(_jump(clip.frames, middle), 1e-6),
    }
    if measure.lpips is not None:
        distance = measure.distances(frames, clip.frames)
        found |= {
            "lpips_at": float(distance[middle]),
            "lpips_else": float(distance[others].mean()),
        }
    return found


def _agreement(frames: Tensor, drawn: Tensor, numbers: list[int]) -> float:
    found = [
        sketch_agreement(frames[i], drawn[i]).f_score for i in numbers if (drawn[i] > 0.5).any()
    ]
    return sum(found) / len(found) if found else 0.0


def _jump(frames: Tensor, middle: int) -> float:
    """Mean change at the middle frame over that elsewhere."""
    change = (frames[1:] - frames[:-1]).abs().mean(dim=(1, 2, 3))
    at = torch.zeros(len(change), dtype=torch.bool)
    at[[middle - 1, middle]] = True
    return float(change[at].mean() / change[~at].mean().clamp(min=1e-6))


def _draw(config: AblationConfig, folders: Folders, runs: list[Run]) -> None:
    """The truth, its sketch where one was given, and every system."""
    rows: list[tuple[str, Tensor]] = []
    for clip, systems in sample_clips(config, folders, runs, config.figure_clips):
        given = torch.ones_like(clip.frames)
        middle = len(given) // 2
        given[middle] = 1 - lines(clip)[middle]
        truth = f'truth: {clip.name} "{clip.prompt}"'
        rows += [(truth, clip.frames), ("sketch", given), *systems.items()]
    draw_sheet(rows).save(folders.out / "figure_9.png", optimize=True)
