"""Which model a file is, without reading it twice."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

from .takes import write_whole

PIECE = 2**24


def file_digest(path: Path, notes: Path) -> str:
    """SHA-256 of a file, 16 letters. notes: a JSON file that keeps it by path, size and time, since
    a checkpoint of 10 GB takes a minute to read."""
    status = path.stat()
    key = f"{path.resolve()} {status.st_size} {status.st_mtime_ns}"
    try:
        known = json.loads(notes.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        known = {}
    if not isinstance(known, dict) or not isinstance(known.get(key), str):
        told = hashlib.sha256()
        with path.open("rb") as file:
            while piece := file.read(PIECE):
                told.update(piece)
        known = {**(known if isinstance(known, dict) else {}), key: told.hexdigest()[:16]}
        write_whole(notes, json.dumps(known, indent=1).encode())
    return str(known[key])
