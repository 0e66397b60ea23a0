"""Draws the whole cast again: `python -m cast.build` (rlottie-python, Pillow and NumPy needed).

Writes <name>.json, index.json, keys/, clips/ and sheet.png beside this file, and the example shots.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Sequence
from pathlib import Path

from PIL import Image
from rlottie_python import LottieAnimation

from cast.example import write_examples
from cast.kit.clip import WINDOW, Clip
from cast.kit.lottie import FPS
from cast.puppets import CLIPS

HERE = Path(__file__).resolve().parent
SHEET_FRAMES = 6
THUMB = (160, 100)

log = logging.getLogger("toon.cast")


def render(text: str, frames: Sequence[int]) -> list[Image.Image]:
    """RGB pictures of those frames of a Lottie text."""
    animation = LottieAnimation.from_data(text)
    return [animation.render_pillow_frame(frame_num=f).convert("RGB") for f in frames]


def index() -> dict[str, dict]:
    """What cast/index.json holds: the facts of every clip by name."""
    return {clip.name: clip.facts() for clip in CLIPS}


def write_clip(clip: Clip, folder: Path) -> list[Image.Image]:
    """Writes one clip's files; returns the pictures of its key window."""
    text = clip.lottie()
    (folder / f"{clip.name}.json").write_text(text, encoding="utf-8")
    first, last = clip.keys
    window = render(text, range(first, last + 1))
    for part, picture in (("first", window[0]), ("last", window[-1])):
        picture.save(folder / "keys" / f"{clip.name}_{part}.png", optimize=True)
    window[0].save(
        folder / "clips" / f"{clip.name}.webp",
        save_all=True,
        lossless=True,
        append_images=window[1:],
        duration=round(1000 / FPS),
        loop=0,
        quality=90,
        method=6,
        kmax=0,
    )
    log.info("%s: %d kB", clip.name, len(text) // 1000)
    return window


def sheet(windows: Sequence[Sequence[Image.Image]]) -> Image.Image:
    """One row a clip: frames spread evenly over its key window."""
    picks = [round(k * (WINDOW - 1) / (SHEET_FRAMES - 1)) for k in range(SHEET_FRAMES)]
    page = Image.new("RGB", (THUMB[0] * SHEET_FRAMES, THUMB[1] * len(windows)))
    for row, window in enumerate(windows):
        for col, k in enumerate(picks):
            small = window[k].resize(THUMB, Image.Resampling.LANCZOS)
            page.paste(small, (col * THUMB[0], row * THUMB[1]))
    return page.quantize(256, kmeans=4, dither=Image.Dither.NONE)


def build(folder: Path = HERE) -> None:
    """Writes every file of the cast into folder."""
    for part in ("keys", "clips"):
        (folder / part).mkdir(parents=True, exist_ok=True)
    windows = [write_clip(clip, folder) for clip in CLIPS]
    sheet(windows).save(folder / "sheet.png", optimize=True)
    text = json.dumps(index(), indent=2) + "\n"
    (folder / "index.json").write_text(text, encoding="utf-8")


if __name__ == "__main__":
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    build()
    write_examples(HERE, render)
