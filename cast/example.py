"""The shots of Toon Example Shot: key drawings of the cast and a sound, in js/example/, from where
the page shows them too."""

from __future__ import annotations

import json
import wave
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from PIL import Image

SIDE = 320  # pixels: the square in which everything moves
RATE = 16_000  # samples a second
PLACE = Path(__file__).resolve().parents[1] / "js" / "example"

Draw = Callable[[str, Sequence[int]], list[Image.Image]]  # Lottie text and frames -> RGB pictures


class Example(NamedTuple):
    """drawings: frames of a clip of the cast. notes: (second, hertz) of its sound."""

    clip: str
    drawings: tuple[int, ...]
    notes: tuple[tuple[float, float], ...]


EXAMPLES = {
    "wave": Example(
        "girl_wave",
        (8, 12, 16, 24, 28, 36),
        # A step up at every key, and a falling third where the arm is held.
        ((0.0, 392), (0.42, 440), (0.75, 523), (1.08, 659), (1.33, 523), (2.0, 587), (2.42, 784)),
    ),
    "dance": Example(  # whose 24 frames come back to the first
        "robot_dance",
        (0, 4, 8, 12, 16, 20),
        ((0.0, 262), (0.25, 392), (0.375, 392), (0.5, 294), (0.75, 440), (0.875, 440)),
    ),
}


def write_examples(cast: Path, draw: Draw, place: Path = PLACE) -> None:
    """cast: the folder of the Lottie files. Each example gets 0.png, 1.png ... and sound.wav;
    its sheet.json is written by hand."""
    for name, example in EXAMPLES.items():
        folder = place / name
        folder.mkdir(parents=True, exist_ok=True)
        text = (cast / f"{example.clip}.json").read_text(encoding="utf-8")
        for number, picture in enumerate(draw(text, example.drawings)):
            left = (picture.width - SIDE) // 2
            square = picture.crop((left, 0, left + SIDE, SIDE))
            square.save(folder / f"{number}.png", optimize=True)
        sheet = json.loads((folder / "sheet.json").read_text(encoding="utf-8"))
        write_sound(folder / "sound.wav", example.notes, sheet["length"] / sheet["fps"])


def write_sound(path: Path, notes: Sequence[tuple[float, float]], seconds: float) -> None:
    """Notes as of a marimba, 16 bits, mono."""
    times = np.arange(round(seconds * RATE)) / RATE
    sound = np.zeros_like(times)
    for begin, pitch in notes:
        t = np.maximum(times - begin, 0)
        for partial, loudness, decay in ((1, 0.5, 5.0), (3.98, 0.12, 14.0), (9.2, 0.04, 30.0)):
            tone = np.sin(2 * np.pi * pitch * partial * t) * np.exp(-decay * t)
            sound += loudness * (times >= begin) * tone
    sound *= 0.7 / np.abs(sound).max()
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(RATE)
        file.writeframes((sound * 32767).round().astype("<i2").tobytes())
