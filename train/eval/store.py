"""What is kept in the output folder so that an interrupted evaluation goes on where it stopped."""

import hashlib
import json
import os
import re
from collections.abc import Callable
from pathlib import Path

from torch import Tensor

from .clips import Clip, read_frames, write_frames
from .scores import Scored
from .systems import Sampling, System


class Store:
    """Frames and scores of each clip by each system, under OUT/frames and OUT/cache, and the
    truth's own under OUT/truth.

    OUT/frames/SYSTEM is itself a folder of frames that can be scored as a system. `version` is
    that of the metrics, from `scores_digest`.
    """

    def __init__(self, out: Path, sampling: Sampling, version: str = "") -> None:
        self.out, self.sampling, self.version = out, sampling, version

    def key(self, clip: Clip, system: System) -> str:
        """Hash of the clip, the system's weights and code, the metrics and the sampling."""
        made = system.fingerprint(clip, self.sampling)
        return hashlib.sha256(f"{clip.digest()} {made} {self.version}".encode()).hexdigest()

    def get(self, clip: Clip, system: System, key: str) -> Scored | None:
        """The kept scores, or None if there are none for this key."""
        return _read(self._record(clip.name, system.name), key)

    def put(self, clip: Clip, system: System, key: str, frames: Tensor, scored: Scored) -> None:
        write_frames(frames, self._frames(clip.name, system.name))
        _write(self._record(clip.name, system.name), key, scored)

    def truth(self, clip: Clip, score: Callable[[Clip], Scored]) -> Scored:
        """The truth's own scores: those kept, else made by `score` and kept."""
        key = hashlib.sha256(f"{clip.digest()} {self.version}".encode()).hexdigest()
        path = self.out / "truth" / f"{_safe(clip.name)}.json"
        kept = _read(path, key)
        if kept is None:
            kept = score(clip)
            _write(path, key, kept)
        return kept

    def frames(self, clip: Clip, system: str) -> Tensor:
        """The kept frames (f 3 h w) in [0, 1] of a clip that `get` or `put` has seen."""
        folder = self._frames(clip.name, system)
        paths = [folder / f"frame_{i:03d}.png" for i in range(len(clip.frames))]
        return read_frames(paths, clip.size)

    def _record(self, clip: str, system: str) -> Path:
        return self.out / "cache" / _safe(system) / f"{_safe(clip)}.json"

    def _frames(self, clip: str, system: str) -> Path:
        return self.out / "frames" / _safe(system) / _safe(clip)


def _read(path: Path, key: str) -> Scored | None:
    try:
        record = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, json.JSONDecodeError):
        return None
    if record.get("key") != key:
        return None
    return Scored(values=record["scores"], features=record["features"])


def _write(path: Path, key: str, scored: Scored) -> None:
    write_json(path, {"key": key, "scores": scored.values, "features": scored.features})


def write_json(path: Path, content: object) -> None:
    """Write a JSON file whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_suffix(".part")
    part.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")
    os.replace(part, path)


def _safe(name: str) -> str:
    return re.sub(r"[^\w.-]", "_", name)
