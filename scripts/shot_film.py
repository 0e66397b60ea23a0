"""A shot as a moving picture: it plays beside its key drawings, above its exposure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from contact_sheet import ACCENT, INK, PALE, PAPER
from PIL import Image, ImageDraw, ImageFont

LARGE, SMALL, GAP, MARGIN, COLUMNS = 320, 84, 8, 24, 4
BAR = 64  # pixels for the exposure
LEFT = 2 * MARGIN + LARGE
WIDTH = LEFT + COLUMNS * (SMALL + GAP) - GAP + MARGIN
HEIGHT = 2 * MARGIN + LARGE + BAR
QUALITY = 70

Frames = Sequence[Image.Image]


@dataclass(frozen=True)
class Film:
    """frames: of the shot, square or nearly so. keys: which of them are keys. fps: frames a
    second."""

    frames: Frames
    keys: Sequence[int]
    fps: float

    def save(self, file: Path, title: str, note: str) -> None:
        """As WebP, playing again and again."""
        shown = [self.panel(index, title, note) for index in range(len(self.frames))]
        times = [round(1000 * (n + 1) / self.fps) - round(1000 * n / self.fps) for n in self._all]
        options = {"duration": times, "loop": 0, "quality": QUALITY, "method": 4}
        shown[0].save(file, save_all=True, append_images=shown[1:], **options)

    def panel(self, index: int, title: str, note: str) -> Image.Image:
        """One moment."""
        sheet = Image.new("RGB", (WIDTH, HEIGHT), PAPER)
        draw = ImageDraw.Draw(sheet)
        frame = self.frames[index].resize((LARGE, LARGE), Image.Resampling.BICUBIC)
        sheet.paste(frame, (MARGIN, MARGIN))
        draw.text((LEFT, MARGIN - 4), title, INK, ImageFont.load_default(24))
        draw.text((LEFT, MARGIN + 30), note, PALE, ImageFont.load_default(15))
        self._draw_keys(sheet, index)
        self._draw_exposure(draw, index)
        return sheet

    @cached_property
    def drawings(self) -> list[int]:
        """Frames on which a drawing begins, keys among them."""
        pixels = [frame.tobytes() for frame in self.frames]
        return [n for n in self._all if n in self.keys or pixels[n] != pixels[n - 1]]

    @property
    def _all(self) -> range:
        return range(len(self.frames))

    def _draw_keys(self, sheet: Image.Image, index: int) -> None:
        """The two around this moment have a border."""
        before = max(n for n, key in enumerate(self.keys) if key <= index)
        rows = -(-len(self.keys) // COLUMNS)
        top = MARGIN + LARGE - rows * (SMALL + GAP) + GAP
        draw = ImageDraw.Draw(sheet)
        for number, key in enumerate(self.keys):
            row, column = divmod(number, COLUMNS)
            x, y = LEFT + column * (SMALL + GAP), top + row * (SMALL + GAP)
            small = self.frames[key].resize((SMALL, SMALL), Image.Resampling.LANCZOS)
            sheet.paste(small, (x, y))
            if number in (before, before + 1):
                edge = (x - 2, y - 2, x + SMALL + 1, y + SMALL + 1)
                draw.rectangle(edge, outline=ACCENT, width=4 if key == index else 2)

    def _draw_exposure(self, draw: ImageDraw.ImageDraw, index: int) -> None:
        """A stroke for every frame, a dot for every drawing, a diamond for every key."""
        y, step = HEIGHT - MARGIN - 20, (WIDTH - 2 * MARGIN) / len(self.frames)
        for n in self._all:
            x = MARGIN + (n + 0.5) * step
            draw.line((x, y - 4, x, y + 4), PALE if n != index else ACCENT, 1)
            if n in self.keys:
                draw.polygon([(x - 7, y), (x, y - 7), (x + 7, y), (x, y + 7)], ACCENT)
            elif n in self.drawings:
                draw.ellipse((x - 3, y - 3, x + 3, y + 3), INK)
        x = MARGIN + (index + 0.5) * step
        draw.line((x, y - 18, x, y + 18), INK, 2)


def shot_sheet(film: Film, title: str, note: str) -> Image.Image:
    """Every drawing of the shot once, with its frame counted from 1; keys have a border."""
    side, label, columns = 128, 22, 9
    rows = -(-len(film.drawings) // columns)
    top = MARGIN + 52
    size = (
        2 * MARGIN + columns * (side + GAP) - GAP,
        top + rows * (side + label + GAP) - GAP + MARGIN,
    )
    sheet = Image.new("RGB", size, PAPER)
    draw = ImageDraw.Draw(sheet)
    draw.text((MARGIN, MARGIN - 4), title, INK, ImageFont.load_default(26))
    left = MARGIN + draw.textlength(title, ImageFont.load_default(26)) + 18
    draw.text((left, MARGIN + 6), note, PALE, ImageFont.load_default(16))
    for place, n in enumerate(film.drawings):
        row, column = divmod(place, columns)
        x, y = MARGIN + column * (side + GAP), top + row * (side + label + GAP)
        picture = film.frames[n].convert("RGB").resize((side, side), Image.Resampling.LANCZOS)
        sheet.paste(picture, (x, y))
        key = n in film.keys
        if key:
            draw.rectangle((x - 2, y - 2, x + side + 1, y + side + 1), outline=ACCENT, width=3)
        text, color = (f"{n + 1}, key", ACCENT) if key else (str(n + 1), PALE)
        at = (x + side / 2, y + side + label / 2 + 1)
        draw.text(at, text, color, ImageFont.load_default(14), anchor="mm")
    return sheet
