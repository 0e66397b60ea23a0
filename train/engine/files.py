"""Small files, whole or not at all."""

from __future__ import annotations

import os
from collections.abc import Callable
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
        part.unlink(missing_ok=True)
        raise OSError(f"{path} cannot be written ({error})") from error


def write_text(path: Path, text: str) -> None:
    write_whole(path, lambda file: file.write(text.encode()))
