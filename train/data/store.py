"""The stores that windows are drawn from, read by frame at random: prepared shards, or a folder.

A folder holds clips as `<clip>/frame_000.png ...` with prompt.txt and fps.txt where wanted.
"""

import contextlib
import io
import logging
import os
from collections import OrderedDict
from collections.abc import Callable, Hashable, Iterable, Iterator, Sequence
from pathlib import Path

import numpy as np

from toon_core.pictures import UNREADABLE
from train.data.motion import Motion
from train.data.readers.clips import moves
from train.data.readers.frames import decode_frame, decode_grey
from train.data.readers.media import frame_files, image_files, one_size
from train.data.readers.texts import licence_of, prompt_of, sequence_fps
from train.data.shards import (
    INDEX,
    Place,
    Record,
    bucket_of,
    read_index,
    select_split,
    stable_hash,
    stamp_of,
)

log = logging.getLogger("toon.data")

BUDGET = 192 * 2**20  # bytes of decoded frames that one process keeps
TEST_SHARE = 8  # of a plain folder one clip in so many is held out, where there are as many


class FrameCache:
    """Keeps decoded frames up to `budget` bytes; the least recently used go first."""

    def __init__(self, budget: int = BUDGET) -> None:
        self.budget, self.size = budget, 0
        self._kept: OrderedDict[Hashable, np.ndarray] = OrderedDict()

    def get(self, key: Hashable, make: Callable[[], np.ndarray]) -> np.ndarray:
        """The frame under `key`, made where it is not kept."""
        if key in self._kept:
            self._kept.move_to_end(key)
            return self._kept[key]
        frame = self._kept[key] = make()
        self.size += frame.nbytes
        while self.size > self.budget and len(self._kept) > 1:
            self.size -= self._kept.popitem(last=False)[1].nbytes
        return frame


class Store:
    """A prepared store, opened for reading: clips by frame, at random.

    Clips of a shard that is missing or cut short are left out with a warning. Raises ValueError
    where `root` is no finished store, or none of its clips is there.
    """

    def __init__(self, root: str | Path) -> None:
        self.root = Path(root)
        kept = [record for record in read_index(self.root) if record.kept]
        self.records = self._readable(kept)
        if not self.records:
            raise ValueError(f"data={root}: its index has {len(kept)} clips, none can be read")
        self._open: dict[str, int] = {}
        self._cache = FrameCache()

    def __getstate__(self) -> dict:
        return self.__dict__ | {"_open": {}, "_cache": FrameCache()}  # a worker opens its own

    def __del__(self) -> None:
        for handle in getattr(self, "_open", {}).values():
            os.close(handle)

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

    def split(self, name: str) -> list[Record]:
        """The records of one split, "train" or "test"."""
        return select_split(self.records, name)

    def stamp(self) -> list[str]:
        """A line for each clip; other clips have other lines."""
        return [stamp_of(record) for record in self.records]

    def frames(self, record: Record, indices: Sequence[int] | None = None) -> np.ndarray:
        """Frames (n h w 4) of a clip, uint8 premultiplied RGBA; by default all of them."""
        return self._images(record, "frames", decode_frame, indices)

    def sketches(self, record: Record, indices: Sequence[int] | None = None) -> np.ndarray | None:
        """Sketches (n h w) of a clip, uint8, bright on black; None where none were drawn."""
        if not record.places.sketches:
            return None
        return self._images(record, "sketches", decode_grey, indices)

    def motion(self, record: Record) -> Motion:
        """Motion bands of a clip; ValueError naming it where they cannot be read."""
        with self._naming(record, "motion"):
            data = self._bytes(record, record.places.motion)
            with np.load(io.BytesIO(data)) as bands:
                return Motion(change=bands["change"].astype(np.float32), gram=bands["gram"])

    def _images(self, record: Record, kind: str, decode, indices) -> np.ndarray:
        places = getattr(record.places, kind)
        numbers = range(record.frames) if indices is None else indices
        images = []
        for index in numbers:
            place = places[index]

            def read(place: Place = place) -> np.ndarray:
                return decode(self._bytes(record, place))

            with self._naming(record, f"{kind[:-1]} {index}"):
                images.append(self._cache.get((record.id, kind, index), read))
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

    def _bytes(self, record: Record, place: Place) -> bytes:
        if record.shard not in self._open:
            self._open[record.shard] = os.open(self.root / record.shard, os.O_RDONLY)
        return os.pread(self._open[record.shard], place[1], place[0])


def _end(record: Record) -> int:
    """One past the last byte of a clip in its shard."""
    p = record.places
    return max(start + size for start, size in (p.json, *p.frames, *p.sketches))


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
        """A line for each clip and for each file with its size; other clips have other lines."""
        sizes = [
            f"{file.parent.name}/{file.name} {file.stat().st_size}"
            for files in self._files.values()
            for file in files
        ]
        return [stamp_of(record) for record in self.records] + sizes

    def frames(self, record: Record, indices: Sequence[int] | None = None) -> np.ndarray:
        """Frames (n h w 4) of a clip, uint8 premultiplied RGBA; by default all of them."""
        files = self._files[record.id]
        picked = files if indices is None else [files[i] for i in indices]
        frames = [self._cache.get(file, lambda file=file: decode_frame(file)) for file in picked]
        if len({frame.shape for frame in frames}) > 1:
            raise ValueError(f"{self.root / record.id}: its frames have different sizes")
        return np.stack(frames)

    def sketches(self, record: Record, indices: Sequence[int] | None = None) -> None:
        """None: a plain folder holds no sketches."""
        return None

    def motion(self, record: Record) -> None:
        """None: the motion is not measured."""
        return None


def _held_out(names: Iterable[str]) -> set[str]:
    order = sorted(names, key=lambda name: stable_hash("folder", name))
    return set(order[: len(order) // TEST_SHARE])


ClipStore = Store | FolderStore


def open_store(data: str | Path) -> ClipStore:
    """Shards of `train.prepare` (a folder with index.jsonl) or a plain folder of clips."""
    return Store(data) if (Path(data) / INDEX).is_file() else FolderStore(data)
