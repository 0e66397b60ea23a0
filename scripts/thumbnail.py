"""A workflow's thumbnail for ComfyUI's template browser: its keys, and what comes between."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from PIL import Image, ImageDraw, ImageFilter, ImageFont, ImageOps

SIZE = (512, 320)
PAPER, INK, PALE, ACCENT = "#fbf8f1", "#2b2a33", "#8c8895", "#e4572e"
CARD, FOUR = (216, 216), 4
TOP, SIDE = 24, 24
SMALL, GAP = 84, 8  # the keys between first and last


def thumbnail(
    keys: Sequence[Path], label: str, lines: bool = False, between: bool = True
) -> Image.Image:
    """keys: two or more pictures, whose first and last stand large. lines: also a line drawing of
    the last one, for workflows with sketches. between: says how many frames come between two keys.
    """
    sheet = Image.new("RGB", SIZE, PAPER)
    pictures = [Image.open(path).convert("RGB") for path in keys]
    _card(sheet, pictures[0], (SIDE, TOP), CARD)
    _card(sheet, pictures[-1], (SIZE[0] - SIDE - CARD[0], TOP), CARD)
    if lines:
        edges = (
            pictures[-1].convert("L").filter(ImageFilter.FIND_EDGES).point(lambda v: 255 - 3 * v)
        )
        _card(sheet, edges.convert("RGB"), (SIZE[0] // 2 - 62, TOP + 80), (124, 124))
    elif between:
        _badge(sheet)
    inner = pictures[1:-1]
    for number, picture in enumerate(inner):
        left = SIZE[0] / 2 + (number - len(inner) / 2) * (SMALL + GAP) + GAP / 2
        _card(sheet, picture, (round(left), TOP + CARD[1] - SMALL + 12), (SMALL, SMALL))
    draw = ImageDraw.Draw(sheet)
    draw.text((SIDE, 258), "ToonTween", INK, ImageFont.load_default(26))
    draw.text((SIDE, 290), label, PALE, ImageFont.load_default(17))
    return sheet


def _card(
    sheet: Image.Image, picture: Image.Image, corner: tuple[int, int], size: tuple[int, int]
) -> None:
    mask = Image.new("L", (FOUR * size[0], FOUR * size[1]))
    edge = (0, 0, mask.width - 1, mask.height - 1)
    ImageDraw.Draw(mask).rounded_rectangle(edge, 14 * FOUR, fill=255)
    fitted = ImageOps.fit(picture, size, Image.Resampling.LANCZOS)
    sheet.paste(fitted, corner, mask.resize(size, Image.Resampling.LANCZOS))
    box = (*corner, corner[0] + size[0] - 1, corner[1] + size[1] - 1)
    ImageDraw.Draw(sheet).rounded_rectangle(box, 14, outline=PAPER, width=2)


def _badge(sheet: Image.Image) -> None:
    """A disc over both keys: fourteen frames go here."""
    large = Image.new("RGBA", (FOUR * 92, FOUR * 92))
    draw = ImageDraw.Draw(large)
    draw.ellipse((0, 0, large.width - 1, large.height - 1), ACCENT, PAPER, 5 * FOUR)
    middle = large.width / 2
    bold = ImageFont.load_default(36 * FOUR)
    draw.text((middle, middle - 8 * FOUR), "14", PAPER, bold, anchor="mm")
    small = ImageFont.load_default(13 * FOUR)
    draw.text((middle, middle + 18 * FOUR), "between", PAPER, small, anchor="mm")
    badge = large.resize((92, 92), Image.Resampling.LANCZOS)
    sheet.paste(badge, (SIZE[0] // 2 - 46, TOP + 62), badge)
