"""A tar of clips, unpacked once for every state of it."""

import json
import shutil
import tarfile
from pathlib import Path

from train.data.shards import write_atomic

BEGUN = "begun"


def unpack(archive: str | Path, target: Path) -> Path:
    """Unpack a tar of clips into `target`, which is returned; again where the tar has changed.

    `<target>.unpacked` beside it has the tar's size and time. Unsafe members are refused.
    ValueError for what is no tar, and for a `target` that holds something else.
    """
    state = target.with_name(target.name + ".unpacked")
    try:
        found = Path(archive).stat()
        stamp = json.dumps([found.st_size, found.st_mtime_ns])
        if state.is_file() and state.read_text() == stamp:
            return target
        _clear(target, ours=state.is_file())
        write_atomic(state, lambda file: file.write(BEGUN.encode()))
        with tarfile.open(archive) as tar:
            tar.extractall(target, filter="data")
    except (tarfile.TarError, OSError, EOFError) as error:
        raise ValueError(f"data={archive}: cannot be unpacked as a tar ({error})") from error
    write_atomic(state, lambda file: file.write(stamp.encode()))
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
