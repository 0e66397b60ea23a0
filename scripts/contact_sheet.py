"""A contact sheet of one interpolation: both keys large at the sides, the in-betweens between."""

from __future__ import annotations

from PIL import Image, ImageDraw, ImageFont

PAPER, INK, PALE, ACCENT = "#fbf8f1", "#2b2a33", "#8c8895", "#e4572e"
GAP, MARGIN, LABEL = 12, 36, 30
CELL_HEIGHT = 150
ROWS = 2
FOUR = 4


def contact_sheet(frames: list[Image.Image], title: str, note: str = "") -> Image.Image:
    """frames: first key, in-betweens, last key, all of one size (at least 3).

    title and note stand above the pictures, bold and pale.
    """
    if len(frames) < 3:
        raise ValueError(f"a contact sheet needs at least 3 frames, got {len(frames)}")
    columns = -(-(len(frames) - 2) // ROWS)
    cell = _fit(frames[0].size, CELL_HEIGHT)
    key = _fit(frames[0].size, ROWS * CELL_HEIGHT + (ROWS - 1) * (GAP + LABEL))
    width = 2 * (MARGIN + key[0] + 2 * GAP) + columns * (cell[0] + GAP) - GAP
    top = MARGIN + 56
    sheet = Image.new("RGB", (width, top + key[1] + LABEL + MARGIN), PAPER)
    draw = ImageDraw.Draw(sheet)
    _heading(draw, title, note)
    _place(sheet, frames[0], (MARGIN, top), key, "first key", ACCENT)
    _place(sheet, frames[-1], (width - MARGIN - key[0], top), key, "last key", ACCENT)
    for index, frame in enumerate(frames[1:-1]):
        row, column = divmod(index, columns)
        left = MARGIN + key[0] + 2 * GAP + column * (cell[0] + GAP)
        corner = (left, top + row * (cell[1] + GAP + LABEL))
        _place(sheet, frame, corner, cell, str(index + 1), PALE)
    return sheet


def _fit(size: tuple[int, int], height: int) -> tuple[int, int]:
    return round(size[0] * height / size[1]), height


def _heading(draw: ImageDraw.ImageDraw, title: str, note: str) -> None:
    draw.text((MARGIN, MARGIN - 6), title, INK, ImageFont.load_default(28))
    left = MARGIN + draw.textlength(title, ImageFont.load_default(28)) + 18
    draw.text((left, MARGIN + 6), note, PALE, ImageFont.load_default(16))


def _place(
    sheet: Image.Image,
    frame: Image.Image,
    corner: tuple[int, int],
    size: tuple[int, int],
    label: str,
    color: str,
) -> None:
    """One picture with rounded corners, a thin line around it and its label below."""
    picture = frame.convert("RGB").resize(size, Image.Resampling.LANCZOS)
    box = (0, 0, size[0] - 1, size[1] - 1)
    large = Image.new("L", (FOUR * size[0], FOUR * size[1]))
    outline = [FOUR * edge for edge in (0, 0, *size)]
    ImageDraw.Draw(large).rounded_rectangle(outline, 8 * FOUR, fill=255)
    sheet.paste(picture, corner, large.resize(size, Image.Resampling.LANCZOS))
    draw = ImageDraw.Draw(sheet)
    moved = [edge + corner[index % 2] for index, edge in enumerate(box)]
    draw.rounded_rectangle(moved, 8, outline=color, width=2 if color == ACCENT else 1)
    middle = (corner[0] + size[0] / 2, corner[1] + size[1] + LABEL / 2)
    draw.text(middle, label, color, ImageFont.load_default(16), anchor="mm")
