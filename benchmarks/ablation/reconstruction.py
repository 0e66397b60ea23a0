"""Table 4, and figures 8 and 10: how well the decoder variants give held-out clips back."""

from __future__ import annotations

import json
import statistics
from collections.abc import Mapping
from pathlib import Path

from PIL import Image

from benchmarks.ablation.figures import draw_curves
from benchmarks.ablation.plan import DECODERS, AblationConfig, Folders, Run
from benchmarks.ablation.tables import Values, column, write_csv, write_table
from toon_core.metrics.metric import NO_MODEL
from toon_core.metrics.network import Loaded
from toon_core.metrics.registry import networks_in
from train.eval.cache import write_json
from train.eval.output import draw_sheet
from train.eval.scores import Reconstructor, reconstruct
from train.eval.systems import load_autoencoder
from train.eval.tables import frame_means
from train.eval.testset import read_clip, read_testset

Curves = dict[str, list[list[float]]]  # metric -> clips x frames
ROWS = {
    "full": "full decoder",
    "no_pseudo3d": "without pseudo-3D",
    "plain": "without hybrid attention-residual and pseudo-3D",
}
# Paper, table 4, at 256x256. It does not name LPIPS's network; AlexNet is that of the metric's
# authors for figures.
LPIPS = {"full": 0.0204, "no_pseudo3d": 0.0326, "plain": 0.0426}
PAPER = {
    "psnr": {"full": 33.83, "no_pseudo3d": 32.51, "plain": 29.49},
    "ssim": {"full": 0.9450, "no_pseudo3d": 0.9270, "plain": 0.8670},
    "lpips_alex": LPIPS,
    "lpips": LPIPS,
}


def report(config: AblationConfig, folders: Folders, done: list[Run]) -> str:
    """Measure, write table_4, figure_8 and figure_10, and return the section in Markdown."""
    measure = Reconstructor(networks(config))
    columns = [column(metric, PAPER) for metric in measure.columns]
    runs = [run for run in done if run.recipe == "decoder"]
    curves = {run.name: curves_of(config, folders, run, measure) for run in runs}
    found = {c.key: _over_clips(runs, curves, c.key) for c in columns}
    table = write_table(folders.out / "table_4", ROWS, columns, found)
    write_csv(folders.out / "figure_10.csv", _records(runs, curves))
    draw_curves(folders.out / "figure_10.png", _by_frame(runs, curves), ROWS, columns)
    figure(config, folders, runs).save(folders.out / "figure_8.png", optimize=True)
    network = measure.columns[-1].model
    note = f"Held-out clips at {config.size}x{config.size}, encoded and decoded; LPIPS: {network}."
    return (
        f"## Table 4: the decoder\n\n{note}\n\n{table}\n"
        "![Figure 8: decoder variants](figure_8.png)\n\n"
        "![Figure 10: quality over the frame index](figure_10.png)\n"
    )


def networks(config: AblationConfig) -> Loaded:
    """The networks that measure, none with networks=false."""
    return networks_in(Path(config.models), config.device, None if config.networks else ())


def curves_of(config: AblationConfig, folders: Folders, run: Run, measure: Reconstructor) -> Curves:
    """Of every clip and frame, kept beside the run for the networks that measured it."""
    file = folders.out / run.name / "reconstruction.json"
    wanted = {metric.key for metric in measure.columns if metric.model != NO_MODEL}
    if file.is_file() and (kept := json.loads(file.read_text())).keys() == wanted:
        return kept
    vae = load_autoencoder(folders.result(run), config.device)
    clips = (read_clip(folder, config.size) for folder in read_testset(folders.testset))
    scored = [measure.score(vae, clip).over_time for clip in clips]
    curves = {key: [frames[key] for frames in scored] for key in scored[0]}
    write_json(file, curves)
    return curves


def _over_clips(runs: list[Run], curves: Mapping[str, Curves], key: str) -> Values:
    """Variant -> the mean over clips and frames, one a seed."""
    found: dict[str, list[float]] = {}
    for run in runs:
        if key in curves[run.name]:
            rows = curves[run.name][key]
            found.setdefault(run.variant, []).append(statistics.fmean(map(statistics.fmean, rows)))
    return found


def _by_frame(
    runs: list[Run], curves: Mapping[str, Curves]
) -> dict[str, dict[str, list[list[float]]]]:
    """{metric: {variant: means over the clips, seeds x frames}}."""
    found: dict[str, dict[str, list[list[float]]]] = {}
    for run in runs:
        for key, clips in curves[run.name].items():
            found.setdefault(key, {}).setdefault(run.variant, []).append(frame_means(clips))
    return found


def _records(runs: list[Run], curves: Mapping[str, Curves]) -> list[dict[str, object]]:
    """A line a variant, seed and frame."""
    records = []
    for run in runs:
        means = {key: frame_means(clips) for key, clips in curves[run.name].items()}
        for frame in range(len(means["psnr"])):
            values = {key: row[frame] for key, row in means.items()}
            records.append({"variant": run.variant, "seed": run.seed, "frame": frame, **values})
    return records


def figure(config: AblationConfig, folders: Folders, runs: list[Run]) -> Image.Image:
    """The truth and what each variant gives back, of the first seed."""
    first = {run.variant: folders.result(run) for run in runs if run.seed == 0}
    files = {v: first[v] for v in DECODERS if v in first}
    vaes = {v: load_autoencoder(f, config.device) for v, f in files.items()}
    rows = []
    for folder in read_testset(folders.testset, config.figure_clips):
        clip = read_clip(folder, config.size)
        rows.append((f"truth: {clip.name}", clip.frames))
        rows += [(variant, reconstruct(vae, clip)) for variant, vae in vaes.items()]
    return draw_sheet(rows)
