"""The stores that windows are drawn from, read by frame at random: prepared shards, or a folder.

A folder holds clips as `<clip>/frame_000.png ...` with prompt.txt and fps.txt where wanted.
"""

import contextlib
import io
import logging
import os
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import numpy as np

from toon_core.pictures import UNREADABLE
from train.data.motion import Motion
from train.data.readers.clips import moves
from train.data.readers.frames import decode_frame, decode_grey
from train.data.readers.media import frame_files, image_files, one_size
from train.data.readers.texts import DEFAULT_FPS, fps_of, licence_of, prompt_of
from train.data.shards import (
    INDEX,
    SPLITS,
    Record,
    bucket_of,
    read_index,
    read_place,
    stable_hash,
    to_line,
)

log = logging.getLogger("toon.data")

TEST_SHARE = 8  # of a plain folder one clip in so many is held out, where there are as many


def check_data(root: str | Path) -> None:
    """ValueError where it is no folder."""
    if not Path(root).is_dir():
        raise ValueError(f"data={root}: no such folder; give a folder of clips or of shards")


class ClipStore:
    """Clips that windows are drawn from, read by frame at random."""

    def __init__(self, root: str | Path) -> None:
        self.root = Path(root)
        self.records: list[Record] = []

    def split(self, name: str) -> list[Record]:
        """The records of one split, "train" or "test"."""
        if name not in SPLITS:
            raise ValueError(f"split {name!r}: expected one of {SPLITS}")
        return [record for record in self.records if record.split in (name, "both")]

    def stamp(self) -> list[str]:
        """A line for each clip: what decides its windows."""
        return [to_line(record, without="licence") for record in self.records]

    def frames(self, record: Record, indices: Sequence[int] | None = None) -> np.ndarray:
        """Frames (n h w 4) of a clip, uint8 premultiplied RGBA; by default all of them."""
        raise NotImplementedError

    def sketches(self, record: Record, indices: Sequence[int] | None = None) -> np.ndarray | None:
        """Sketches (n h w) of a clip, uint8, bright on black; None where none were drawn."""
        return None

    def motion(self, record: Record) -> Motion | None:
        """Motion bands of a clip, None where they were not measured; ValueError naming it where
        they cannot be read."""
        return None


class Store(ClipStore):
    """A prepared store.

    Clips of a shard that is missing or cut short are left out with a warning. Raises ValueError
    where `root` is no finished store, or none of its clips is there.
    """

    def __init__(self, root: str | Path) -> None:
        super().__init__(root)
        kept = [record for record in read_index(self.root) if record.kept]
        self.records = self._readable(kept)
        if not self.records:
            raise ValueError(f"data={root}: its index has {len(kept)} clips, none can be read")

    def _readable(self, records: list[Record]) -> list[Record]:
        sizes = {record.shard: 0 for record in records}
        for shard in sorted(sizes):
            with contextlib.suppress(OSError):
                sizes[shard] = os.path.getsize(self.root / shard)
        good = [record for record in records if _end(record) <= sizes[record.shard]]
        lost = {record.shard for record in records if _end(record) > sizes[record.shard]}
        if lost:
            names = ", ".join(sorted(lost))
            log.warning(
                "%s: %d clips are left out, %s is missing or cut short",
                self.root, len(records) - len(good), names,
            )  # fmt: skip
        return good

    def frames(self, record: Record, indices: Sequence[int] | None = None) -> np.ndarray:
        return self._images(record, "frames", decode_frame, indices)

    def sketches(self, record: Record, indices: Sequence[int] | None = None) -> np.ndarray | None:
        if not record.places.sketches:
            return None
        return self._images(record, "sketches", decode_grey, indices)

    def motion(self, record: Record) -> Motion:
        with self._naming(record, "motion"):
            data = read_place(self.root / record.shard, record.places.motion)
            with np.load(io.BytesIO(data)) as bands:
                return Motion(change=bands["change"].astype(np.float32), gram=bands["gram"])

    def _images(self, record: Record, kind: str, decode, indices) -> np.ndarray:
        places = getattr(record.places, kind)
        images = []
        for index in range(record.frames) if indices is None else indices:
            with self._naming(record, f"{kind}[{index}]"):
                images.append(decode(read_place(self.root / record.shard, places[index])))
        with self._naming(record, kind):
            return np.stack(images)

    @contextlib.contextmanager
    def _naming(self, record: Record, what: str) -> Iterator[None]:
        """ValueError with the clip's name where the block cannot read something."""
        try:
            yield
        except UNREADABLE as error:
            raise ValueError(
                f"{self.root / record.shard}: {record.id}, {what}: cannot be read ({error})"
            ) from error


def _end(record: Record) -> int:
    """One past the last byte of a clip in its shard."""
    p = record.places
    return max(start + size for start, size in (p.json, *p.frames, *p.sketches))


class FolderStore(ClipStore):
    """The clips of a folder, opaque, with no sketches and no motion measured.

    A hash of its name holds a clip out; with fewer than `TEST_SHARE` clips both splits have all.
    A clip whose texts cannot be read, or whose pictures are of several sizes or sequences, is left
    out with a warning; so are videos. Raises ValueError where the folder has no clip in that form,
    or none can be used.
    """

    def __init__(self, root: str | Path) -> None:
        super().__init__(root)
        check_data(root)
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
        self._splits = split_by_name(self._files)
        self.records = self._readable([f for f in folders if f.name in self._files])

    def _readable(self, folders: list[Path]) -> list[Record]:
        """The records of folders that can be read, with a warning about each other one."""
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
            licence=licence_of(folder, self.root),
            fps=fps_of(folder) or DEFAULT_FPS,
            frames=len(files),
            bucket=bucket_of(height, width),
            split=self._splits[folder.name],
            group=folder.name,
        )

    def stamp(self) -> list[str]:
        """With a line for each file and its size, too."""
        sizes = [
            f"{file.parent.name}/{file.name} {file.stat().st_size}"
            for files in self._files.values()
            for file in files
        ]
        return super().stamp() + sizes

    def frames(self, record: Record, indices: Sequence[int] | None = None) -> np.ndarray:
        files = self._files[record.id]
        picked = files if indices is None else [files[i] for i in indices]
        return np.stack([decode_frame(file) for file in picked])


def split_by_name(names: Iterable[str]) -> dict[str, str]:
    """The split of each clip; of too few all are in "both"."""
    order = sorted(names, key=lambda name: stable_hash("folder", name))
    held_out = order[: len(order) // TEST_SHARE]
    rest = dict.fromkeys(order, "train" if held_out else "both")
    return rest | dict.fromkeys(held_out, "test")


def open_store(data: str | Path) -> ClipStore:
    """Shards of `train.prepare` (a folder with index.jsonl) or a plain folder of clips."""
    return Store(data) if (Path(data) / INDEX).is_file() else FolderStore(data)
