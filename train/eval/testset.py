"""A test set on disk: one folder per clip as documented in `read_testset`; read, and written from
the held-out clips of a store."""

import hashlib
import json
import logging
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch
from omegaconf import MISSING
from PIL import Image
from torch import Tensor
from tqdm import tqdm

from toon_core.metrics.plain.sketch_agreement import sketch_lines
from train.data.filters.sketches import xdog
from train.data.motion import WindowRules, large_windows
from train.data.prepare.splits import SplitConfig
from train.data.readers.frames import decode_frame, open_image, over_white
from train.data.readers.media import one_size
from train.data.readers.texts import fps_of, own_text
from train.data.shards import Record, stable_hash
from train.data.store import Store
from train.data.windows.backgrounds import paint_background
from train.data.windows.compose import as_layer, over, resize_to_cover
from train.data.windows.sampler import with_motion
from train.engine.files import LOCK, OutFolder
from train.engine.options import option

log = logging.getLogger("toon.heldout")

Size = tuple[int, int]  # height, width


@dataclass(frozen=True, kw_only=True)
class Clip:
    """One test clip. frames (f 3 h w) in [0, 1]; sketches {frame number: (3 h' w') in [0, 1]}, of
    their own size: whoever shrinks them must keep thin lines."""

    name: str
    frames: Tensor
    prompt: str = ""
    fps: int | None = None
    sketches: dict[int, Tensor] = field(default_factory=dict)

    @property
    def first(self) -> Tensor:
        return self.frames[0]

    @property
    def last(self) -> Tensor:
        return self.frames[-1]

    @property
    def size(self) -> Size:
        return tuple(self.frames.shape[-2:])

    def digest(self) -> str:
        """Hash of all that a system or a metric may look at."""
        parts = [self.name, self.prompt, str(self.fps), str(tuple(self.frames.shape))]
        sha = hashlib.sha256("\n".join(parts).encode())
        sha.update(pixels(self.frames).tobytes())
        for number, sketch in sorted(self.sketches.items()):
            sha.update(str(number).encode() + pixels(sketch[None]).tobytes())
        return sha.hexdigest()


def read_testset(folder: Path, limit: int | None = None) -> list[Path]:
    """Clip folders of a test set in name order, checked before any long work.

    Each holds frame_000.png, frame_001.png ... (4 or more of one size, without a gap; with fewer
    zeros, too), and may hold prompt.txt, fps.txt and sketches as sketch_007.png, of any size with
    the frames' aspect ratio. ValueError names what is wrong.
    """
    if not folder.is_dir():
        raise ValueError(f"test set {folder} is no folder; make one with `python -m train.heldout`")
    clips = sorted(p for p in folder.iterdir() if p.is_dir() and numbered(p))
    if not clips:
        raise ValueError(
            f"{folder} holds no clip; expected one folder per clip with frame_000.png, "
            "frame_001.png, ..."
        )
    for clip in clips[:limit]:
        one_size(paths := frame_paths(clip))
        _sketches(clip, paths)
        own_text(clip / "prompt.txt")
        _fps(clip)
    return clips[:limit]


def shorter_side(clips: Sequence[Path]) -> int:
    """Pixels of the frames' shorter side, if all clips agree; ValueError names two that do not."""
    sizes = {clip: image_size(frame_paths(clip)[0]) for clip in clips}
    height, width = sizes[clips[0]]
    for clip, (rows, columns) in sizes.items():
        if min(rows, columns) != min(height, width):
            raise ValueError(
                f"the clips are not of one size: {clips[0]} is {width}x{height}, {clip} is "
                f"{columns}x{rows} pixels; give --size, the shorter side that all of them are "
                "resized to"
            )
    return min(height, width)


def frame_paths(clip: Path) -> list[Path]:
    """The frames of a clip folder in order; ValueError if one is missing or they are too few."""
    frames = numbered(clip)
    missing = [i for i in range(len(frames)) if i not in frames]
    if missing:
        raise ValueError(
            f"{clip} has {len(frames)} frames but no frame_{missing[0]:03d}.png; number them 000.."
        )
    if len(frames) < 4:
        raise ValueError(f"{clip} has {len(frames)} frames; a clip needs 2 keys and 2 inner frames")
    return list(frames.values())


