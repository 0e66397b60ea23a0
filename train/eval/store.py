"""What is kept in the output folder so that an interrupted evaluation goes on where it stopped."""

import hashlib
import json
import os
import re
from pathlib import Path

from torch import Tensor

from toon_core.presets import Recipe

from .clips import Clip, read_frames, write_frames
from .scores import scores_digest
from .systems import System


class Store:
    """Frames and scores of each clip by each system, under OUT/frames and OUT/cache.

    OUT/frames/SYSTEM is itself a folder of frames that can be scored as a system.
    """

    def __init__(self, out: Path, recipe: Recipe) -> None:
        self.out, self.recipe = out, recipe
        self.scores_version = scores_digest()

    def key(self, clip: Clip, system: System) -> str:
        """Hash of the clip, the system's weights and code, the metrics and the recipe."""
        made = system.fingerprint(clip, self.recipe)
        return hashlib.sha256(f"{clip.digest()} {made} {self.scores_version}".encode()).hexdigest()

    def get(self, clip: Clip, system: System, key: str) -> dict[str, float] | None:
        """The kept scores, or None if there are none for this key."""
        path = self._record(clip.name, system.name)
        try:
            record = json.loads(path.read_text(encoding="utf-8"))
        except (OSError, json.JSONDecodeError):
            return None
        return record["scores"] if record.get("key") == key else None

    def put(
        self, clip: Clip, system: System, key: str, frames: Tensor, scores: dict[str, float]
    ) -> None:
        write_frames(frames, self._frames(clip.name, system.name))
        write_json(self._record(clip.name, system.name), {"key": key, "scores": scores})

    def frames(self, clip: Clip, system: str) -> Tensor:
        """The kept frames (f 3 h w) in [0, 1] of a clip that `get` or `put` has seen."""
        folder = self._frames(clip.name, system)
        paths = [folder / f"frame_{i:03d}.png" for i in range(len(clip.frames))]
        return read_frames(paths, clip.size)

    def _record(self, clip: str, system: str) -> Path:
        return self.out / "cache" / _safe(system) / f"{_safe(clip)}.json"

    def _frames(self, clip: str, system: str) -> Path:
        return self.out / "frames" / _safe(system) / _safe(clip)


def write_json(path: Path, content: object) -> None:
    """Write a JSON file whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_suffix(".part")
    part.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")
    os.replace(part, path)


def _safe(name: str) -> str:
    return re.sub(r"[^\w.-]", "_", name)
