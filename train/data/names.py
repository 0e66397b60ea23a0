"""Prompts from the names of clips: emoji code points become their Unicode names."""

import re
import unicodedata
from pathlib import Path

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


def printable(name: str) -> str:
    r"""A file's name as text that can be stored; a byte that is no UTF-8 becomes `\udcff`."""
    return name.encode("utf-8", "backslashreplace").decode()


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
    """Where a clip's own caption stands: `prompt.txt` in its folder, or `<clip>.txt` beside it."""
    return path / "prompt.txt" if path.is_dir() else path.with_suffix(".txt")


def prompt_of(path: Path) -> str:
    """A clip's own caption, or the words of its name."""
    file = prompt_file(path)
    if file.exists():
        return file.read_text(encoding="utf-8").strip()
    return prompt_from_name(printable(path.name if path.is_dir() else path.stem))
