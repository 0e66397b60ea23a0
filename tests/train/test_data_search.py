"""The search for clips: what is found, what each is called, what is refused and why."""

from pathlib import Path

import pytest
from PIL import Image

from train import prepare as module
from train.data.filters.base import FilterConfig
from train.data.options import PrepareConfig
from train.data.search import clip_id, search
from train.data.store import read_index
from train.prepare import prepare


def options(data: Path, out: Path) -> PrepareConfig:
    filters = FilterConfig(sketch="none", text=0, shots="none")
    return PrepareConfig(data=str(data), out=str(out), size=32, workers=0, filters=filters)


def write_frames(folder: Path, count: int = 3, suffix: str = ".png") -> Path:
    folder.mkdir(parents=True)
    for number in range(count):
        image = Image.new("RGB", (32, 32), "blue")
        image.paste((255, 0, 0), (number, 8, number + 12, 20))
        image.save(folder / f"frame_{number:03d}{suffix}")
    return folder


def test_a_folder_of_frames_is_one_clip(tmp_path, write_lottie):
    write_lottie(tmp_path / "a.json")
    walk = write_frames(tmp_path / "deep" / "walk")
    (tmp_path / "readme.md").touch()
    assert search(tmp_path).clips == {"a": tmp_path / "a.json", "deep__walk": walk}
    assert search(walk).clips == {"walk": walk}
    with pytest.raises(ValueError, match="expected a folder"):
        search(tmp_path / "nowhere")


def test_ids_have_no_dots_and_are_short(tmp_path, write_lottie):
    for folder in ("one", "two"):
        (tmp_path / folder).mkdir(parents=True)
        write_lottie(tmp_path / folder / "walk.v2.json")
    assert list(search(tmp_path).clips) == ["one__walk_v2", "two__walk_v2"]
    long = clip_id(tmp_path / ("x" * 200 + ".mp4"), tmp_path)
    assert len(long) < 80 and long != clip_id(tmp_path / ("x" * 201 + ".mp4"), tmp_path)


def test_clips_that_would_share_an_id_are_told_apart(tmp_path):
    data = tmp_path / "data"
    for name in ("ep.01", "ep_01", "ep_02"):
        write_frames(data / name, 20)
    (data / "walk.gif").touch()
    (data / "walk.mp4").touch()
    clips = search(data).clips
    assert sorted(path.name for path in clips.values()) == sorted(p.name for p in data.iterdir())
    assert "ep_02" in clips and "ep_01" not in clips
    (data / "a_new.gif").touch()
    assert clips.items() < search(data).clips.items(), "another clip does not move them"
    records = read_index(prepare(options(data, tmp_path / "out")).root)
    sources = {record.source for record in records if record.id.startswith("ep_01-")}
    assert sources == {"ep.01", "ep_01"}


def test_what_cannot_be_opened_is_a_reason_and_ends_nothing(tmp_path, lottie_folder, monkeypatch):
    data = tmp_path / "data"
    (data / "locked").mkdir(parents=True)
    (data / "down.json").write_bytes((lottie_folder / "down.json").read_bytes())
    (data / "gone.mp4").symlink_to(tmp_path / "nowhere.mp4")
    (data / "round").symlink_to(data)
    iterdir = Path.iterdir

    def guarded(path):
        if path.name == "locked":
            raise PermissionError(13, "Permission denied", str(path))
        return iterdir(path)

    monkeypatch.setattr(Path, "iterdir", guarded)  # root may read whatever its mode says
    store = prepare(options(data, tmp_path / "out"))
    assert [record.id for record in store.records] == ["down"]
    assert {r.id: r.reason for r in read_index(store.root) if not r.kept} == {
        "gone": "read: cannot be opened (No such file or directory)",
        "locked": "read: cannot be opened (Permission denied)",
        "round": "read: a link to a folder above it",
    }


def test_a_file_that_vanishes_after_the_search_is_a_reason(tmp_path, lottie_folder, monkeypatch):
    data = tmp_path / "data"
    data.mkdir()
    for name in ("down.json", "roll.json", "rise.json"):
        (data / name).write_bytes((lottie_folder / name).read_bytes())

    def searched(root):
        found = search(root)
        (data / "roll.json").unlink()
        return found

    def processed(config, name, path, stamp):
        if name == "rise":
            path.unlink()
        return process(config, name, path, stamp)

    process = module.process
    monkeypatch.setattr(module, "search", searched)
    monkeypatch.setattr(module, "process", processed)
    store = prepare(options(data, tmp_path / "out"))
    reasons = {r.id: r.reason for r in read_index(store.root) if not r.kept}
    assert [record.id for record in store.records] == ["down"]
    assert reasons["roll"] == "read: cannot be opened (No such file or directory)"
    assert reasons["rise"] == "read: rise.json: no such file or folder"
