"""Table 4, and figures 8 and 10: how well the decoder variants give held-out clips back."""

from __future__ import annotations

import json
import logging
import statistics
from collections.abc import Mapping
from pathlib import Path

import torch
from einops import rearrange
from PIL import Image
from torch import Tensor

import toon_core
from toon_core.metrics.psnr import psnr
from toon_core.metrics.ssim import ssim
from toon_core.vae.autoencoder import Autoencoder
from train.ablation.curves import draw_curves
from train.ablation.plan import DECODERS, AblateConfig, Places, Run
from train.ablation.tables import Column, Values, write_csv, write_table
from train.eval.clips import Clip, read_clip, read_testset
from train.eval.sheets import draw_sheet, stack
from train.eval.store import write_json
from train.losses.perceptual import Perceptual, perceptual

log = logging.getLogger("toon.ablate")

ROWS = {
    "full": "full decoder",
    "no_pseudo3d": "without pseudo-3D",
    "plain": "without hybrid attention-residual and pseudo-3D",
}
# Paper, table 4, at 256x256.
PAPER = {
    "psnr": {"full": 33.83, "no_pseudo3d": 32.51, "plain": 29.49},
    "ssim": {"full": 0.9450, "no_pseudo3d": 0.9270, "plain": 0.8670},
    "lpips": {"full": 0.0204, "no_pseudo3d": 0.0326, "plain": 0.0426},
}
COLUMNS = (
    Column(key="psnr", title="PSNR", digits=2, better=1, paper=PAPER["psnr"]),
    Column(key="ssim", title="SSIM", digits=4, better=1, paper=PAPER["ssim"]),
    Column(key="lpips", title="LPIPS", digits=4, better=-1, paper=PAPER["lpips"]),
)
Curves = dict[str, list[list[float]]]  # metric -> clips x frames


def report(config: AblateConfig, places: Places, done: list[Run]) -> str:
    """Measure, write table_4, figure_8 and figure_10, and return the section in Markdown."""
    measure = measure_on(config)
    runs = [run for run in done if run.recipe == "decoder"]
    curves = {run.name: measured(config, places, run, measure) for run in runs}
    found = {c.key: _over_clips(runs, curves, c.key) for c in COLUMNS}
    table = write_table(places.out / "table_4", ROWS, COLUMNS, found)
    write_csv(places.out / "figure_10.csv", _records(runs, curves))
    draw_curves(places.out / "figure_10.png", _by_frame(runs, curves), ROWS, COLUMNS)
    figure(config, places, runs).save(places.out / "figure_8.png", optimize=True)
    network = measure.label if measure else "none"
    told = f"Held-out clips at {config.size}x{config.size}, encoded and decoded; LPIPS: {network}."
    return (
        f"## Table 4: the decoder\n\n{told}\n\n{table}\n"
        "![Figure 8: decoder variants](figure_8.png)\n\n"
        "![Figure 10: quality over the frame index](figure_10.png)\n"
    )


def measured(config: AblateConfig, places: Places, run: Run, measure: Perceptual | None) -> Curves:
    """Of every clip and frame, kept beside the run."""
    file = places.out / run.name / "reconstruction.json"
    if file.is_file():
        return json.loads(file.read_text())
    vae = _loaded(config, places.result(run))
    curves: Curves = {}
    for folder in read_testset(places.testset):
        clip = read_clip(folder, config.size)
        for key, values in _scores(reconstructed(vae, clip), clip.frames, measure).items():
            curves.setdefault(key, []).append(values)
    write_json(file, curves)
    return curves


def _loaded(config: AblateConfig, path: Path) -> Autoencoder:
    return toon_core.load(path, device=config.device, dtype=torch.float32, expect="toon").vae


@torch.inference_mode()
def reconstructed(vae: Autoencoder, clip: Clip) -> Tensor:
    """(f 3 h w) in [0, 1], by way of the posterior's mean, as 8-bit values."""
    device = vae.quant_conv.weight.device
    posterior, features = vae.encode_with_features(clip.frames.to(device) * 2 - 1)
    z = rearrange(posterior.mean, "f z h w -> 1 z f h w")
    keys = [rearrange(m[[0, -1]], "k c h w -> 1 c k h w") for m in features]
    out = vae.decode(z, keys if vae.config.references else None)[0]
    return ((out.transpose(0, 1).cpu() + 1) * 127.5).clamp(0, 255).round() / 255


@torch.inference_mode()
def _scores(frames: Tensor, truth: Tensor, measure: Perceptual | None) -> dict[str, list[float]]:
    """Of each frame."""
    found = {"psnr": psnr(frames, truth), "ssim": ssim(frames, truth)}
    if measure is not None:
        found["lpips"] = distances(measure, frames, truth)
    return {key: values.tolist() for key, values in found.items()}


def measure_on(config: AblateConfig) -> Perceptual | None:
    """LPIPS on the ablation's device; None for perceptual=none."""
    measure = perceptual(config.perceptual, config.models)
    return measure and measure.to(config.device)


@torch.inference_mode()
def distances(measure: Perceptual, frames: Tensor, truth: Tensor) -> Tensor:
    """LPIPS of each frame (f 3 h w) in [0, 1]: (f)."""
    device = next(measure.parameters()).device
    return measure.measure(frames.to(device), truth.to(device)).cpu()


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
            found.setdefault(key, {}).setdefault(run.variant, []).append(_frame_means(clips))
    return found


def _frame_means(clips: list[list[float]]) -> list[float]:
    return [statistics.fmean(values) for values in zip(*clips, strict=True)]


def _records(runs: list[Run], curves: Mapping[str, Curves]) -> list[dict[str, object]]:
    """A line a variant, seed and frame."""
    records = []
    for run in runs:
        means = {key: _frame_means(clips) for key, clips in curves[run.name].items()}
        for frame in range(len(means["psnr"])):
            values = {key: row[frame] for key, row in means.items()}
            records.append({"variant": run.variant, "seed": run.seed, "frame": frame, **values})
    return records


def figure(config: AblateConfig, places: Places, runs: list[Run]) -> Image.Image:
    """The truth and what each variant gives back, of the first seed."""
    first = {run.variant: places.result(run) for run in runs if run.seed == 0}
    files = {v: first[v] for v in DECODERS if v in first}
    vaes = {v: _loaded(config, f) for v, f in files.items()}
    sheets = []
    for folder in read_testset(places.testset, config.figure_clips):
        clip = read_clip(folder, config.size)
        rows = {"truth": clip.frames, **{v: reconstructed(vae, clip) for v, vae in vaes.items()}}
        sheets.append(draw_sheet(clip.name, rows))
    return stack(sheets)
