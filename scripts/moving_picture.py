"""nano beside other ways on the cast: a moving picture of three clips, and a sheet of all.

    .venv/bin/python scripts/moving_picture.py [--clips NAME ...]

docs/nano/clips.webp plays clips of the project's own cast: both keys, nano's frames, and beside
them a cross-fade of the keys, RIFE, and the true frames. docs/cast.jpg has every clip of the cast,
so that nobody takes the chosen ones for the rule. One seed, the released one.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

import torch
from PIL import Image, ImageDraw, ImageFont
from torch import Tensor

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "benchmarks")]

from contact_sheet import ACCENT, INK, PALE, PAPER  # noqa: E402
from nano_cast import frames  # noqa: E402

from train.eval.systems import (  # noqa: E402
    NANO,
    Checkpoint,
    Sampling,
    baseline,  # noqa: E402
    run_system,
)
from train.eval.testset import Clip  # noqa: E402

CLIPS = ("girl_wave", "cat_stretch", "owl_turn")
LABELS = {
    "nano": "ToonTween, nano",
    "crossfade": "cross-fade",
    "rife": "RIFE",
    "true": "true frames",
}
HOLD, STEP = 700, 110  # milliseconds: a key, and a frame between
KEY, LARGE, SMALL, GAP, MARGIN, TEXT = 112, 256, 176, 20, 24, 26
QUALITY = 80
SHEET_FRAMES = (0, 2, 4, 6, 8, 10, 12, 15)

Pictures = list[Image.Image]


def results(name: str, systems: dict) -> dict[str, Pictures]:
    """Label -> all frames of a clip of the cast, ends included."""
    index = json.loads((ROOT / "cast" / "index.json").read_text(encoding="utf-8"))
    true = frames(name)
    entry = index[name]
    clip = Clip(name=name, frames=true, prompt=entry["prompt"], fps=entry["fps"], sketches={})
    made = {key: run_system(system, clip, Sampling()) for key, system in systems.items()}
    return {LABELS[key]: pictures(video) for key, video in [*made.items(), ("true", true)]}


def pictures(video: Tensor) -> Pictures:
    """(f 3 h w) in [0, 1] to images."""
    values = (video.clamp(0, 1) * 255).round().to(torch.uint8).permute(0, 2, 3, 1).numpy()
    return [Image.fromarray(frame) for frame in values]


def panel(made: dict[str, Pictures], index: int) -> Image.Image:
    """One moment of the moving picture: the keys, nano large, the others small."""
    ours, *others = made
    last = len(made[ours]) - 1
    width = 2 * MARGIN + KEY + LARGE + len(others) * (SMALL + GAP) + GAP
    sheet = Image.new("RGB", (width, 2 * MARGIN + LARGE + 2 * TEXT), PAPER)
    top, bottom = MARGIN, MARGIN + LARGE + TEXT
    low = bottom - TEXT - KEY
    _place(sheet, made[ours][0], (MARGIN, top), KEY, "first key", index == 0)
    _place(sheet, made[ours][-1], (MARGIN, low), KEY, "last key", index == last)
    left = MARGIN + KEY + GAP
    _place(sheet, made[ours][index], (left, top), LARGE, ours, True)
    left += LARGE + GAP
    for label in others:
        high = top + (LARGE - SMALL) // 2
        _place(sheet, made[label][index], (left, high), SMALL, label, False)
        left += SMALL + GAP
    _progress(ImageDraw.Draw(sheet), (MARGIN + KEY + GAP, bottom + 8, width - MARGIN), index, last)
    return sheet


def _place(
    sheet: Image.Image, frame: Image.Image, corner: tuple[int, int], side: int, text: str, on: bool
) -> None:
    draw = ImageDraw.Draw(sheet)
    sheet.paste(frame.resize((side, side), Image.Resampling.BICUBIC), corner)
    box = (corner[0] - 2, corner[1] - 2, corner[0] + side + 1, corner[1] + side + 1)
    draw.rectangle(box, outline=ACCENT if on else PAPER, width=2)
    middle = (corner[0] + side / 2, corner[1] + side + TEXT / 2 + 1)
    draw.text(middle, text, INK if on else PALE, ImageFont.load_default(15), anchor="mm")


def _progress(draw: ImageDraw.ImageDraw, line: tuple[int, int, int], index: int, last: int) -> None:
    """A dot for every frame, the keys' larger, and which one is shown."""
    left, top, right = line
    right -= 130
    for dot in range(last + 1):
        x, size = left + 8 + dot * (right - left) / last, 6 if dot in (0, last) else 4
        color = ACCENT if dot == index else PALE
        draw.ellipse((x - size, top + 8 - size, x + size, top + 8 + size), color)
    text = "first key" if index == 0 else "last key" if index == last else f"between {index}"
    draw.text((right + 26, top + 8), text, INK, ImageFont.load_default(15), anchor="lm")


def play(clips: list[dict[str, Pictures]], file: Path) -> None:
    shown, times = [], []
    for made in clips:
        count = len(next(iter(made.values())))
        shown += [panel(made, index) for index in range(count)]
        times += [HOLD, *[STEP] * (count - 2), HOLD]
    options = {"duration": times, "loop": 0, "quality": QUALITY, "method": 6}
    shown[0].save(file, save_all=True, append_images=shown[1:], **options)


def sheet(clips: dict[str, dict[str, Pictures]]) -> Image.Image:
    """A row of frames for every clip and system."""
    side, head = 88, 140
    rows = [(name, label, made[label]) for name, made in clips.items() for label in made]
    picture = Image.new("RGB", (head + side * len(SHEET_FRAMES), side * len(rows)), PAPER)
    draw = ImageDraw.Draw(picture)
    for row, (name, label, video) in enumerate(rows):
        draw.text((10, side * row + 32), name, PALE, ImageFont.load_default(15))
        draw.text((10, side * row + 50), label, INK, ImageFont.load_default(15))
        for column, index in enumerate(SHEET_FRAMES):
            small = video[index].resize((side, side), Image.Resampling.LANCZOS)
            picture.paste(small, (head + side * column, side * row))
    return picture


def main(arguments: list[str]) -> None:
    names = sorted(path.stem for path in (ROOT / "cast" / "clips").glob("*.webp"))
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--clips", nargs="+", default=list(CLIPS), choices=names)
    parser.add_argument("--out", type=Path, default=ROOT / "docs")
    options = parser.parse_args(arguments)
    systems = {"nano": Checkpoint("nano", NANO)}
    systems |= {name: baseline(name, name, "cpu") for name in ("crossfade", "rife")}
    made = {name: results(name, systems) for name in names}
    play([made[name] for name in options.clips], options.out / "nano" / "clips.webp")
    sheet(made).save(options.out / "cast.jpg", quality=74, optimize=True)
    for name in ("nano/clips.webp", "cast.jpg"):
        print(f"{options.out / name}: {(options.out / name).stat().st_size / 1e6:.2f} MB")


if __name__ == "__main__":
    main(sys.argv[1:])
