"""The pack's icon and banner in ComfyUI's registry, drawn from keys of the project's own cast.

    .venv/bin/python scripts/registry_pictures.py

docs/icon.png (400 x 400) and docs/banner.png (21 : 9).
"""

from __future__ import annotations

from pathlib import Path

from contact_sheet import ACCENT, INK, PALE, PAPER
from PIL import Image, ImageDraw, ImageFont, ImageOps

ROOT = Path(__file__).resolve().parents[1]
KEYS = ROOT / "cast" / "keys"
ICON, BANNER = 400, (1260, 540)
FINE = 4  # edges are drawn so many times larger


def key(name: str, size: tuple[int, int]) -> Image.Image:
    picture = Image.open(KEYS / f"{name}.png").convert("RGB")
    return ImageOps.fit(picture, size, Image.Resampling.LANCZOS)


def mask(size: tuple[int, int], radius: int) -> Image.Image:
    large = Image.new("L", (size[0] * FINE, size[1] * FINE))
    box = (0, 0, large.width - 1, large.height - 1)
    ImageDraw.Draw(large).rounded_rectangle(box, radius * FINE, fill=255)
    return large.resize(size, Image.Resampling.LANCZOS)


def pill(width: int, height: int, count: int) -> Image.Image:
    """A pill with a dot for each frame between."""
    large = Image.new("RGBA", (width * FINE, height * FINE))
    draw = ImageDraw.Draw(large)
    box = (0, 0, large.width - 1, large.height - 1)
    draw.rounded_rectangle(box, large.height // 2, ACCENT, PAPER, large.height // 12)
    size = large.height * 0.13
    for index in range(count):
        x, y = large.width * (index + 1) / (count + 1), large.height / 2
        draw.ellipse((x - size, y - size, x + size, y + size), PAPER)
    return large.resize((width, height), Image.Resampling.LANCZOS)


def icon() -> Image.Image:
    """Both keys as cards, the last in front."""
    whole = Image.new("RGBA", (ICON, ICON))
    whole.paste(ACCENT, (0, 0), mask((ICON, ICON), 72))
    card, edge = (236, 236), 10
    for name, corner in (("owl_turn_first", (34, 34)), ("owl_turn_last", (130, 130))):
        frame = tuple(side + 2 * edge for side in card)
        whole.paste(PAPER, tuple(at - edge for at in corner), mask(frame, 34))
        whole.paste(key(name, card), corner, mask(card, 26))
    return whole


def banner() -> Image.Image:
    sheet = Image.new("RGB", BANNER, PAPER)
    card, top = (520, 325), 40
    for name, left in (("girl_wave_first", 60), ("girl_wave_last", BANNER[0] - 60 - card[0])):
        sheet.paste(key(name, card), (left, top), mask(card, 24))
    middle = pill(330, 84, 7)
    place = ((BANNER[0] - middle.width) // 2, top + (card[1] - middle.height) // 2)
    sheet.paste(middle, place, middle)
    draw = ImageDraw.Draw(sheet)
    draw.text((60, 392), "ToonTween", INK, ImageFont.load_default(64))
    line = "Cartoon in-betweens for ComfyUI: two key frames in, the frames between them out."
    draw.text((62, 474), line, PALE, ImageFont.load_default(25))
    return sheet


if __name__ == "__main__":
    icon().save(ROOT / "docs" / "icon.png", optimize=True)
    banner().save(ROOT / "docs" / "banner.png", optimize=True)
