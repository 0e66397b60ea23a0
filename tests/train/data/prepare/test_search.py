"""The search for clips in folders and tars: what is found, how it is called, what is refused."""

import io
import os
import tarfile
from pathlib import Path

import pytest
from PIL import Image

from train.data.filters.base import FilterConfig
from train.data.prepare import run as module
from train.data.prepare.config import PrepareConfig
from train.data.prepare.run import prepare
from train.data.prepare.search import clip_id, search, unpack
from train.data.readers.media import image_files
from train.data.shards import read_index


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


@pytest.mark.parametrize("suffix", [".png", ".jpg", ".webp", ".tif", ".tiff", ".bmp", ".WEBP"])
def test_numbered_pictures_of_every_usual_kind_are_a_clip(tmp_path, suffix):
    folder = write_frames(tmp_path / "data" / "walk", 20, suffix)
    (folder / f"._frame_001{suffix}").write_bytes(b"what some systems leave beside a file")
    assert search(tmp_path / "data").clips == {"walk": folder}
    assert search(tmp_path / "data").refused == {}
    store = prepare(options(tmp_path / "data", tmp_path / "out"))
    [record] = store.records
    assert record.id == "walk" and record.frames == 20
    frame = store.frames(record, [19])[0]
    assert frame[14, 26, 0] > 180 and frame[14, 10, 2] > 180


def test_numbered_animations_stay_clips_of_their_own(tmp_path):
    stills = [Image.new("RGB", (32, 32), (80 * i, 0, 0)) for i in range(3)]
    for number in range(6):
        held = [] if number < 3 else stills[1:]
        stills[0].save(tmp_path / f"{number}.webp", save_all=True, append_images=held, duration=40)
    write_frames(tmp_path / "walk" / "frames")
    found = search(tmp_path)
    assert sorted(found.clips) == ["0", "1", "2", "3", "4", "5", "walk__frames"]


def test_what_is_no_clip_is_refused_once_for_each_kind_of_file(tmp_path):
    (tmp_path / "art").mkdir()
    for name in ("a.psd", "b.PSD", "cover.jpg", "notes.txt", "README.md", ".DS_Store"):
        (tmp_path / "art" / name).touch()
    frames = write_frames(tmp_path / "walk")
    (frames / "cut.mp4").touch()
    (frames / "takes").mkdir()
    (frames / "cover.png").touch()
    reasons = {name: reason for name, (_, reason) in search(tmp_path).refused.items()}
    beside = "read: beside frames, whose folder is one clip"
    told = sorted(reasons.values())
    assert told[0].startswith("read: 1 file, no clip; expected") and ".webp" in told[0]
    assert told[1].startswith("read: 2 files, no clip; expected .json (Lottie), .mp4")
    assert told[2:] == [beside, beside]
    assert {"walk__cut", "walk__takes"} < set(reasons) and len(reasons) == 4


def test_shards_do_not_go_among_the_clips(tmp_path):
    write_frames(tmp_path / "walk", 20)
    with pytest.raises(ValueError, match="choose another out"):
        prepare(options(tmp_path, tmp_path / "shards"))


def test_a_name_that_is_no_text_is_a_clip_as_others(tmp_path):
    data = tmp_path / "data"
    write_frames(data / os.fsdecode(b"walk\xff"), 20)
    (data / os.fsdecode(b"bad\xfe.mp4")).write_bytes(b"no video")
    bad, walk = read_index(prepare(options(data, tmp_path / "out")).root)
    assert walk.kept and walk.id == r"walk\udcff" and walk.caption == r"walk\udcff"
    assert bad.reason.startswith("read: ") and bad.source == r"bad\udcfe.mp4"


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


def test_a_pipe_is_passed_over(tmp_path):
    os.mkfifo(tmp_path / "clip.gif")
    folder = tmp_path / "frames"
    folder.mkdir()
    for i in range(2):
        Image.new("RGB", (8, 8)).save(folder / f"{i}.png")
    os.mkfifo(folder / "2.png")
    found = search(tmp_path)
    assert [path.name for path in found.clips.values()] == ["frames"]
    assert found.refused["clip"][1] == "read: no regular file"
    assert [file.name for file in image_files(folder)] == ["0.png", "1.png"]


def test_two_stills_at_the_top_hide_no_clip(tmp_path, write_lottie):
    for number in (1, 2):
        Image.new("RGB", (8, 8)).save(tmp_path / f"cover{number}.jpg")
    assert list(search(tmp_path).clips.values()) == [tmp_path]
    write_lottie(tmp_path / "walk.json")
    found = search(tmp_path)
    assert list(found.clips) == ["walk"]
    assert [reason[:20] for _, reason in found.refused.values()] == ["read: 2 files, no cl"]


def test_a_link_to_a_folder_elsewhere_is_not_followed(tmp_path):
    write_frames(tmp_path / "elsewhere" / "walk")
    write_frames(tmp_path / "data" / "run")
    (tmp_path / "data" / "out").symlink_to(tmp_path / "elsewhere")
    (tmp_path / "data" / "walk").symlink_to(tmp_path / "elsewhere" / "walk")
    (tmp_path / "data" / "again").symlink_to(tmp_path / "data" / "run")
    found = search(tmp_path / "data")
    assert sorted(found.clips) == ["again", "run"]
    reasons = {name: reason for name, (_, reason) in found.refused.items()}
    assert reasons.keys() == {"out", "walk"}
    assert all("a link to a folder outside data" in reason for reason in reasons.values())


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
