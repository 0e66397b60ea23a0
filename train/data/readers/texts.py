"""Texts of a clip: its prompt, from a file beside it or its name, its frames per second, licence.

Of names that are emoji code points the prompt is their Unicode names.
"""

import re
import unicodedata
from pathlib import Path

from train.engine.files import printable

DEFAULT_FPS = 24.0
MOST_TEXT = 1 << 16  # bytes of a caption
IGNORED = {"200d", "fe0f"}  # joiner and picture-style selector: no words of their own
# Emoji of Unicode 15 and 16, which the tables of Python 3.11 do not know yet.
NEWER_NAMES = {
    "1fa75": "light blue heart",
    "1fa76": "grey heart",
    "1fa77": "pink heart",
    "1fa87": "maracas",
    "1fa89": "harp",
    "1fa8f": "shovel",
    "1fabc": "jellyfish",
    "1fabe": "leafless tree",
    "1fabf": "goose",
    "1facf": "donkey",
    "1fadc": "root vegetable",
    "1fadf": "splatter",
    "1fae8": "shaking face",
    "1fae9": "face with bags under eyes",
    "1faf7": "leftwards pushing hand",
    "1faf8": "rightwards pushing hand",
}


def prompt_from_name(name: str) -> str:
    """`1f4b8` -> "money with wings"; `Red_fox-run 2` -> "red fox run 2"."""
    parts = re.split(r"[-_ ]+", name.lower().removeprefix("emoji_u"))
    if all(re.fullmatch(r"[0-9a-f]{4,5}", part) for part in parts):
        words = [_code_name(part) for part in parts if part not in IGNORED]
        if all(words):
            return " ".join(words)
    return " ".join(part for part in parts if part)


def _code_name(code: str) -> str:
    character = chr(int(code, 16))
    if unicodedata.category(character)[0] in "SP":  # symbols, not letters: "face" is a word
        return unicodedata.name(character).lower()
    return NEWER_NAMES.get(code, "")


def prompt_file(path: Path) -> Path:
    """The file of a clip's own caption: `prompt.txt` in its folder, or `<clip>.txt` beside it."""
    return path / "prompt.txt" if path.is_dir() else path.with_suffix(".txt")


def prompt_of(path: Path) -> str:
    """A clip's own caption, or the words of its name."""
    text = own_text(prompt_file(path))
    if text is not None:
        return text
    return prompt_from_name(printable(path.name if path.is_dir() else path.stem))


def own_text(file: Path) -> str | None:
    """The text of a file beside a clip, a caption or a rate; None without such a file. ValueError
    where it is no text."""
    if not file.exists():
        return None
    if not file.is_file():  # a pipe would be waited for
        raise ValueError(f"{file}: no regular file")
    if file.stat().st_size > MOST_TEXT:
        raise ValueError(f"{file}: over {MOST_TEXT >> 10} KB, too much for a caption or a number")
    try:
        return file.read_text(encoding="utf-8-sig").strip()
    except UnicodeDecodeError as error:
        raise ValueError(f"{file}: no text in UTF-8; save it as that") from error


def fps_of(folder: Path) -> float | None:
    """Frames per second by `fps.txt` in a folder of frames; None without one."""
    file = folder / "fps.txt"
    text = own_text(file)
    if text is None:
        return None
    try:
        fps = float(text)
    except ValueError as error:
        raise ValueError(f"{file}: holds {text[:40]!r}, expected one number") from error
    if not 0.1 <= fps <= 1000:
        raise ValueError(f"{file}: holds {text[:40]!r}, expected 0.1 to 1000 frames per second")
    return fps


def licence_of(path: Path, root: Path) -> str:
    """What `licence.txt` says, in a clip's folder or the nearest one above it up to `root`; nothing
    where there is none. ValueError where it is no text, or the clip not below `root`."""
    folder = path if path.is_dir() else path.parent
    above = [folder, *folder.parents]
    for place in above[: above.index(root) + 1]:
        text = own_text(place / "licence.txt")
        if text is not None:
            return " ".join(text.split())
    return ""
