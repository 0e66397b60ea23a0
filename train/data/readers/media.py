"""Video (PyAV), animated GIF, WebP and APNG (Pillow), and folders of numbered images.

Every reader yields segments of at most `part_length` frames: (frames (f h w 4) uint8 RGBA with
premultiplied alpha, short side `size`; fps). It raises ValueError with the reason where a file
cannot be read, or not further.
"""

import re
import statistics
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from itertools import chain, islice, repeat
from pathlib import Path

import numpy as np
from PIL import Image, ImageSequence

from train.data.readers.frames import as_rgba, open_image
from train.data.readers.limits import check_shape, frame_step, part_length
from train.data.readers.texts import DEFAULT_FPS, fps_of

IMAGE_SUFFIXES = (".png", ".jpg", ".jpeg", ".webp", ".tif", ".tiff", ".bmp")
LOOKED_AT = 16  # files of a kind that are opened to see whether they move
Segment = tuple[np.ndarray, float]


def to_frame(image: Image.Image, size: int) -> np.ndarray:
    """One image as (h w 4) uint8 premultiplied RGBA, resized so that its short side is `size`."""
    image = as_rgba(image)
    scale = size / min(image.size)
    if scale != 1:
        target = tuple(max(size, round(side * scale)) for side in image.size)
        image = image.resize(target, Image.Resampling.HAMMING)
    return np.asarray(image.convert("RGBa"))


def read_video(path: Path, size: int, max_fps: float, max_frames: int) -> Iterator[Segment]:
    """A video file; variable frame rates are taken at their average."""
    import av

    try:
        with av.open(str(path), metadata_errors="ignore") as container:
            if not container.streams.video:
                raise ValueError("it has no video stream")
            stream = container.streams.video[0]
            check_shape(stream.width, stream.height)
            fps = float(stream.average_rate or DEFAULT_FPS)
            step = frame_step(fps, max_fps)
            decoded = islice(container.decode(stream), 0, None, step)
            images = (to_frame(_video_image(frame), size) for frame in decoded)
            yield from _segments(images, fps / step, size, max_frames)
    except (av.error.FFmpegError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise ValueError(f"{path}: cannot be decoded as video ({reason})") from error


def _video_image(frame) -> Image.Image:
    has_alpha = any(component.is_alpha for component in frame.format.components)
    return Image.fromarray(frame.to_ndarray(format="rgba" if has_alpha else "rgb24"))


def read_animation(path: Path, size: int, max_fps: float, max_frames: int) -> Iterator[Segment]:
    """GIF, WebP or APNG; frame durations are resampled to an even grid of their median. The file
    is read twice, for the durations and for the frames, of which no more than a part is kept."""
    durations = [float(image.info.get("duration", 0)) or 100.0 for image in _decode_all(path)]
    tick = max(statistics.median(durations), 1000 / max_fps)
    ends = np.cumsum(durations)
    times = np.arange(0, ends[-1] - 1e-6, tick)
    picks = np.searchsorted(ends, times + 1e-6, side="right")
    counts = np.bincount(picks, minlength=len(durations))
    shown = zip(_decode_all(path), counts, strict=True)
    images = chain.from_iterable(repeat(to_frame(i, size), count) for i, count in shown if count)
    yield from _segments(images, 1000 / tick, size, max_frames)


def _decode_all(path: Path) -> Iterator[Image.Image]:
    """Its frames, decoded one after the other; ValueError where one cannot be."""
    with open_image(path) as image:
        for frame in ImageSequence.Iterator(image):
            frame.load()  # a WebP's duration is known only then
            yield frame


def read_sequence(path: Path, size: int, max_fps: float, max_frames: int) -> Iterator[Segment]:
    """A folder of images in the order of their numbers; `fps.txt` beside them gives the rate."""
    fps, files = fps_of(path) or DEFAULT_FPS, frame_files(path)
    one_size(files)
    step = frame_step(fps, max_fps)
    images = (_read_still(file, size) for file in files[::step])
    yield from _segments(images, fps / step, size, max_frames)


def _read_still(file: Path, size: int) -> np.ndarray:
    with open_image(file) as image:
        return to_frame(image, size)


def _segments(
    images: Iterable[np.ndarray], fps: float, size: int, max_frames: int
) -> Iterator[Segment]:
    images = iter(images)
    first = next(images, None)
    if first is None:
        raise ValueError("it holds no frames")
    height, width = first.shape[:2]
    images = chain([first], images)
    while frames := list(islice(images, part_length(width, height, size, max_frames))):
        if len({frame.shape for frame in frames}) > 1:
            raise ValueError("its frames have different sizes")
        yield np.stack(frames), fps


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
    for kind, files in list(kinds.items()):
        if any(map(is_animated, files[:: -(-len(files) // LOOKED_AT)])):
            del kinds[kind]
    frames = sorted(file for files in kinds.values() for file in files)
    return list({file.stem: file for file in frames}.values())


def frame_files(folder: Path) -> list[Path]:
    """`image_files` in the order of their numbers, 2 before 10. ValueError where there are none, or
    they are several sequences: their names differ in words, or have no number of their own."""
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
        ((w1, h1), first), ((w2, h2), second) = list(sizes.items())[:2]
        raise ValueError(
            f"{first.parent}: its frames have different sizes: {first.name} is {w1}x{h1}, "
            f"{second.name} {w2}x{h2} pixels; bring them to one, or put them into two folders"
        )
    return next(iter(sizes))


def is_animated(file: Path) -> bool:
    """Whether an image has several frames."""
    try:
        with open_image(file) as image:
            return getattr(image, "n_frames", 1) > 1
    except ValueError:  # its reader tells
        return False
