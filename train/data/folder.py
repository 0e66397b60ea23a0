"""A folder of clips, `<clip>/frame_000.png ...` with prompt.txt and fps.txt where wanted."""

import logging
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np

from train.data.buckets import bucket_of
from train.data.clips import moves
from train.data.frames import FrameCache, decode_frame
from train.data.names import prompt_of
from train.data.sequence import frame_files, image_files, one_size, sequence_fps
from train.data.store import Record, select_split, stable_hash, to_line

log = logging.getLogger("toon.data")

TEST_SHARE = 8  # one clip in so many is held out, where there are as many


class FolderStore:
    """Read like a `Store`: the clips of a folder, opaque, with no motion measured.

    A hash of its name holds a clip out; with fewer than `TEST_SHARE` clips both splits have all.
    A clip whose texts cannot be read, or whose pictures are of several sizes or sequences, is left
    out with a warning; so are videos. Raises ValueError where the folder has no clip in that form,
    or none can be used.
    """

    def __init__(self, root: str | Path) -> None:
        self.root = Path(root)
        if not self.root.is_dir():
            raise ValueError(f"data={root}: no such folder; give a folder of clips or of shards")
        folders = [self.root, *sorted(path for path in self.root.iterdir() if path.is_dir())]
        found = {folder: image_files(folder) for folder in folders}
        self._files = {folder.name: files for folder, files in found.items() if len(files) > 1}
        if not self._files:
            raise ValueError(
                f"data={root}: neither shards (index.jsonl) nor clips (<clip>/frame_000.png ...); "
                f"`python -m train.prepare data={root} out=SHARDS` makes shards from other media"
            )
        if videos := [path.name for path in sorted(self.root.iterdir()) if moves(path)]:
            log.warning(
                "data=%s: videos and animations are not read here (%d, %s ...): `python -m "
                "train.prepare data=%s out=SHARDS` makes clips of them",
                root, len(videos), videos[0], root,
            )  # fmt: skip
        self._held_out = _held_out(self._files)
        self.records = self._readable([f for f in folders if f.name in self._files])
        self._cache = FrameCache()

    def __getstate__(self) -> dict:
        return self.__dict__ | {"_cache": FrameCache()}

    def _readable(self, folders: list[Path]) -> list[Record]:
        """Those that can be read, with a warning about each other one."""
        records, last = [], None
        for folder in folders:
            try:
                records.append(self._record(folder))
            except (OSError, ValueError) as error:
                log.warning("%s is left out: %s", folder, error)
                last = error
        if not records:
            raise ValueError(f"data={self.root}: none of its clips can be read: {last}")
        return records

    def _record(self, folder: Path) -> Record:
        files = self._files[folder.name] = frame_files(folder)
        width, height = one_size(files)
        return Record(
            id=folder.name,
            caption=prompt_of(folder),
            fps=sequence_fps(folder),
            frames=len(files),
            bucket=bucket_of(height, width),
            split=self._split(folder.name),
            group=folder.name,
        )

    def _split(self, name: str) -> str:
        if len(self._files) < TEST_SHARE:
            return "both"
        return "test" if name in self._held_out else "train"

    def split(self, name: str) -> list[Record]:
        """The records of one split, "train" or "test"."""
        return select_split(self.records, name)

    def stamp(self) -> list[str]:
        """Another list for other clips: what is known of each, and the sizes of its files."""
        sizes = [
            f"{file.parent.name}/{file.name} {file.stat().st_size}"
            for files in self._files.values()
            for file in files
        ]
        return [to_line(record) for record in self.records] + sizes

    def frames(self, record: Record, indices: Sequence[int] | None = None) -> np.ndarray:
        """Frames (n h w 4) of a clip, uint8 premultiplied RGBA; by default all of them."""
        files = self._files[record.id]
        picked = files if indices is None else [files[i] for i in indices]
        frames = [self._cache.get(file, lambda file=file: decode_frame(file)) for file in picked]
        if len({frame.shape for frame in frames}) > 1:
            raise ValueError(f"{self.root / record.id}: its frames have different sizes")
        return np.stack(frames)

    def sketches(self, record: Record, indices: Sequence[int] | None = None) -> None:
        """A plain folder holds none."""
        return None

    def motion(self, record: Record) -> None:
        """Not measured."""
        return None


def _held_out(names: Iterable[str]) -> set[str]:
    order = sorted(names, key=lambda name: stable_hash("folder", name))
    return set(order[: len(order) // TEST_SHARE])
