"""What is kept in the output folder so that an interrupted evaluation goes on where it stopped."""

import hashlib
import json
import os
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

from torch import Tensor

from .clips import Clip, read_frames, write_frames
from .scores import Scored
from .systems import Sampling, System


class Store:
    """Frames and scores of each clip by each system, under OUT/frames and OUT/cache, and the
    truth's own under OUT/truth.

    OUT/frames/SYSTEM is itself a folder of frames that can be scored as a system. `version` is
    that of the metrics, from `scores_digest`: where it changes, kept frames are scored again.
    """

    def __init__(self, out: Path, sampling: Sampling, version: str = "") -> None:
        self.out, self.sampling, self.version = out, sampling, version

    def scored(
        self,
        clip: Clip,
        system: System,
        make: Callable[[], Tensor],
        score: Callable[[Tensor], Scored],
    ) -> Scored:
        """The scores of the clip by the system: those kept, else those of the kept frames, else
        those of the frames that `make` gives, which are kept."""
        path = self._cached(clip, system.name)
        made = _hash(clip.digest(), system.fingerprint(clip, self.sampling))
        record, files = _read(path), self._files(clip, system.name)
        if record.get("frames") == made and all(file.is_file() for file in files):
            if scores := _scores(record, _hash(made, self.version)):
                return scores
            frames = read_frames(files, clip.size)
        else:
            frames = make()
            self._keep(clip, system.name, frames)
            write_json(path, {"frames": made})
        scores = score(frames)
        write_json(path, {"frames": made, **_record(scores, _hash(made, self.version))})
        return scores

    def truth(self, clip: Clip, score: Callable[[Clip], Scored]) -> Scored:
        """The truth's own scores: those kept, else made by `score` and kept."""
        key = _hash(clip.digest(), self.version)
        path = self.out / "truth" / f"{clip.name}.json"
        scores = _scores(_read(path), key)
        if scores is None:
            scores = score(clip)
            write_json(path, _record(scores, key))
        return scores

    def frames(self, clip: Clip, system: str) -> Tensor:
        """The kept frames (f 3 h w) in [0, 1] of a clip that `scored` has seen."""
        return read_frames(self._files(clip, system), clip.size)

    def _keep(self, clip: Clip, system: str, frames: Tensor) -> None:
        # First, lest a stop in between leave it beside frames that it does not describe.
        self._cached(clip, system).unlink(missing_ok=True)
        write_frames(frames, self._folder(clip, system))

    def _files(self, clip: Clip, system: str) -> list[Path]:
        folder = self._folder(clip, system)
        return [folder / f"frame_{i:03d}.png" for i in range(len(clip.frames))]

    def _folder(self, clip: Clip, system: str) -> Path:
        return self.out / "frames" / folder_name(system) / clip.name

    def _cached(self, clip: Clip, system: str) -> Path:
        return self.out / "cache" / folder_name(system) / f"{clip.name}.json"


def _hash(*parts: str) -> str:
    return hashlib.sha256(" ".join(parts).encode()).hexdigest()


def _record(scores: Scored, key: str) -> dict[str, object]:
    return {"key": key, "scores": scores.values, "features": scores.features}


def _scores(record: dict[str, Any], key: str) -> Scored | None:
    """The scores in a record, or None if they are others than the key's."""
    if record.get("key") != key:
        return None
    return Scored(values=record["scores"], features=record["features"])


def _read(path: Path) -> dict[str, Any]:
    """A record, empty where there is none or a stop has spoiled it."""
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, json.JSONDecodeError):
        return {}


def write_json(path: Path, content: object) -> None:
    """Write a JSON file whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_suffix(".part")
    part.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")
    os.replace(part, path)


def script_json(content: object) -> str:
    """JSON to stand in a page's script element, which "</script" would end, and "<!--<script" keep
    open to the end of the page; ValueError for NaN, which is no JSON."""
    return json.dumps(content, allow_nan=False).replace("<", "\\u003c")


def folder_name(system: str) -> str:
    """What a system's folders are called; a clip's have its own name, which is a folder's."""
    return re.sub(r"[^\w.+-]", "_", system)
