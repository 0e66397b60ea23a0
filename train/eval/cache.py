"""What is kept in the output folder so that an interrupted evaluation goes on where it stopped."""

import hashlib
import json
import re
import shutil
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

from torch import Tensor

from train.engine.files import write_text

from .scores import Scored
from .systems import Sampling, System, run_system
from .testset import Clip, read_frames, write_frames

# Raised where the same system, recipe and clip give other frames than before, or a metric other
# values; `--fresh` does the same for one folder.
VERSION = 1


class Cache:
    """Frames and scores of each clip by each system, under OUT/frames and OUT/cache, and the
    truth's own under OUT/truth.

    Frames are kept by system, recipe and clip; OUT/frames/SYSTEM is itself a folder of frames that
    can be scored as a system. `measures` says how is measured: where it changes, kept frames are
    scored again.
    """

    def __init__(self, out: Path, sampling: Sampling, measures: str = "") -> None:
        self.out, self.sampling, self.measures = out, sampling, measures

    def scored(self, clip: Clip, system: System, score: Callable[[Tensor], Scored]) -> Scored:
        """The scores of the clip by the system: those kept, else those of the kept frames, else
        those of the frames that it makes, which are kept."""
        path = self.out / "cache" / folder_name(system.name) / f"{clip.name}.json"
        made = _hash(clip.digest(), system.fingerprint(clip, self.sampling))
        record, files = _read(path), self._files(clip, system.name)
        if record.get("frames") == made and all(file.is_file() for file in files):
            return self._scores(path, made, lambda: score(read_frames(files, clip.size)))
        frames = run_system(system, clip, self.sampling)
        # First, lest a stop in between leave it beside frames that it does not describe.
        path.unlink(missing_ok=True)
        write_frames(frames, files[0].parent)
        write_json(path, {"frames": made})
        return self._scores(path, made, lambda: score(frames))

    def truth(self, clip: Clip, score: Callable[[], Scored]) -> Scored:
        """The truth's own scores: those kept, else made by `score` and kept."""
        return self._scores(self.out / "truth" / f"{clip.name}.json", clip.digest(), score)

    def _scores(self, path: Path, frames: str, score: Callable[[], Scored]) -> Scored:
        """Those in a file, if they are of these frames and measured in this way, else made and
        kept."""
        record, key = _read(path), _hash("scores", frames, self.measures)
        if record.get("key") != key:
            record = {"frames": frames, "key": key, "scores": asdict(score())}
            write_json(path, record)
        return Scored(**record["scores"])

    def decoded(self, clip: Clip, weights: str, score: Callable[[], Scored]) -> Scored:
        """How an autoencoder gives the clip back, under OUT/reconstruction by its weights' hash."""
        name = _hash(clip.digest(), weights, self.measures)
        return self._scores(self.out / "reconstruction" / f"{name}.json", clip.digest(), score)

    def frames(self, clip: Clip, system: str) -> Tensor:
        """The kept frames (f 3 h w) in [0, 1] of a clip that `scored` has seen."""
        return read_frames(self._files(clip, system), clip.size)

    def forget(self) -> None:
        """All frames and scores are made again. Pictures stay until then: they may be a system."""
        for part in ("cache", "truth", "reconstruction"):
            shutil.rmtree(self.out / part, ignore_errors=True)

    def _files(self, clip: Clip, system: str) -> list[Path]:
        folder = self.out / "frames" / folder_name(system) / clip.name
        return [folder / f"frame_{i:03d}.png" for i in range(len(clip.frames))]


def _hash(*parts: str) -> str:
    return hashlib.sha256(" ".join([str(VERSION), *parts]).encode()).hexdigest()


def _read(path: Path) -> dict[str, Any]:
    """A record, empty where there is none or a stop has spoiled it."""
    try:
        return read_json(path)
    except ValueError:
        return {}


def read_json(file: Path) -> Any:
    """What a file from elsewhere holds; ValueError where it is no JSON."""
    try:
        return json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise ValueError(f"{file} cannot be read as JSON: {error}") from error


def write_json(path: Path, content: object) -> None:
    """Write a JSON file whole or not at all."""
    write_text(path, json.dumps(content, indent=1) + "\n")


def folder_name(system: str) -> str:
    """What a system's folders are called; a clip's have its own name, which is a folder's."""
    return re.sub(r"[^\w.+-]", "_", system)
