"""Hashes of what frames are made with, by which kept ones are known to be current."""

import hashlib
from pathlib import Path

import toon_core


def file_digest(path: Path) -> str:
    """SHA-256 in hex; read in pieces, since hashlib.file_digest needs Python 3.11."""
    sha = hashlib.sha256()
    with path.open("rb") as file:
        while piece := file.read(1 << 20):
            sha.update(piece)
    return sha.hexdigest()


def source_digest() -> str:
    """Hash of the core's source, so that a changed sampler is not answered from the cache."""
    core = Path(toon_core.__file__).resolve().parent
    sha = hashlib.sha256()
    for path in sorted(core.rglob("*.py")):
        if "metrics" not in path.relative_to(core).parts:
            sha.update(path.read_bytes())
    return sha.hexdigest()