def numbered(folder: Path, kind: str = "frame") -> dict[int, Path]:
    """frame_000.png ... of a folder by number, with leading zeros or not; ValueError for two of
    one number, and what is no number."""
    paths: dict[int, Path] = {}
    for path in folder.glob(f"{kind}_*.png"):
        number = path.stem.removeprefix(f"{kind}_")
        if not number.isdecimal():
            raise ValueError(f"{path}: expected a number behind {kind}_, as {kind}_007.png")
        if int(number) in paths:
            raise ValueError(f"{path} and {paths[int(number)].name} have one number")
        paths[int(number)] = path
    return dict(sorted(paths.items()))


def read_clip(folder: Path, size: int | None = None) -> Clip:
    """Read one clip; `size` is the shorter side in pixels that its frames are resized to."""
    paths = frame_paths(folder)
    height, width = image_size(paths[0])
    scale = (size or min(height, width)) / min(height, width)
    target = round(height * scale), round(width * scale)
    return Clip(
        name=folder.name,
        frames=read_frames(paths, target),
        prompt=own_text(folder / "prompt.txt") or "",
        fps=_fps(folder),
        sketches=_sketches(folder, paths),
    )


def read_frames(paths: Sequence[Path], size: Size) -> Tensor:
    """Image files -> (f 3 h w) in [0, 1] at `size`; transparency becomes white.

    ValueError for what is no image, or has another aspect ratio.
    """
    return torch.stack([read_image(path, size) for path in paths])


def read_image(source: Path | bytes, size: Size | None = None) -> Tensor:
    """(3 h w) in [0, 1], at its own size where none is given; otherwise as `read_frames`."""
    image = over_white(decode_frame(source))
    if size and image.shape[:2] != size:
        check_aspect(source, image.shape[:2], size)
        image = np.asarray(Image.fromarray(image).resize(size[::-1], Image.Resampling.LANCZOS))
    return torch.from_numpy(np.array(image)).permute(2, 0, 1).float() / 255


def write_frames(frames: Tensor, folder: Path) -> None:
    """Write (f 3 h w) in [0, 1] as frame_000.png ... into a folder, made if needed."""
    folder.mkdir(parents=True, exist_ok=True)
    for i, image in enumerate(pixels(frames)):
        Image.fromarray(image).save(folder / f"frame_{i:03d}.png", compress_level=1)


def pixels(frames: Tensor) -> np.ndarray:
    """(f 3 h w) in [0, 1] -> uint8 array (f h w 3)."""
    levels = (frames.detach().float().clamp(0, 1) * 255).round().to(torch.uint8)
    return levels.permute(0, 2, 3, 1).contiguous().cpu().numpy()


def image_size(path: Path) -> Size:
    """Of an image file, reading no pixels; ValueError where it is none."""
    with open_image(path) as image:
        return image.height, image.width


def check_aspect(path: Path, size: Size, expected: Size) -> None:
    """ValueError where an image of `size` is not `expected` but for a scale and whole pixels."""
    (height, width), (rows, columns) = size, expected
    if abs(width * rows - columns * height) > max(width + height, columns + rows) / 2:
        raise ValueError(
            f"{path} is {width}x{height} pixels and should have the shape of the test set's frames "
            f"({columns}x{rows}): it would be stretched; cut it to that shape"
        )


def _fps(folder: Path) -> int | None:
    fps = fps_of(folder)
    return None if fps is None else max(1, round(fps))


def _sketches(folder: Path, frames: Sequence[Path]) -> dict[int, Tensor]:
    """The sketches of a clip at their own size; ValueError for one that cannot be used."""
    sketches, size, count = {}, image_size(frames[0]), len(frames)
    for number, path in numbered(folder, "sketch").items():
        if number >= count:
            raise ValueError(f"{path} names no frame; the clip has frames 000 to {count - 1:03d}")
        sketch = read_image(path)
        check_aspect(path, tuple(sketch.shape[-2:]), size)
        if not sketch_lines(sketch, sketch.shape[-2:]).any():
            raise ValueError(f"{path} holds no line; draw dark lines on white or light on black")
        sketches[number] = sketch
    return sketches


