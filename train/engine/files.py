"""Files written whole or not at all, their hashes and names, and the folder a command fills."""

from __future__ import annotations

import csv
import hashlib
import io
import os
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from filelock import FileLock, Timeout

LOCK = ".lock"
PATIENCE = 5  # seconds; the loader processes of a run that was killed may hold it yet


def atomic_write(path: Path, write: Callable[[IO[bytes]], object], sync: bool = False) -> None:
    """Let `write(file)` fill a file that takes its name when it is complete. OSError naming it
    where it cannot be written; what was there stays. `sync`: it is on the disk before."""
    part = path.with_name(path.name + ".part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with part.open("wb") as file:
            write(file)
            if sync:
                file.flush()
                os.fsync(file.fileno())
        os.replace(part, path)
    except OSError as error:
        with suppress(OSError):  # there may be none, or a folder of that name
            part.unlink()
        told = OSError(f"{path} cannot be written ({error})")
        told.errno = error.errno
        raise told from error


def write_text(path: Path, text: str, sync: bool = False) -> None:
    atomic_write(path, lambda file: file.write(text.encode()), sync)


def write_csv(path: Path, header: Sequence[object], rows: Iterable[Sequence[object]]) -> None:
    text = io.StringIO(newline="")
    csv.writer(text).writerows([header, *rows])
    write_text(path, text.getvalue())


def file_digest(path: Path) -> str:
    """SHA-256 in hex."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def printable(name: str, most: int | None = None) -> str:
    r"""A file's name, or a text with one, as text that can be stored and shown: a byte that is no
    UTF-8 becomes `\udcff`, a control character `\n`; cut to `most` characters."""
    if most and len(name) > most:
        name = f"{name[: most - 4]} ..."
    text = name.encode("utf-8", "backslashreplace").decode()
    return re.sub(r"[\x00-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069]", _escape, text)


def _escape(found: re.Match) -> str:
    return found[0].encode("unicode_escape").decode()


@dataclass(frozen=True)
class OutFolder:
    """The folder that a command fills. ValueError where it is a file, or lies among the data that
    are read."""

    path: Path
    data: str | Path = ""

    def __post_init__(self) -> None:
        out, data = self.path, self.data
        if out.exists() and not out.is_dir():
            raise ValueError(f"out={out} is a file: give a folder")
        if data and Path(data).is_dir() and out.resolve().is_relative_to(Path(data).resolve()):
            raise ValueError(f"out={out} lies in data={data}, which is read: choose another out")

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Make it and lock it until the block, or the process, ends. ValueError where another
        command has it; OSError where it cannot be made. The lock's file stays: to remove it would
        let two have it."""
        lock = FileLock(self.path / LOCK, timeout=PATIENCE)
        try:
            self.path.mkdir(parents=True, exist_ok=True)
            lock.acquire()
        except Timeout as error:
            raise ValueError(
                f"out={self.path}: another command writes there now; wait for its end, or choose "
                "another out"
            ) from error
        except OSError as error:
            raise OSError(
                f"out={self.path} cannot be made or written ({error.strerror})"
            ) from error
        try:
            yield
        finally:
            lock.release()
