"""Score interpolation systems on a test set: results.json, table.md and contact sheets.

    python -m train.evaluate --testset DIR --system nano --system crossfade --out OUT

DIR holds one folder per clip with frame_000.png, frame_001.png, ...; the first and the last are
the keys, the frames between are the truth. An interrupted run goes on where it stopped.
"""

import argparse
import os
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path

from PIL import Image
from tqdm import tqdm

from train.eval.bench import ClipScores, Settings, open_bench, score_parallel
from train.eval.clips import Clip, read_clip, read_testset
from train.eval.columns import Measure
from train.eval.report import Run, Scores, markdown, summarise, truth_means
from train.eval.scores import Scored
from train.eval.sheets import draw_sheet, pick, stack
from train.eval.store import Store, write_json
from train.eval.systems import Spec, read_recipe, read_spec

DEFAULT_SYSTEMS = ("nano", "crossfade", "nearest", "rife")


def _workers() -> int:
    """Two at most unless asked for: each process holds all networks."""
    return min(2, os.cpu_count() or 1)


def parse(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m train.evaluate",
        description="Score interpolation systems on held-out clips.",
    )
    add = parser.add_argument
    add("--testset", type=Path, required=True, help="folder with one folder of frames per clip")
    add("--out", type=Path, required=True, help="folder for the results, made if needed")
    add(
        "--system",
        action="append",
        metavar="[LABEL=]SYSTEM",
        help="nano, crossfade, nearest, rife, a checkpoint file, or a folder of frames made "
        f"elsewhere; repeat for several (default: {' '.join(DEFAULT_SYSTEMS)})",
    )
    add("--seed", type=int, default=123, help="the one seed every clip is made with")
    add(
        "--recipe",
        nargs="+",
        default=[],
        metavar="KEY=VALUE",
        help="how our checkpoints sample, where not as released, as steps=25 cfg_scale=4",
    )
    add("--limit", type=int, help="score the first N clips only")
    add("--size", type=int, default=128, help="shorter side of the clips in pixels")
    add("--device", default="cpu", help="where networks run, as cuda (default: cpu)")
    add("--workers", type=int, default=_workers(), help="processes (default: %(default)s)")
    add("--models", type=Path, default=Path("models"), help="folder of networks that measure")
    add(
        "--kvd-kernel",
        choices=("polynomial", "gaussian"),
        default="polynomial",
        help="kernel of KVD (default: %(default)s, as published)",
    )
    add("--every-frame", action="store_true", help="networks look at all inner frames")
    options = parser.parse_args(arguments)
    for name, least in (("limit", 1), ("size", 16), ("workers", 1)):
        value = getattr(options, name)
        if value is not None and value < least:
            parser.error(f"--{name} {value} is too small; give at least {least}")
    return options


def evaluate(
    systems: Sequence[str],
    testset: Path,
    settings: Settings,
    *,
    limit: int | None = None,
    workers: int = 1,
) -> dict[str, object]:
    """Score the systems and write everything into settings.out; returns what results.json holds.

    ValueError for a bad test set, an unknown system or two of one name, before long work.
    """
    folders = read_testset(testset, limit)
    specs = _specs(systems)
    if workers > 1:
        scored = score_parallel(specs, settings, folders, min(workers, len(folders)))
    else:
        scored = map(open_bench(specs, settings).score, folders)
    names = " ".join(spec.name for spec in specs)
    return report(testset, folders, tqdm(scored, names, len(folders), unit="clip"), settings)


def report(
    testset: Path, folders: Sequence[Path], scored: Iterable[ClipScores], settings: Settings
) -> dict[str, object]:
    """Write results.json, clips.json, table.md and the sheets from the clips' scores."""
    clips = sorted(scored, key=lambda clip: clip.name)
    truth = {clip.name: clip.truth for clip in clips}
    scores: Scores = {
        system: {clip.name: clip.systems[system] for clip in clips} for system in clips[0].systems
    }
    run = Run(
        testset=testset.resolve().name,
        clips=len(clips),
        frames=clips[0].frames,
        size=settings.size,
        recipe=settings.recipe,
        measure=settings.measure(),
        truth=truth_means(truth),
    )
    summary = summarise(scores, truth, run.measure)
    results = {"systems": summary, "seed": run.recipe.seed, "size": run.size}
    write_json(settings.out / "results.json", results)
    write_json(settings.out / "clips.json", _values(scores))
    (settings.out / "table.md").write_text(markdown(summary, run), encoding="utf-8")
    _write_sheets(folders, scores, settings, run.measure)
    return results


def _values(scores: Scores) -> dict[str, dict[str, dict[str, float]]]:
    return {s: {name: c.values for name, c in clips.items()} for s, clips in scores.items()}


def _specs(systems: Sequence[str]) -> list[Spec]:
    specs = [read_spec(system) for system in systems]
    names = [spec.name for spec in specs]
    if len(set(names)) < len(names):
        raise ValueError(f"two systems have one name in {names}; write LABEL=SYSTEM for one")
    return specs


def _write_sheets(
    folders: Sequence[Path], scores: Scores, settings: Settings, measure: Measure
) -> None:
    """Best, median and worst clips by the perceptual distance of the first system."""
    paths = {folder.name: folder for folder in folders}
    store = Store(settings.out, settings.recipe)
    ranked = next(iter(scores.values()))
    groups = pick({name: _distance(scored, measure) for name, scored in ranked.items()})
    for group, names in groups.items():
        clips = [read_clip(paths[name], settings.size) for name in names]
        sheets = [_sheet(clip, group, scores, store, measure) for clip in clips]
        stack(sheets).save(settings.out / f"sheet_{group}.png", optimize=True)


def _distance(scored: Scored, measure: Measure) -> float:
    """LPIPS, or where no network is there what SSIM lacks."""
    return scored.values.get(measure.perceptual, 1 - scored.values["ssim"])


def _sheet(clip: Clip, group: str, scores: Scores, store: Store, measure: Measure) -> Image.Image:
    rows = {"truth": clip.frames}
    for system, clips in scores.items():
        values = clips[clip.name].values
        shown = [m for m in measure.columns() if m.key in (measure.perceptual, "psnr")]
        found = [f"{m.title} {values[m.key]:.{m.digits}f}" for m in shown if m.key in values]
        rows["\n".join([system, *found])] = store.frames(clip, system)
    prompt = f' "{clip.prompt}"' if clip.prompt else ""
    return draw_sheet(f"{clip.name}{prompt} ({group} of {next(iter(scores))})", rows)


def main(arguments: Sequence[str] | None = None) -> None:
    options = parse(arguments)
    specs = options.system or DEFAULT_SYSTEMS
    try:
        settings = Settings(
            out=options.out,
            recipe=read_recipe(options.recipe, options.seed),
            size=options.size,
            device=options.device,
            models=options.models,
            kernel=options.kvd_kernel,
            every_frame=options.every_frame,
        )
        evaluate(specs, options.testset, settings, limit=options.limit, workers=options.workers)
    except ValueError as error:
        sys.exit(f"error: {error}")
    print((options.out / "table.md").read_text(encoding="utf-8"))
    print(f"results, table and contact sheets: {options.out}")


if __name__ == "__main__":
    main()
