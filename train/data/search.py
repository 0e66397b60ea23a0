"""The search for clips under a folder: what each is called, and what cannot be used and why."""

import hashlib
import os
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from train.data.clips import reader_of


@dataclass(frozen=True, kw_only=True)
class Found:
    """By id, in the order of the paths: the `clips`, and the (path, reason) of the `refused`."""

    clips: dict[str, Path]
    refused: dict[str, tuple[Path, str]]


def search(root: str | Path) -> Found:
    """Every clip under `root`; a folder of frames is one. ValueError where it is no folder.

    An id is the path below `root` without suffix and dots, so that two clips may want the same
    one (`ep.01` and `ep_01`): then each has a hash of its path behind it.
    """
    root = Path(root)
    if not root.is_dir():
        raise ValueError(f"data={root}: expected a folder of clips or a .tar/.tar.xz of one")
    found = list(_walk(root, frozenset()))
    wanted: dict[str, list[Path]] = defaultdict(list)
    for path, _ in found:
        wanted[clip_id(path, root)].append(path)
    names = {
        path: name if len(paths) == 1 else f"{name}-{_short_hash(path, root)}"
        for name, paths in wanted.items()
        for path in paths
    }
    return Found(
        clips={names[path]: path for path, reason in found if not reason},
        refused={names[path]: (path, reason) for path, reason in found if reason},
    )


def clip_id(path: Path, root: Path) -> str:
    """WebDataset ends a member's key at its first dot, so that an id has none."""
    relative = Path(path.name) if path == root else path.relative_to(root)
    folder = os.path.isdir(path)  # unlike pathlib's it raises nothing
    parts = relative.parts if folder else relative.with_suffix("").parts
    name = "__".join(parts).replace(".", "_")
    if len(name.encode()) <= 120:
        return name
    return name[:40] + "-" + hashlib.sha256(name.encode()).hexdigest()[:16]


def _short_hash(path: Path, root: Path) -> str:
    return hashlib.sha256(path.relative_to(root).as_posix().encode()).hexdigest()[:8]


def cannot_be_opened(error: OSError) -> str:
    """The reason of a drop; it names no place of a machine."""
    return f"read: cannot be opened ({error.strerror or type(error).__name__})"


def _walk(path: Path, above: frozenset[Path]) -> Iterator[tuple[Path, str]]:
    """(path, "") of every clip, and (path, reason) of what is none."""
    try:
        yield from _opened(path, above)
    except OSError as error:
        yield path, cannot_be_opened(error)


def _opened(path: Path, above: frozenset[Path]) -> Iterator[tuple[Path, str]]:
    path.stat()  # a link to nothing ends here
    if reader_of(path):
        yield path, ""
    elif path.is_dir():
        real = path.resolve()
        if real in above:
            yield path, "read: a link to a folder above it"
            return
        for inner in sorted(path.iterdir()):
            yield from _walk(inner, above | {real})
