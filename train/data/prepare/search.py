"""The clips under a folder or in a tar: what each is called, and what cannot be used and why."""

import hashlib
import json
import os
import shutil
import tarfile
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from train.data.readers.clips import KNOWN, MOVING, moves, reader_of
from train.engine.files import printable, write_text

BEGUN = "begun"
SILENT = (".txt", ".md")  # captions and notes, which need no reason
NO_CLIP = f"no clip; expected {KNOWN}"


@dataclass(frozen=True, kw_only=True)
class Sources:
    """The paths of `clips` by id, in their order, and (path, reason) of what is `refused`."""

    clips: dict[str, Path]
    refused: dict[str, tuple[Path, str]]


def search(root: str | Path) -> Sources:
    """Every clip under `root`; a folder of frames is one, `root` itself where it has nothing else.
    ValueError where it is no folder.

    Files of one kind that are no clips are refused together, `<folder>/*.psd`. Hidden files,
    captions and notes are passed over. Links to folders elsewhere are not followed.

    An id is the path below `root` without suffix and dots, so that two clips may want the same
    one (`ep.01` and `ep_01`): then each has a hash of its path behind it.
    """
    root = Path(root)
    if not root.is_dir():
        raise ValueError(f"data={root}: expected a folder of clips or a .tar/.tar.xz of one")
    entries = _merge_strange(_walk(root, ()))
    by_id: dict[str, list[Path]] = defaultdict(list)
    for path, _ in entries:
        by_id[clip_id(path, root)].append(path)
    names = {
        path: name if len(paths) == 1 else f"{name}-{_short_hash(path, root)}"
        for name, paths in by_id.items()
        for path in paths
    }
    return Sources(
        clips={names[path]: path for path, reason in entries if not reason},
        refused={names[path]: (path, reason) for path, reason in entries if reason},
    )


def clip_id(path: Path, root: Path) -> str:
    """WebDataset ends a member's key at its first dot, so that an id has none."""
    relative = Path(path.name) if path == root else path.relative_to(root)
    folder = os.path.isdir(path)  # unlike pathlib's it raises nothing
    parts = relative.parts if folder else relative.with_suffix("").parts
    name = printable("__".join(parts).replace(".", "_"))
    if len(name.encode()) <= 120:
        return name
    return name[:40] + "-" + hashlib.sha256(name.encode()).hexdigest()[:16]


def _short_hash(path: Path, root: Path) -> str:
    return hashlib.sha256(os.fsencode(path.relative_to(root))).hexdigest()[:8]


def cannot_be_opened(error: OSError) -> str:
    """The reason of a drop; it names no place of a machine."""
    return f"read: cannot be opened ({error.strerror or type(error).__name__})"


def _merge_strange(walk: Iterable[tuple[Path, str]]) -> list[tuple[Path, str]]:
    """With one entry for all files of a folder that are no clips and of the same kind."""
    entries, strange = [], Counter()
    for path, reason in walk:
        if reason == NO_CLIP:
            strange[path.parent, path.suffix.lower()] += 1
        else:
            entries.append((path, reason))
    for (folder, kind), count in strange.items():
        entries.append((folder / f"*{kind}", f"read: {count} file{'s'[: count > 1]}, {NO_CLIP}"))
    return entries


def _walk(path: Path, above: tuple[Path, ...]) -> Iterator[tuple[Path, str]]:
    """(path, "") of every clip, and (path, reason) of what is none; `above`: the folders it is in,
    from the root on."""
    try:
        yield from _opened(path, above)
    except OSError as error:
        yield path, cannot_be_opened(error)


def _opened(path: Path, above: tuple[Path, ...]) -> Iterator[tuple[Path, str]]:
    path.stat()  # a link to nothing ends here
    place = path.resolve()
    if not (path.is_file() or path.is_dir()):
        yield path, "read: no regular file"  # a pipe, which would be waited for
    elif place in above:
        yield path, "read: a link to a folder above it"
    elif path.is_dir() and above and not place.is_relative_to(above[0]):
        yield path, "read: a link to a folder outside data; copy it there, or give it as data"
    elif reader_of(path) and (above or not _has_more(path)):
        yield path, ""
        yield from _beside_frames(path) if path.is_dir() else ()
    elif not path.is_dir():
        yield path, NO_CLIP
    else:
        for inner in _entries(path):
            yield from _walk(inner, (*above, place))


def _has_more(root: Path) -> bool:
    """Whether numbered pictures at the top of `data` are not all there is: then they are no clip,
    lest two of them hide a folder full of clips."""
    place = (root.resolve(),)
    return any(
        not all(reason for _, reason in _walk(inner, place)) if inner.is_dir() else moves(inner)
        for inner in _entries(root)
    )


def _entries(folder: Path) -> list[Path]:
    """The entries of a folder but for hidden files, captions and notes."""
    return sorted(
        path
        for path in folder.iterdir()
        if not path.name.startswith(".") and (path.suffix.lower() not in SILENT or path.is_dir())
    )


def _beside_frames(folder: Path) -> Iterator[tuple[Path, str]]:
    for inner in _entries(folder):
        if inner.suffix.lower() in MOVING or inner.is_dir():
            yield inner, "read: beside frames, whose folder is one clip"


def unpack(archive: str | Path, target: Path) -> Path:
    """Unpack a tar of clips into `target`, which is returned; again where the tar has changed.

    `<target>.unpacked` beside it has the tar's size and time. Unsafe members are refused.
    ValueError for what is no tar, and for a `target` that holds something else.
    """
    state = target.with_name(target.name + ".unpacked")
    try:
        stat = Path(archive).stat()
        stamp = json.dumps([stat.st_size, stat.st_mtime_ns])
        if state.is_file() and state.read_text() == stamp:
            return target
        _clear(target, ours=state.is_file())
        write_text(state, BEGUN, sync=True)
        with tarfile.open(archive) as tar:
            tar.extractall(target, filter="data")
    except (tarfile.TarError, OSError, EOFError) as error:
        raise ValueError(f"data={archive}: cannot be unpacked as a tar ({error})") from error
    write_text(state, stamp, sync=True)
    return target


def _clear(target: Path, ours: bool) -> None:
    """Make `target` an empty folder; what was not unpacked by this module is never deleted."""
    if ours and target.exists():
        shutil.rmtree(target)
    target.mkdir(parents=True, exist_ok=True)
    if any(target.iterdir()):
        raise ValueError(
            f"{target}: this folder is for the unpacked tar and holds something else; "
            "move that away, or choose another out"
        )
