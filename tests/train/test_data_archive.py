"""A tar of clips: unpacked once, again when it changes, and nothing else is touched."""

import io
import os
import tarfile
from pathlib import Path

import pytest

from train.data.archive import unpack


def write_tar(path: Path, **files: str) -> Path:
    with tarfile.open(path, "w") as tar:
        for name, text in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(text)
            tar.addfile(member, io.BytesIO(text.encode()))
    return path


def files(folder: Path) -> dict[str, str]:
    return {path.name: path.read_text() for path in folder.iterdir()}


def test_a_tar_is_unpacked_once(tmp_path):
    archive, target = write_tar(tmp_path / "clips.tar", a="1"), tmp_path / "out" / "source"
    assert unpack(archive, target) == target and files(target) == {"a": "1"}
    (target / "a").write_text("as it is")
    unpack(archive, target)
    assert files(target) == {"a": "as it is"}


def test_a_tar_that_changed_is_unpacked_afresh(tmp_path):
    archive, target = write_tar(tmp_path / "clips.tar", a="1", b="2"), tmp_path / "source"
    unpack(archive, target)
    before = archive.stat()
    write_tar(archive, a="1", c="3")
    unpack(archive, target)
    assert files(target) == {"a": "1", "c": "3"}
    write_tar(archive, a="1", c="4")
    assert archive.stat().st_size == before.st_size
    os.utime(archive, ns=(before.st_mtime_ns + 1, before.st_mtime_ns + 1))
    unpack(archive, target)
    assert files(target) == {"a": "1", "c": "4"}


def test_an_unpacking_that_was_cut_short_begins_again(tmp_path):
    archive, target = write_tar(tmp_path / "clips.tar", a="1" * 9000, b="2"), tmp_path / "source"
    whole = archive.read_bytes()
    archive.write_bytes(whole[:4000])
    with pytest.raises(ValueError, match="clips.tar: cannot be unpacked"):
        unpack(archive, target)
    archive.write_bytes(whole)
    assert files(unpack(archive, target)) == {"a": "1" * 9000, "b": "2"}


def test_what_others_put_there_is_never_deleted(tmp_path):
    archive, target = write_tar(tmp_path / "clips.tar", a="1"), tmp_path / "source"
    target.mkdir()
    (target / "mine").write_text("dear")
    with pytest.raises(ValueError, match="holds something else"):
        unpack(archive, target)
    assert files(target) == {"mine": "dear"}


def test_paths_that_leave_the_folder_are_refused(tmp_path):
    archive = write_tar(tmp_path / "bad.tar", **{"../escaped.json": ""})
    with pytest.raises(ValueError, match="cannot be unpacked"):
        unpack(archive, tmp_path / "out")
    assert not (tmp_path / "escaped.json").exists()
