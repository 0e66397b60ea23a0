"""A folder of numbered images: which files are its frames, in which order, at which rate."""

import re
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path

from train.data.frames import open_image
from train.data.names import own_text

DEFAULT_FPS = 24.0
IMAGE_SUFFIXES = (".png", ".jpg", ".jpeg", ".webp", ".tif", ".tiff", ".bmp")
LOOKED_AT = 16  # files of a kind that are opened to see whether they move


def image_files(folder: Path) -> list[Path]:
    """The numbered still images of a folder; one file a name.

    A kind of file (.webp) of which some are animated is no frames: each file is its own clip.
    """
    kinds: dict[str, list[Path]] = defaultdict(list)
    for file in sorted(folder.iterdir()):
        kind = file.suffix.lower()
        named = kind in IMAGE_SUFFIXES and re.fullmatch(r"(?!sketch|\.).*\d", file.stem)
        if named and file.is_file():  # to open a pipe would be to wait for ever
            kinds[kind].append(file)
    frames = sorted(f for files in kinds.values() if not _any_moves(files) for f in files)
    return list({file.stem: file for file in frames}.values())


def frame_files(folder: Path) -> list[Path]:
    """Those in the order of their numbers, 2 before 10. ValueError where there are none, or they
    are several sequences: their names differ in words, or have no number that is each one's own."""
    files = image_files(folder)
    if not files:
        raise ValueError(f"{folder}: holds no numbered images")
    names = [re.split(r"(\d+)", file.stem) for file in files]
    by_words: dict[tuple[str, ...], str] = {}
    for name, file in zip(names, files, strict=True):
        by_words.setdefault(tuple(name[::2]), file.name)
    if len(by_words) > 1:
        raise ValueError(_several(folder, list(by_words.values())))
    numbers = [tuple(map(int, name[1::2])) for name in names]
    for column in reversed(list(zip(*numbers, strict=True))):
        if len(set(column)) == len(files):
            return [file for _, file in sorted(zip(column, files, strict=True))]
    raise ValueError(_several(folder, [file.name for file in files]))


def _several(folder: Path, names: list[str]) -> str:
    shown = ", ".join(names[:3]) + (" ..." if len(names) > 3 else "")
    return (
        f"{folder}: holds more than one numbered sequence ({shown}); put each into a folder of "
        "its own"
    )


def one_size(files: Sequence[Path]) -> tuple[int, int]:
    """Width and height of images by their headers; ValueError naming two that differ."""
    sizes: dict[tuple[int, int], Path] = {}
    for file in files:
        with open_image(file) as image:
            sizes.setdefault(image.size, file)
    if len(sizes) > 1:
        (one, first), (other, second) = list(sizes.items())[:2]
        raise ValueError(
            f"{first.parent}: its frames have different sizes: {first.name} is {_by(one)}, "
            f"{second.name} {_by(other)} pixels; bring them to one, or put them into two folders"
        )
    return next(iter(sizes))


def _by(size: tuple[int, int]) -> str:
    return "x".join(map(str, size))


def sequence_fps(folder: Path) -> float:
    """What `fps.txt` in a folder of frames says; `DEFAULT_FPS` without one."""
    file = folder / "fps.txt"
    text = own_text(file)
    if text is None:
        return DEFAULT_FPS
    try:
        fps = float(text)
    except ValueError as error:
        raise ValueError(f"{file}: holds {text[:40]!r}, expected one number") from error
    if not 0.1 <= fps <= 1000:
        raise ValueError(f"{file}: holds {text[:40]!r}, expected 0.1 to 1000 frames per second")
    return fps


def _any_moves(files: list[Path]) -> bool:
    return any(map(is_animated, files[:: -(-len(files) // LOOKED_AT)]))


def is_animated(file: Path) -> bool:
    """Whether an image has several frames."""
    try:
        with open_image(file) as image:
            return getattr(image, "n_frames", 1) > 1
    except ValueError:  # its reader tells
        return False
