"""Files: small ones written whole or not at all, and their hashes."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import IO


def write_whole(path: Path, write: Callable[[IO[bytes]], object]) -> None:
    """Let `write(file)` fill a file that takes its name when it is complete. OSError naming it
    where it cannot be written; what was there stays."""
    part = path.with_name(path.name + ".part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with part.open("wb") as file:
            write(file)
        os.replace(part, path)
    except OSError as error:
        with suppress(OSError):  # there may be none, or a folder of that name
            part.unlink()
        raise OSError(f"{path} cannot be written ({error})") from error


def write_text(path: Path, text: str) -> None:
    write_whole(path, lambda file: file.write(text.encode()))


def file_digest(path: Path) -> str:
    """SHA-256 in hex; read in pieces, since hashlib.file_digest needs Python 3.11."""
    sha = hashlib.sha256()
    with path.open("rb") as file:
        while piece := file.read(1 << 20):
            sha.update(piece)
    return sha.hexdigest()
