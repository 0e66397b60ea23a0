"""A test set on disk: one folder per clip, as documented in `read_testset`."""

import hashlib
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor


@dataclass(frozen=True, kw_only=True)
class Clip:
    """One test clip. frames (f 3 h w) in [0, 1]; sketches {frame number: (3 h w) in [0, 1]}."""

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
    def size(self) -> tuple[int, int]:
        """Height and width."""
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

    Each holds frame_000.png, frame_001.png ... (4 or more, without a gap), and may hold
    prompt.txt, fps.txt and sketches as sketch_007.png. ValueError names what is wrong.
    """
    if not folder.is_dir():
        raise ValueError(f"test set {folder} is no folder; make one with `python -m train.heldout`")
    clips = sorted(p for p in folder.iterdir() if (p / "frame_000.png").is_file())
    if not clips:
        raise ValueError(
            f"{folder} holds no clip; expected one folder per clip with frame_000.png, "
            "frame_001.png, ..."
        )
    for clip in clips[:limit]:
        frame_paths(clip)
    return clips[:limit]


def frame_paths(clip: Path) -> list[Path]:
    """The frames of a clip folder in order; ValueError if one is missing or they are too few."""
    found = sorted(clip.glob("frame_*.png"))
    expected = [clip / f"frame_{i:03d}.png" for i in range(len(found))]
    if found != expected:
        missing = next(p for p in expected if p not in found)
        raise ValueError(f"{clip} has {len(found)} frames but no {missing.name}; number them 000..")
    if len(found) < 4:
        raise ValueError(f"{clip} has {len(found)} frames; a clip needs 2 keys and 2 inner frames")
    return found


def read_clip(folder: Path, size: int | None = None) -> Clip:
    """Read one clip; `size` is the shorter side in pixels that its frames are resized to."""
    paths = frame_paths(folder)
    target = _target(paths[0], size)
    prompt, fps = folder / "prompt.txt", folder / "fps.txt"
    return Clip(
        name=folder.name,
        frames=read_frames(paths, target),
        prompt=prompt.read_text(encoding="utf-8").strip() if prompt.is_file() else "",
        fps=_fps(fps) if fps.is_file() else None,
        sketches=_sketches(folder, len(paths), target),
    )


def read_frames(paths: list[Path], size: tuple[int, int]) -> Tensor:
    """Image files -> (f 3 h w) in [0, 1] at size (height, width); transparency becomes white."""
    return torch.stack([_read_image(path, size) for path in paths])


def write_frames(frames: Tensor, folder: Path) -> None:
    """Write (f 3 h w) in [0, 1] as frame_000.png ... into a folder, made if needed."""
    folder.mkdir(parents=True, exist_ok=True)
    for i, image in enumerate(pixels(frames)):
        Image.fromarray(image).save(folder / f"frame_{i:03d}.png", compress_level=1)


def pixels(frames: Tensor) -> np.ndarray:
    """(f 3 h w) in [0, 1] -> uint8 array (f h w 3)."""
    levels = (frames.detach().float().clamp(0, 1) * 255).round().to(torch.uint8)
    return levels.permute(0, 2, 3, 1).contiguous().cpu().numpy()


def _target(path: Path, size: int | None) -> tuple[int, int]:
    with Image.open(path) as image:
        width, height = image.size
    scale = (size or min(width, height)) / min(width, height)
    return round(height * scale), round(width * scale)


def _read_image(path: Path, size: tuple[int, int]) -> Tensor:
    try:
        with Image.open(path) as file:
            image = file.convert("RGBA")
    except OSError as error:
        raise ValueError(f"{path} is no readable image: {error}") from error
    ground = Image.new("RGBA", image.size, "white")
    flat = Image.alpha_composite(ground, image).convert("RGB")
    if flat.size != (size[1], size[0]):
        flat = flat.resize((size[1], size[0]), Image.Resampling.LANCZOS)
    return torch.from_numpy(np.array(flat)).permute(2, 0, 1).float() / 255


def _fps(path: Path) -> int:
    text = path.read_text(encoding="utf-8").strip()
    try:
        fps = round(float(text))
    except (ValueError, OverflowError):
        fps = 0
    if fps < 1:
        raise ValueError(f"{path} says {text!r}; write a number of frames per second, as 24")
    return fps


def _sketches(folder: Path, count: int, size: tuple[int, int]) -> dict[int, Tensor]:
    found = {}
    for path in sorted(folder.glob("sketch_*.png")):
        number = path.stem.removeprefix("sketch_")
        if not number.isdecimal() or int(number) >= count:
            raise ValueError(f"{path} names no frame; the clip has frames 000 to {count - 1:03d}")
        found[int(number)] = _read_image(path, size)
    return found
