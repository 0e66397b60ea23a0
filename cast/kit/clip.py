"""What a clip is: facts for the index and a drawing function."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from cast.kit.lottie import FPS, bake
from cast.kit.motion import FRAMES
from cast.kit.sheet import Sheet

WINDOW = 16


@dataclass(frozen=True, kw_only=True)
class Clip:
    """One clip of the cast. first: the frame where its 16-frame key window starts."""

    name: str
    title: str
    prompt: str
    motions: tuple[str, ...]
    first: int
    draw: Callable[[Sheet, int], None]

    @property
    def keys(self) -> tuple[int, int]:
        return self.first, self.first + WINDOW - 1

    def lottie(self) -> str:
        """The whole clip as Lottie JSON text."""
        frames = []
        for f in range(FRAMES):
            sheet = Sheet()
            self.draw(sheet, f)
            frames.append(sheet.slots)
        return bake(frames, self.name)

    def facts(self) -> dict:
        return {
            "file": f"{self.name}.json",
            "prompt": self.prompt,
            "fps": FPS,
            "frames": FRAMES,
            "keys": list(self.keys),
            "title": self.title,
            "motions": list(self.motions),
        }
