"""The folder that a command writes into: whether it will do, and that nobody else writes there."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

LOCK = ".lock"
PATIENCE = 5  # seconds; the loader processes of a run that was killed may hold it yet


def check_out(out: Path, data: str | Path = "") -> None:
    """ValueError where `out` is a file, or lies among the data that are read."""
    if out.exists() and not out.is_dir():
        raise ValueError(f"out={out} is a file: give a folder")
    if data and Path(data).is_dir() and out.resolve().is_relative_to(Path(data).resolve()):
        raise ValueError(f"out={out} lies in data={data}, which is read: choose another out")


@contextmanager
def claimed(out: Path, data: str | Path = "") -> Iterator[None]:
    """`out` is made, and no other `claimed` of it begins before the block ends, or the process
    does. ValueError where another one has it, or `check_out` refuses it; OSError where it cannot be
    made. The lock's file stays: to remove it would let two have it."""
    check_out(out, data)
    lock = FileLock(out / LOCK, timeout=PATIENCE)
    try:
        out.mkdir(parents=True, exist_ok=True)
        lock.acquire()
    except Timeout as error:
        raise ValueError(
            f"out={out}: another command writes there now; wait for its end, or choose another out"
        ) from error
    except OSError as error:
        raise OSError(f"out={out} cannot be made or written ({error.strerror})") from error
    try:
        yield
    finally:
        lock.release()
