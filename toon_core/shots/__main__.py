"""Render a shot: many keys, each exact on its frame, timed by an exposure sheet.

    python -m toon_core.shots SHEET.json --out DIR [--model FILE] [--device D] [--draft] [--turbo]

Writes frame_0000.png ..., shot.mp4, report.json and takes/ into DIR. Called again, it makes only
what has changed. docs/shots.md tells of the sheet; docs/sheet.schema.json is its schema.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from dataclasses import replace
from pathlib import Path

import torch
from torch import Tensor

from .. import load
from ..presets import turbo
from ..recipe import Recipe
from ..weights.errors import WeightsError
from .drawings import Drawings
from .identity import file_digest
from .pipelined import PipelineMaker
from .promote import promote
from .reading import read_sheet
from .render import frame_name, render
from .sheet import Key, Sheet
from .shot import Shot, made_by
from .takes import Takes, write_whole

NANO = Path(__file__).resolve().parents[2] / "weights" / "nano.safetensors"
NANO_SKETCH = NANO.with_name("nano_sketch.safetensors")


def read_options(arguments: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m toon_core.shots", description=__doc__.split("\n")[0]
    )
    parser.add_argument("sheet", type=Path, help="the exposure sheet, a JSON file")
    parser.add_argument(
        "--out", type=Path, required=True, help="a folder for frames, movie, report and takes"
    )
    parser.add_argument("--model", type=Path, default=NANO, help="a model file (default: nano)")
    parser.add_argument(
        "--sketch-encoder", type=Path, help="the model's sketch encoder (nano: its own)"
    )
    parser.add_argument(
        "--input", type=Path, help="a folder that also has pictures, such as ComfyUI's input"
    )
    parser.add_argument("--device", default="cpu", help="cpu, cuda, cuda:1, mps (default: cpu)")
    parser.add_argument(
        "--dtype", choices=("fp32", "fp16", "bf16"), default="fp32", help="of the weights"
    )
    parser.add_argument("--draft", action="store_true", help="a quick pass: fewer steps, smaller")
    parser.add_argument(
        "--turbo", action="store_true", help="shortcuts that make near the same frames faster"
    )
    parser.add_argument(
        "--keep-still",
        choices=("on", "off"),
        help="where both keys show the same, keep their very pixels (default: the model's own)",
    )
    parser.add_argument(
        "--best", action="store_true", help="of several takes show the one that jumps least"
    )
    parser.add_argument(
        "--list-takes", action="store_true", help="list the takes in DIR, render nothing"
    )
    parser.add_argument(
        "--clear-takes",
        action="store_true",
        help="remove the takes in DIR that this model and recipe have made and the sheet no longer "
        "wants, render nothing; those of drafts, turbo and other models stay",
    )
    parser.add_argument(
        "--promote",
        type=int,
        metavar="FRAME",
        help="write a copy of the sheet with this rendered frame as a breakdown, render nothing",
    )
    return parser.parse_args(arguments)


def draft(recipe: Recipe) -> Recipe:
    """A third of the steps, half the sides."""
    sides = {name: max(getattr(recipe, name) // 128, 1) * 64 for name in ("height", "width")}
    return replace(recipe, steps=max(recipe.steps // 3, 2), **sides)


def make_maker(options: argparse.Namespace, sheet: Sheet) -> PipelineMaker:
    dtype = {"fp32": torch.float32, "fp16": torch.float16, "bf16": torch.bfloat16}[options.dtype]
    device = usable(options.device)
    model = load(options.model, dtype=dtype, expect="toon").to(device).eval()
    if options.dtype == "fp16":
        model.vae.float()  # decoders of this family overflow in it
    notes = options.out / "takes" / "models.json"
    identity = f"{file_digest(options.model, notes)} {options.dtype}"
    encoder, encoder_identity = None, ""
    if sheet.sketches:
        file = options.sketch_encoder or (NANO_SKETCH if options.model == NANO else None)
        if file is None:
            raise ValueError("the sheet has sketches: give the model's --sketch-encoder")
        encoder = load(file, dtype=dtype, expect="sketch").to(device).eval()
        encoder_identity = file_digest(file, notes)
    recipe = turbo(model.config.recipe) if options.turbo else model.config.recipe
    recipe = draft(recipe) if options.draft else recipe
    if options.keep_still:
        recipe = replace(recipe, keep_still=options.keep_still == "on")
    return PipelineMaker(model, recipe, identity, encoder, encoder_identity)


def usable(name: str) -> torch.device:
    """ValueError for a device that this torch does not have."""
    try:
        return torch.empty(0, device=name).device
    except (RuntimeError, AssertionError, NotImplementedError) as error:
        why = str(error).partition("\n")[0]
        raise ValueError(f"--device={name}: this torch cannot use it ({why}); give cpu") from error


class Telling:
    """The state of the work in the terminal, with the time that is left."""

    def __init__(self) -> None:
        self._begin = time.monotonic()
        self._last = ""

    def __call__(self, part: float, key: Key, x0: Tensor | None) -> None:
        gone = time.monotonic() - self._begin
        left = f", {gone / part * (1 - part):.0f} s left" if part > 0.02 else ""
        line = f"{100 * part:3.0f} %  from key {key.id!r}{left}"
        if line != self._last:
            end = "\r" if sys.stderr.isatty() else "\n"
            print(line.ljust(60), end=end, file=sys.stderr, flush=True)
            self._last = line


def list_takes(takes: Takes) -> None:
    for name, size, made in takes.described():
        told = f"seed {made.get('seed')}  {str(made.get('prompt', ''))[:60]!r}"
        print(f"{name}  {size / 1e6:.1f} MB  {told if made else 'damaged, or no take'}")


def clear_takes(takes: Takes, shot: Shot, maker: PipelineMaker) -> None:
    locked = {s.lock for s in shot.sheet.segments if s.lock}
    wanted = {name for names in shot.takes.values() for name in names}
    own = made_by(maker).items()
    others = {name for name, _, made in takes.described() if not own <= made.items()}
    removed = takes.clear(locked | wanted | others)
    print(f"{len(removed)} takes removed, {len(takes.names())} kept")


def promote_frame(options: argparse.Namespace, sheet: Sheet) -> None:
    """Write a copy of the sheet, and the picture, beside it."""
    frame, stem = options.promote, options.sheet.stem
    rendered = options.out / frame_name(frame)
    if not rendered.is_file():
        raise ValueError(f"{rendered} is not there: render the shot first")
    picture = options.sheet.with_name(f"{stem}_{frame_name(frame)}")
    copy = options.sheet.with_name(f"{stem}_{frame:04d}.json")
    promoted = promote(sheet, frame, picture.name)
    for path in (picture, copy):
        if path.exists():
            raise ValueError(f"{path} is there already: move it away first")
    write_whole(picture, rendered.read_bytes())
    write_whole(copy, json.dumps(promoted.to_json(), indent=1).encode())
    print(f"frame {frame} is a breakdown in {copy}")


def main(arguments: list[str]) -> None:
    options = read_options(arguments)
    takes = Takes(options.out / "takes")
    if options.list_takes:
        return list_takes(takes)
    sheet = read_sheet(options.sheet)
    if options.promote is not None:
        return promote_frame(options, sheet)
    drawings = Drawings([options.sheet.resolve().parent, *filter(None, [options.input])])
    drawings.check(sheet)
    maker = make_maker(options, sheet)
    shot = Shot.of(sheet, drawings, maker, dense=not options.draft)
    if options.clear_takes:
        return clear_takes(takes, shot, maker)
    said = [(s.key.id, text) for s in shot.plan.segments if s.drawn for text in shot.before(s)]
    for key, text in said:
        print(f"from {key!r}: {text}", flush=True)
    report = render(shot, maker, takes, options.out, Telling(), options.best)
    for note in report["notes"]:
        print(note)
    for segment in report["segments"]:
        for warning in segment["warnings"]:
            if (segment["from"], warning) not in said:
                print(f"from {segment['from']!r}: {warning}")
    sampled = ", ".join(report["sampled"]) or "nothing"
    print(f"{report['frames']} frames in {options.out}; sampled: {sampled}")


if __name__ == "__main__":
    try:
        main(sys.argv[1:])
    except (ValueError, WeightsError, OSError) as error:
        sys.exit(f"error: {error}")
