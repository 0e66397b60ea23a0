"""One door to every kind of clip: `open_segments`."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from train.data.readers.frames import over_white
from train.data.readers.limits import part_length
from train.data.readers.lottie import check_lottie, read_lottie
from train.data.readers.media import (
    IMAGE_SUFFIXES,
    Segment,
    image_files,
    is_animated,
    read_animation,
    read_sequence,
    read_video,
)
from train.data.readers.texts import prompt_file, prompt_of

READERS: dict[str, Callable[[Path, int, float, int], Iterator[Segment]]] = {
    ".json": read_lottie,
    **dict.fromkeys((".mp4", ".mov", ".mkv", ".webm", ".avi", ".m4v"), read_video),
    **dict.fromkeys((".gif", ".webp", ".apng", ".png"), read_animation),
}
MOVING = READERS.keys() - {".json", *IMAGE_SUFFIXES}  # those that can be nothing else
KNOWN = (
    f"{', '.join(READERS).replace('.json', '.json (Lottie)')} or a folder of frames (two or more "
    f"of {', '.join(IMAGE_SUFFIXES)} whose names end in a number)"
)
OPAQUE_MEAN = 250  # mean alpha from which a clip counts as filling its frame


@dataclass(kw_only=True)
class Clip:
    """A clip in memory: `frames` (f h w 4) are uint8 RGBA with alpha premultiplied into RGB.

    `alpha` is False where the clip fills its frame, so that no background can be put behind it.
    `start` is its first frame in the source, `full` whether it has all the frames that a part may
    have, so that others may follow. Its caption is "given" in a file, or the words of its "name".
    """

    frames: np.ndarray
    fps: float
    alpha: bool
    start: int = 0
    caption: str = ""
    caption_by: str = ""
    full: bool = False


def reader_of(path: Path) -> Callable | None:
    """The reader for a path by its kind; None where it is no clip at all."""
    if path.is_dir():
        return read_sequence if len(image_files(path)) > 1 else None
    return READERS.get(path.suffix.lower())


def moves(path: Path) -> bool:
    """Whether a file is a video or an animation: by its kind, or its content where that may be
    something else."""
    suffix = path.suffix.lower()
    if suffix in MOVING or not path.is_file():
        return path.is_file()
    if suffix != ".json":
        return suffix in READERS and is_animated(path)
    try:
        check_lottie(path)
    except (OSError, ValueError):
        return False
    return True


def open_segments(
    path: str | Path, size: int = 128, max_fps: float = 30, max_frames: int = 900
) -> Iterator[Clip]:
    """A clip in parts of at most `max_frames` frames (fewer of very wide pictures, `part_length`)
    at `max_fps` or a little around it.

    Clips with alpha are fitted in whole into squares of `size` pixels; opaque ones keep their
    aspect, `size` is their short side. A Lottie file ends after one part.
    Raises ValueError naming the file and the reason; after parts, why there are no more.
    """
    path = Path(path)
    if not path.exists():
        raise ValueError(f"{path}: no such file or folder")
    reader = reader_of(path)
    if reader is None:
        raise ValueError(f"{path}: no clip here; expected {KNOWN}")
    alpha, start = None, 0
    for frames, fps in reader(path, size, max_fps, max_frames):
        if alpha is None:
            alpha = _is_cutout(frames, path)
        height, width = frames.shape[1:3]
        caption = prompt_of(path)
        by = "given" if prompt_file(path).exists() else "name"
        yield Clip(
            frames=_fit_into_square(frames, size) if alpha else _make_opaque(frames),
            fps=fps,
            alpha=alpha,
            start=start,
            caption=caption,
            caption_by=by if caption else "",
            full=len(frames) >= part_length(width, height, size, max_frames),
        )
        start += len(frames)


def _is_cutout(frames: np.ndarray, path: Path) -> bool:
    if not frames[..., 3].any():
        raise ValueError(f"{path}: every frame is fully transparent")
    return float(frames[..., 3].mean()) < OPAQUE_MEAN


def _make_opaque(frames: np.ndarray) -> np.ndarray:
    if frames[..., 3].min() == 255:
        return frames
    return np.concatenate([over_white(frames), np.full_like(frames[..., :1], 255)], -1)


def _fit_into_square(frames: np.ndarray, size: int) -> np.ndarray:
    height, width = frames.shape[1:3]
    if height == width:
        return np.ascontiguousarray(frames)
    scale = size / max(height, width)
    height, width = max(1, round(height * scale)), max(1, round(width * scale))
    top, left = (size - height) // 2, (size - width) // 2
    out = np.zeros((len(frames), size, size, 4), np.uint8)
    for target, frame in zip(out, frames, strict=True):
        image = Image.frombytes("RGBa", frame.shape[1::-1], frame.tobytes())
        small = image.resize((width, height), Image.Resampling.HAMMING)
        target[top : top + height, left : left + width] = np.asarray(small)
    return out
