"""Tar shards, written so that equal clips give equal bytes."""

import os
import re
import tarfile
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import IO

from train.data.store import SPLITS, Place

BLOCK = 512
END = bytes(2 * BLOCK)  # of a tar
SHARD = re.compile(rf"({'|'.join(SPLITS)})-\d{{6,}}\.tar(\.partial)?")


def found_shards(folder: Path) -> list[Path]:
    """What `ShardWriter` has left in a folder, finished or not; no other tar."""
    return [path for path in sorted(folder.glob("*.tar*")) if SHARD.fullmatch(path.name)]


def member(name: str, data: bytes) -> tuple[bytes, int]:
    """A file as it stands in a tar, and where its data begin in that; no times, no owner."""
    info = tarfile.TarInfo(name)
    info.size, info.mtime, info.mode = len(data), 0, 0o644
    head = info.tobuf(tarfile.PAX_FORMAT)
    return head + data + bytes(-len(data) % BLOCK), len(head)


def fragment(members: Iterable[tuple[str, bytes]]) -> tuple[bytes, list[Place]]:
    """Members one after the other, without a tar's end, and the place of each one's data."""
    whole, places = bytearray(), []
    for name, data in members:
        entry, start = member(name, data)
        places.append((len(whole) + start, len(data)))
        whole += entry
    return bytes(whole), places


def write_atomic(path: Path, write: Callable[[IO[bytes]], object]) -> None:
    """Let `write(file)` fill a file that appears under its name only when it is complete."""
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(path.name + ".partial")
    with open(partial, "wb") as file:
        write(file)
        file.flush()
        os.fsync(file.fileno())
    os.replace(partial, path)


class ShardWriter:
    """Shards `<prefix>-000000.tar ...` of about `limit` bytes; a clip is never divided."""

    def __init__(self, folder: Path, prefix: str, limit: int) -> None:
        self.folder, self.prefix, self.limit = folder, prefix, limit
        self._number, self._file, self._size = 0, None, 0
        folder.mkdir(parents=True, exist_ok=True)

    @property
    def name(self) -> str:
        return f"{self.prefix}-{self._number:06d}.tar"

    def add(self, part: bytes) -> tuple[str, int]:
        """Append a clip's fragment; its shard and where it begins there."""
        if self._file and self._size + len(part) > self.limit:
            self.close()
            self._number += 1
        if not self._file:
            self._file, self._size = open(self._partial, "wb"), 0  # noqa: SIM115 (until close)
        start = self._size
        self._file.write(part)
        self._size += len(part)
        return self.name, start

    @property
    def _partial(self) -> Path:
        return self.folder / f"{self.name}.partial"

    def close(self) -> None:
        """Finish the shard in hand; it gets its name only now."""
        if not self._file:
            return
        self._file.write(END)
        self._file.flush()
        os.fsync(self._file.fileno())
        self._file.close()
        self._file = None
        os.replace(self._partial, self.folder / self.name)
