"""Contact sheets (the truth and every system below it, frame by frame, keys marked), and strips: a
clip as one picture that a page can play."""

import base64
import io

from PIL import Image, ImageDraw, ImageFont
from torch import Tensor

from .clips import pixels

CELL = 128
GAP = 4
LABEL = 132
HEADER = 22
INK, PAPER, KEY = (30, 30, 30), (255, 255, 255), (214, 60, 40)
COLUMNS = 4  # frames of a strip side by side: WebP ends at 16383 pixels


def pick(distances: dict[str, float], count: int = 3) -> dict[str, list[str]]:
    """Clips with the least, the middle and the greatest distance, each group best first.

    With few clips a clip can be in more than one group.
    """
    order = sorted(distances, key=lambda name: (distances[name], name))
    start = max(0, (len(order) - count) // 2)
    return {
        "best": order[:count],
        "median": order[start : start + count],
        "worst": order[-count:],
    }


def draw_sheet(title: str, rows: dict[str, Tensor]) -> Image.Image:
    """One clip: rows {label: frames (f 3 h w) in [0, 1]}; labels may have several lines.

    The first and last column are the keys and are framed.
    """
    frames = next(iter(rows.values()))
    count, width, height = len(frames), *_cell(frames)
    sheet = Image.new(
        "RGB",
        (LABEL + count * (width + GAP), 2 * HEADER + len(rows) * (height + GAP)),
        PAPER,
    )
    draw = ImageDraw.Draw(sheet)
    draw.text((GAP, 3), title, INK, font=ImageFont.load_default(15))
    for column in range(count):
        is_key = column in (0, count - 1)
        text, colour = (f"{column} key", KEY) if is_key else (str(column), INK)
        x = LABEL + column * (width + GAP)
        draw.text((x + 2, HEADER + 4), text, colour, font=ImageFont.load_default(13))
    for row, (label, images) in enumerate(rows.items()):
        y = 2 * HEADER + row * (height + GAP)
        draw.multiline_text((GAP, y + GAP), label, INK, font=ImageFont.load_default(13))
        for column, image in enumerate(pixels(images)):
            x, picture = LABEL + column * (width + GAP), Image.fromarray(image)
            if picture.size != (width, height):
                picture = picture.resize((width, height), Image.Resampling.LANCZOS)
            sheet.paste(picture, (x, y))
            if column in (0, count - 1):
                draw.rectangle((x, y, x + width - 1, y + height - 1), outline=KEY, width=2)
    return sheet


def stack(sheets: list[Image.Image]) -> Image.Image:
    """Sheets of several clips one below the other."""
    width = max(sheet.width for sheet in sheets)
    tall = Image.new("RGB", (width, sum(s.height + 3 * GAP for s in sheets)), PAPER)
    y = 0
    for sheet in sheets:
        tall.paste(sheet, (0, y))
        y += sheet.height + 3 * GAP
    return tall


def _cell(frames: Tensor) -> tuple[int, int]:
    """Width and height of a thumbnail: the frames' aspect, CELL pixels high."""
    height, width = frames.shape[-2:]
    return round(width * CELL / height), CELL


def strip(frames: Tensor) -> Image.Image:
    """Frames (f 3 h w) in [0, 1] in rows of `COLUMNS`."""
    levels = pixels(frames)
    height, width = levels.shape[1:3]
    columns, rows = min(COLUMNS, len(levels)), -(-len(levels) // COLUMNS)
    sheet = Image.new("RGB", (columns * width, rows * height))
    for i, frame in enumerate(levels):
        row, column = divmod(i, COLUMNS)
        sheet.paste(Image.fromarray(frame), (column * width, row * height))
    return sheet


def embedded(frames: Tensor, quality: int = 80) -> str:
    """The strip as a data URL, lossy."""
    file = io.BytesIO()
    strip(frames).save(file, "WEBP", quality=quality)
    return "data:image/webp;base64," + base64.b64encode(file.getvalue()).decode("ascii")
