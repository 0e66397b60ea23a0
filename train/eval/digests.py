"""Hashes of what frames are made with, by which kept ones are known to be current."""

import hashlib
from pathlib import Path

import toon_core


def source_digest() -> str:
    """Hash of the core's source, so that a changed sampler is not answered from the cache."""
    core = Path(toon_core.__file__).resolve().parent
    sha = hashlib.sha256()
    for path in sorted(core.rglob("*.py")):
        if "metrics" not in path.relative_to(core).parts:
            sha.update(path.read_bytes())
    return sha.hexdigest()
