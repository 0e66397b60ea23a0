"""The store: takes come back as they were, and nothing else is taken for one."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from PIL import Image

from toon_core.shots.identity import file_digest
from toon_core.shots.takes import TakeError, Takes, take_name

FRAMES = torch.randint(0, 256, (16, 24, 40, 3), dtype=torch.uint8)


def test_a_take_comes_back_to_the_byte(tmp_path: Path) -> None:
    takes = Takes(tmp_path / "takes")
    takes.save("one_1", FRAMES, {"seed": 5, "prompt": "größer"})
    take = takes.load("one_1")
    assert torch.equal(take.frames, FRAMES)
    assert take.made == {"seed": 5, "prompt": "größer", "frames": 16}
    assert takes.has("one_1") and not takes.has("one_2")
    assert [name for name, _, _ in takes.described()] == ["one_1"]


def test_those_not_wanted_are_cleared(tmp_path: Path) -> None:
    takes = Takes(tmp_path)
    for name in ("a_1", "a_2", "b_1"):
        takes.save(name, FRAMES, {})
    (tmp_path / "notes.txt").touch()
    assert takes.clear(keep={"a_2"}) == ["a_1", "b_1"]
    assert takes.names() == ["a_2"] and (tmp_path / "notes.txt").is_file()


@pytest.mark.parametrize("name", ["../one_1", "a/b", "", ".hidden", "x" * 200, "a\0b"])
def test_a_name_is_no_path(tmp_path: Path, name: str) -> None:
    with pytest.raises(TakeError):
        Takes(tmp_path).load(name)


def test_no_other_picture_is_a_take(tmp_path: Path) -> None:
    takes = Takes(tmp_path)
    takes.save("whole", FRAMES, {})
    whole = (tmp_path / "whole.png").read_bytes()
    Image.new("RGB", (40, 24)).save(tmp_path / "picture.png")
    (tmp_path / "cut.png").write_bytes(whole[: len(whole) // 2])
    (tmp_path / "empty.png").touch()
    for name in ("missing", "picture", "cut", "empty"):
        with pytest.raises(TakeError, match=name):
            takes.load(name)
    made = {name: dict(made) for name, _, made in takes.described()}
    assert made == {"cut": made["cut"], "empty": {}, "picture": {}, "whole": {"frames": 16}}


def test_others_may_read_a_take(tmp_path: Path) -> None:
    """As any new file, whoever runs the server."""
    Takes(tmp_path).save("one", FRAMES, {})
    (tmp_path / "new").touch()
    assert (tmp_path / "one.png").stat().st_mode == (tmp_path / "new").stat().st_mode
    assert {path.name for path in tmp_path.iterdir()} == {"one.png", "new"}


def test_a_name_tells_what_made_it() -> None:
    made = {"seed": 1, "prompt": "a"}
    assert take_name("fox/walk.png", made) == take_name(
        "fox/walk.png", dict(reversed(made.items()))
    )
    assert take_name("fox/walk.png", made).startswith("walk_")
    assert take_name("fox/walk.png", made) != take_name("fox/walk.png", made | {"seed": 2})
    assert take_name("狐", made).startswith("key_")


def test_a_files_digest_is_kept_until_it_changes(tmp_path: Path) -> None:
    file, notes = tmp_path / "model", tmp_path / "kept" / "models.json"
    file.write_bytes(b"one")
    first = file_digest(file, notes)
    assert notes.is_file() and file_digest(file, notes) == first
    notes.write_text("not JSON")
    assert file_digest(file, notes) == first
    file.write_bytes(b"two!")
    assert file_digest(file, notes) != first
