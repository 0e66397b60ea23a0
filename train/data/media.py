"""Video (PyAV), animated GIF / WebP / APNG (Pillow) and folders of numbered images.

Every reader yields segments of at most `max_frames` frames: (frames (f h w 4) uint8 RGBA with
premultiplied alpha, short side `size`; fps). It raises ValueError with the reason where a file
cannot be read, or not further.
"""

import re
import statistics
from collections import defaultdict
from collections.abc import Iterable, Iterator
from itertools import islice, repeat
from pathlib import Path

import numpy as np
from PIL import Image, ImageSequence

from train.data.frames import as_rgba, premultiply
from train.data.lottie import frame_step

DEFAULT_FPS = 24.0
IMAGE_SUFFIXES = (".png", ".jpg", ".jpeg", ".webp", ".tif", ".tiff", ".bmp")
LOOKED_AT = 16  # files of a kind that are opened to see whether they move
Segment = tuple[np.ndarray, float]


def premultiplied(image: Image.Image, size: int) -> np.ndarray:
    """One image as (h w 4) uint8 premultiplied RGBA, resized so that its short side is `size`."""
    image = as_rgba(image)
    scale = size / min(image.size)
    if scale != 1:
        target = tuple(max(size, round(side * scale)) for side in image.size)
        image = image.resize(target, Image.Resampling.HAMMING)
    return premultiply(np.asarray(image))


def read_video(path: Path, size: int, max_fps: float, max_frames: int) -> Iterator[Segment]:
    """A video file; variable frame rates are taken at their average."""
    import av

    try:
        with av.open(str(path)) as container:
            if not container.streams.video:
                raise ValueError(f"{path}: the file has no video stream")
            stream = container.streams.video[0]
            fps = float(stream.average_rate or DEFAULT_FPS)
            step = frame_step(fps, max_fps)
            decoded = islice(container.decode(stream), 0, None, step)
            images = (premultiplied(_video_image(frame), size) for frame in decoded)
            yield from _segments(images, fps / step, max_frames, path)
    except av.error.FFmpegError as error:
        raise ValueError(f"{path}: cannot be decoded as video ({error})") from error


def _video_image(frame) -> Image.Image:
    has_alpha = any(component.is_alpha for component in frame.format.components)
    return Image.fromarray(frame.to_ndarray(format="rgba" if has_alpha else "rgb24"))


def read_animation(path: Path, size: int, max_fps: float, max_frames: int) -> Iterator[Segment]:
    """GIF, WebP or APNG; frame durations are resampled to an even grid of their median. The file
    is read twice, for the durations and for the frames, of which no more than a part is kept."""
    durations = [float(image.info.get("duration", 0)) or 100.0 for image in _animated(path)]
    tick = max(statistics.median(durations), 1000 / max_fps)
    ends = np.cumsum(durations)
    times = np.arange(0, ends[-1] - 1e-6, tick)
    picks = np.searchsorted(ends, times + 1e-6, side="right")
    counts = np.bincount(picks, minlength=len(durations))
    yield from _segments(_shown(path, size, counts), 1000 / tick, max_frames, path)


def _animated(path: Path) -> Iterator[Image.Image]:
    """Its frames, decoded one after the other; ValueError where one cannot be."""
    try:
        with Image.open(path) as image:
            for frame in ImageSequence.Iterator(image):
                frame.load()  # a WebP's duration is known only then
                yield frame
    except (OSError, SyntaxError, ValueError) as error:
        raise ValueError(f"{path}: cannot be read as an animated image ({error})") from error


def _shown(path: Path, size: int, counts: np.ndarray) -> Iterator[np.ndarray]:
    """Each frame so many times."""
    for frame, count in zip(_animated(path), counts, strict=True):
        if count:
            yield from repeat(_converted(frame, size, path), count)


def _converted(frame: Image.Image, size: int, path: Path) -> np.ndarray:
    try:
        return premultiplied(frame, size)
    except ValueError as error:
        raise ValueError(f"{path}: cannot be read as an animated image ({error})") from error


def read_sequence(path: Path, size: int, max_fps: float, max_frames: int) -> Iterator[Segment]:
    """A folder of images in the order of their names; `fps.txt` beside them gives the rate."""
    fps = sequence_fps(path)
    step = frame_step(fps, max_fps)
    images = (_still(file, size) for file in image_files(path)[::step])
    yield from _segments(images, fps / step, max_frames, path)


def _still(file: Path, size: int) -> np.ndarray:
    try:
        with Image.open(file) as image:
            return premultiplied(image, size)
    except (OSError, SyntaxError, ValueError) as error:
        raise ValueError(f"{file}: cannot be read as an image ({error})") from error


def image_files(folder: Path) -> list[Path]:
    """The numbered still frames of a folder, sorted by name; one file a name.

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


def _any_moves(files: list[Path]) -> bool:
    return any(map(_is_animated, files[:: -(-len(files) // LOOKED_AT)]))


def _is_animated(file: Path) -> bool:
    try:
        with Image.open(file) as image:
            return getattr(image, "n_frames", 1) > 1
    except Exception:  # whatever a broken file does to Pillow: its reader tells
        return False


def sequence_fps(folder: Path) -> float:
    """What `fps.txt` in a folder of frames says; `DEFAULT_FPS` without one."""
    file = folder / "fps.txt"
    if not file.exists():
        return DEFAULT_FPS
    text = file.read_text(encoding="utf-8").strip()
    try:
        fps = float(text)
    except ValueError as error:
        raise ValueError(f"{file}: holds {text!r}, expected one number") from error
    if not 0 < fps < 1000:
        raise ValueError(f"{file}: holds {text!r}, expected frames per second above 0")
    return fps


def _segments(
    images: Iterable[np.ndarray], fps: float, longest: int, path: Path
) -> Iterator[Segment]:
    images, count = iter(images), 0
    while frames := list(islice(images, longest)):
        if len({frame.shape for frame in frames}) > 1:
            raise ValueError(f"{path}: its frames have different sizes")
        yield np.stack(frames), fps
        count += len(frames)
    if not count:
        raise ValueError(f"{path}: holds no frames")