@dataclass(frozen=True, kw_only=True)
class HeldoutConfig:
    """Options of `train.heldout`."""

    data: str = MISSING  # shards of `train.prepare`
    out: str = MISSING  # folder of the test set, a new one
    height: int = option(0, least=0)  # pixels; 0: as stored
    width: int = option(0, least=0)  # pixels; 0: as stored
    split: str = "test"  # split of the shards that it is taken from
    count: int = option(60, least=1)  # windows at most
    per_clip: int = option(2, least=1)  # windows of a clip at most
    stride: int = option(1, least=1)  # every so many-th frame of a clip
    seed: int = 0  # of the choice and of painted backgrounds
    sketch_frames: tuple[int, ...] = (7,)  # numbers of the frames that get a sketch
    windows: SplitConfig = field(default_factory=SplitConfig)  # what motion is large
    rules: WindowRules = field(default_factory=WindowRules)


@dataclass(frozen=True, kw_only=True)
class HeldoutWindow:
    """One held-out window; `rank` 0 is its clip's largest motion."""

    record: Record
    start: int
    rank: int

    @property
    def name(self) -> str:
        return f"{self.record.id}_{self.start:03d}"


def choose_windows(store: Store, config: HeldoutConfig) -> list[HeldoutWindow]:
    """At most `count` windows: rank by rank, each rank in the order of a hash."""
    windows = []
    for record, motion in with_motion(store, config.split):
        large = config.windows.length, config.windows.large_change
        starts = large_windows(motion, *large, config.rules, config.stride)
        windows += [
            HeldoutWindow(record=record, start=start, rank=rank)
            for rank, start in enumerate(starts[: config.per_clip])
        ]
    if not windows:
        raise ValueError(f"data={config.data}: no large-motion window in {config.split!r}")
    windows.sort(key=lambda window: (window.rank, stable_hash(config.seed, window.name)))
    return windows[: config.count]


def write_window(folder: Path, store: Store, window: HeldoutWindow, config: HeldoutConfig) -> None:
    """One folder of the test set: the window as drawn, on the background of its hash."""
    numbers = range(window.start, window.start + config.windows.length * config.stride)
    layer = as_layer(store.frames(window.record, numbers[:: config.stride]))
    frames = layer[:, :3]
    if window.record.alpha:
        rng = np.random.default_rng(stable_hash("background", config.seed, window.name))
        frames = over(layer, as_layer(paint_background(rng, *layer.shape[-2:])))
    if config.height:
        frames = resize_to_cover(frames, (config.height, config.width))
    write_frames(frames, folder)
    for number in config.sketch_frames:
        sketch = xdog(frames[number : number + 1] * 2 - 1)[0]
        if (sketch > 0.5).any():  # else it would be no sketch to `read_testset`
            drawn = Image.fromarray(pixels(sketch.expand(3, -1, -1)[None])[0])
            drawn.convert("L").save(folder / f"sketch_{number:03d}.png")
    fps = round(window.record.fps / config.stride)
    (folder / "prompt.txt").write_text(window.record.caption + "\n", encoding="utf-8")
    (folder / "fps.txt").write_text(f"{fps}\n", encoding="utf-8")


def write_heldout(config: HeldoutConfig) -> list[HeldoutWindow]:
    """Write the whole test set; returns its windows in the order of choice."""
    out = Path(config.out)
    with OutFolder(out, config.data).locked():
        store = Store(config.data)
        if bool(config.height) != bool(config.width):
            raise ValueError(f"height={config.height} width={config.width}: give both or none")
        if any(path.name != LOCK for path in out.iterdir()):
            raise ValueError(f"out={out}: the folder is not empty; give a new one")
        windows = choose_windows(store, config)
        if len(windows) < config.count:
            log.warning("only %d of %d windows move enough", len(windows), config.count)
        for window in tqdm(windows, desc="windows"):
            write_window(out / window.name, store, window, config)
        listed = [{"name": w.name, "prompt": w.record.caption, "rank": w.rank} for w in windows]
        text = json.dumps({"seed": config.seed, "split": config.split, "windows": listed}, indent=1)
        (out / "testset.json").write_text(text, encoding="utf-8")
    return windows
