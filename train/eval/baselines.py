"""Systems that are no model of ours: the baselines, and folders of frames made elsewhere."""

import hashlib
from collections.abc import Callable, Sequence
from pathlib import Path

import torch
from torch import Tensor

from toon_core.metrics.networks.rife import Rife
from train.engine.files import file_digest

from .clips import Clip, check_aspect, frame_paths, image_size, numbered, pixels, read_frames

BASELINES = ("crossfade", "nearest", "rife")


class Blend:
    """A baseline whose frame at time a in [0, 1] is made of the two keys alone."""

    def __init__(
        self, name: str, version: str, make: Callable[[Tensor, Tensor, float], Tensor]
    ) -> None:
        self.name, self.version, self.make = name, version, make

    def fingerprint(self, clip: Clip, sampling: object) -> str:
        return self.version

    def frames(self, clip: Clip, sampling: object) -> Tensor:
        count = len(clip.frames)
        times = [i / (count - 1) for i in range(1, count - 1)]
        inner = [self.make(clip.first, clip.last, time) for time in times]
        return torch.stack([clip.first, *inner, clip.last])


def baseline(name: str, what: str, device: str) -> Blend:
    """`what` is one of BASELINES; ValueError where RIFE's package is absent."""
    if what == "crossfade":
        return Blend(name, "crossfade 1", lambda first, last, time: first.lerp(last, time))
    if what == "nearest":
        return Blend(name, "nearest 1", lambda first, last, time: first if time < 0.5 else last)
    rife = Rife(device)
    version = f"rife 1 {file_digest(rife.weights)} {torch.device(device).type}"
    return Blend(name, version, rife.between)


class Folder:
    """Frames made elsewhere: FOLDER/CLIP/frame_000.png ..., named as in the test set, of any size
    that has its aspect ratio."""

    def __init__(self, name: str, path: Path) -> None:
        self.name, self.path = name, path

    def check(self, clips: Sequence[Path]) -> None:
        """ValueError where a frame of a clip folder lacks its counterpart, or its shape is another;
        reads no pixels."""
        for clip in clips:
            true = frame_paths(clip)
            for path in self._paths(clip.name, len(true)):
                check_aspect(path, image_size(path), image_size(true[0]))

    def fingerprint(self, clip: Clip, sampling: object) -> str:
        return "frames " + hashlib.sha256(pixels(self.frames(clip, sampling)).tobytes()).hexdigest()

    def frames(self, clip: Clip, sampling: object) -> Tensor:
        return read_frames(self._paths(clip.name, len(clip.frames)), clip.size)

    def _paths(self, clip: str, count: int) -> list[Path]:
        folder = self.path / clip
        found = numbered(folder)
        missing = [i for i in range(count) if i not in found]
        if missing:
            raise ValueError(
                f"system {self.name} lacks {folder / f'frame_{missing[0]:03d}.png'}; it needs the "
                f"clip's {count} frames, ends included, under the test set's names"
            )
        return [found[i] for i in range(count)]
