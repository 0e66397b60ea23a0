"""The frame cache: one uncompressed .npy per clip (memory-mapped) and one index.json.

`clips/<id>.npy` holds (f s s 4) uint8 RGBA with alpha premultiplied into RGB, `clips/<id>.json`
the clip's record, `motion/<id>.npz` its motion bands (train.data.motion); `index.json` has every
record with its group and split, and what was skipped.
"""

import hashlib
import json
import os
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from train.data.clips import Clip
from train.data.motion import Motion, measure_motion

FORMAT = 1
SPLITS = ("train", "test")


@dataclass(frozen=True, kw_only=True)
class Record:
    """What the index knows of one clip; `large` counts its disjoint large-motion windows."""

    id: str
    name: str
    prompt: str
    fps: float
    frames: int
    alpha: bool
    split: str = ""
    group: str = ""
    large: int = 0


def clip_id(path: Path, root: Path) -> str:
    """File name of a clip inside the cache: its path below `root`, without the suffix."""
    if path == root:
        return path.name
    relative = path.relative_to(root)
    parts = relative.parts if path.is_dir() else relative.with_suffix("").parts
    return "__".join(parts)


def stable_hash(*parts: object) -> int:
    """A 64-bit hash that is the same on every machine and run."""
    text = "\0".join(map(str, parts)).encode()
    return int.from_bytes(hashlib.sha256(text).digest()[:8], "big")


def write_atomic(path: Path, write) -> None:
    """Let `write(file)` fill a file that appears under its name only when it is complete."""
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(path.name + ".partial")
    with open(partial, "wb") as file:
        write(file)
    os.replace(partial, path)


def store_clip(out: Path, identity: str, clip: Clip) -> Record:
    """Write a clip's frames and motion; gives its record, not yet with group and split."""
    store_frames(out, identity, clip.frames)
    return Record(
        id=identity,
        name=clip.name,
        prompt=clip.prompt,
        fps=clip.fps,
        frames=len(clip.frames),
        alpha=clip.alpha,
    )


def store_frames(out: Path, identity: str, frames: np.ndarray) -> None:
    """Write frames (f s s 4) and their motion into the cache folder `out`."""
    motion = measure_motion(frames)
    bands = {"change": motion.change.astype(np.float16), "gram": motion.gram}
    write_atomic(out / "motion" / f"{identity}.npz", lambda f: np.savez_compressed(f, **bands))
    write_atomic(out / "clips" / f"{identity}.npy", lambda f: np.save(f, frames))


def load_index(index: dict, source: str) -> list[Record]:
    """The records of an index.json; ValueError where its format is another."""
    if index.get("format") != FORMAT:
        raise ValueError(f"{source}: cache format {index.get('format')}, expected {FORMAT}")
    return [Record(**record) for record in index["clips"]]


class Cache:
    """A prepared cache, opened for reading; frames are memory-mapped when asked for.

    Raises ValueError where `root` is no finished cache.
    """

    def __init__(self, root: str | Path):
        self.root = Path(root)
        file = self.root / "index.json"
        if not file.exists():
            raise ValueError(
                f"cache={root}: no index.json there; make one with "
                f"`python -m train.prepare data=FOLDER out={root}`"
            )
        index = json.loads(file.read_text(encoding="utf-8"))
        self.records = load_index(index, str(file))
        self.size: int = index["size"]
        self._mapped: dict[str, np.ndarray] = {}

    def __getstate__(self) -> dict:
        return self.__dict__ | {"_mapped": {}}  # a worker maps the files anew

    def split(self, name: str) -> list[Record]:
        """The records of one split, "train" or "test"."""
        if name not in SPLITS:
            raise ValueError(f"split {name!r}: expected one of {SPLITS}")
        return [record for record in self.records if record.split == name]

    def frames_path(self, record: Record) -> Path:
        """The .npy file of a clip."""
        return self.root / "clips" / f"{record.id}.npy"

    def frames(self, record: Record) -> np.ndarray:
        """Frames (f s s 4) of a clip, uint8 premultiplied RGBA, read-only."""
        if record.id not in self._mapped:
            self._mapped[record.id] = np.load(self.frames_path(record), mmap_mode="r")
        return self._mapped[record.id]

    def motion(self, record: Record) -> Motion:
        """Motion bands of a clip."""
        with np.load(self.root / "motion" / f"{record.id}.npz") as bands:
            return Motion(change=bands["change"].astype(np.float32), gram=bands["gram"])


def write_index(out: Path, size: int, records: list[Record], skipped: dict[str, str]) -> None:
    """Write index.json, sorted by clip."""
    clips = [asdict(record) for record in sorted(records, key=lambda record: record.id)]
    index = {"format": FORMAT, "size": size, "clips": clips, "skipped": skipped}
    text = json.dumps(index, indent=1, ensure_ascii=False)
    write_atomic(out / "index.json", lambda f: f.write(text.encode()))
