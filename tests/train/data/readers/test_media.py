"""Folders of numbered images: their order, what is one sequence, and images that are none."""

from pathlib import Path

import numpy as np
import pytest
from pieces import open_clip
from PIL import Image

from train.data.readers.clips import open_segments
from train.data.readers.limits import part_length
from train.data.readers.texts import own_text
from train.data.store import FolderStore
from train.data.windows.sampler import NoWindow, SamplerConfig, WindowSampler
from train.engine.files import printable
from train.eval.systems import Folder
from train.eval.testset import read_clip, read_testset


def write(folder: Path, names: list[str], size=(32, 32)) -> Path:
    """Pictures whose red says which of the names they have."""
    folder.mkdir(parents=True, exist_ok=True)
    for number, name in enumerate(names):
        Image.new("RGB", size, (10 * number, 0, 0)).save(folder / name)
    return folder


def reds(frames: np.ndarray) -> list[int]:
    return [int(frame[0, 0, 0]) for frame in frames]


UNPADDED = [f"walk{number}.png" for number in range(1, 13)]
IN_ORDER = [10 * number for number in range(12)]


def test_frames_are_in_the_order_of_their_numbers_everywhere(tmp_path):
    folder = write(tmp_path / "clips" / "walk", UNPADDED)
    assert reds(open_clip(folder, size=32).frames) == IN_ORDER
    store = FolderStore(tmp_path / "clips")
    assert reds(store.frames(store.records[0])) == IN_ORDER
    write(tmp_path / "set" / "walk", [f"frame_{number}.png" for number in range(12)])
    [clip] = map(read_clip, read_testset(tmp_path / "set"))
    shown = [round(float(frame[0, 0, 0]) * 255) for frame in clip.frames]
    assert shown == IN_ORDER
    elsewhere = Folder("theirs", tmp_path / "set")
    elsewhere.check([tmp_path / "set" / "walk"])
    assert elsewhere.frames(clip, None).equal(clip.frames)


@pytest.mark.parametrize(
    ("names", "order"),
    [
        (["a_2.png", "a_10.png", "a_1.png"], [20, 0, 10]),
        (["f_001_v2.png", "f_002_v2.png"], [0, 10]),
        (["t1_003.png", "t2_001.png"], [10, 0]),  # the last number is the frame's
    ],
)
def test_one_number_of_a_name_is_the_frame_s(tmp_path, names, order):
    assert reds(open_clip(write(tmp_path / "clip", names), size=32).frames) == order


@pytest.mark.parametrize(
    "names",
    [
        ["cat-laser1.png", "cat-laser2.png", "cat-umbrella1.png"],
        ["take1_1.png", "take1_2.png", "take2_1.png", "take2_2.png"],
        ["f1.png", "f01.png", "f2.png"],
    ],
)
def test_several_sequences_are_refused_by_name(tmp_path, names, caplog):
    folder = write(tmp_path / "clips" / "cat", names)
    with pytest.raises(ValueError, match=r"cat: holds more than one numbered sequence \("):
        open_clip(folder, size=32)
    with pytest.raises(ValueError, match="none of its clips can be read: .*numbered sequence"):
        FolderStore(tmp_path / "clips")


def test_mixed_sizes_are_found_before_anything_is_drawn(tmp_path, caplog):
    write(tmp_path / "good", [f"{n}.png" for n in range(3)])
    write(tmp_path / "mixed", [f"{n}.png" for n in range(3)])
    write(tmp_path / "mixed", ["7.png"], size=(64, 64))
    store = FolderStore(tmp_path)
    assert [record.id for record in store.records] == ["good"]
    said = "0.png is 32x32, 7.png 64x64 pixels"
    assert said in caplog.text
    with pytest.raises(ValueError, match=said):
        open_clip(tmp_path / "mixed", size=32)
    for number in range(4):
        Image.new("RGB", (16 + number % 2, 16)).save(tmp_path / "good" / f"frame_{number:03d}.png")
    with pytest.raises(ValueError, match="frame_000.png is 16x16, frame_001.png 17x16"):
        read_testset(tmp_path)


def test_a_folder_of_videos_says_who_reads_them(tmp_path, caplog):
    write(tmp_path / "short", ["1.png", "2.png"])
    (tmp_path / "a.mp4").touch()
    store = FolderStore(tmp_path)
    assert "videos and animations are not read here (1, a.mp4" in caplog.text
    assert "python -m train.prepare" in caplog.text
    with pytest.raises(NoWindow, match="whose longest clip has 2.*train.prepare"):
        WindowSampler.of(store, "train", 16, SamplerConfig())


@pytest.mark.parametrize("name", ["clip.webp", "clip.png", "clip.gif", "clip/1.png", "clip/1.tif"])
def test_postscript_is_no_image_whatever_it_is_called(tmp_path, name, monkeypatch):
    def run(*_: object, **__: object) -> None:
        raise AssertionError("Ghostscript was called")

    monkeypatch.setattr("PIL.EpsImagePlugin.Ghostscript", run)
    file = tmp_path / name
    file.parent.mkdir(exist_ok=True)
    for path in {file, file.with_stem("2")} if file.parent.name == "clip" else {file}:
        path.write_bytes(b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n%%EndComments\n")
    clip = file if file.parent == tmp_path else file.parent
    with pytest.raises(ValueError, match="cannot be read as an image .it is none of PNG"):
        open_clip(clip, size=32)


def test_narrow_and_huge_pictures_are_refused_by_their_header(tmp_path):
    for number in range(2):
        (tmp_path / "thin").mkdir(exist_ok=True)
        Image.new("RGB", (1, 3000)).save(tmp_path / "thin" / f"{number}.png")
    with pytest.raises(ValueError, match="1x3000 pixels are too narrow, over 10 to 1"):
        open_clip(tmp_path / "thin", size=128)
    Image.new("1", (9000, 9000)).save(tmp_path / "huge.png")
    with pytest.raises(ValueError, match="9000x9000 pixels are too many"):
        open_clip(tmp_path / "huge.png", size=128)


def test_parts_of_wide_pictures_are_shorter(tmp_path):
    assert part_length(180, 100, 100, 900) == 900
    assert part_length(1000, 100, 100, 900) == 180
    write(tmp_path / "wide", [f"{number}.png" for number in range(12)], size=(160, 20))
    parts = list(open_segments(tmp_path / "wide", size=20, max_frames=20))
    assert [(part.start, len(part.frames), part.full) for part in parts] == [
        (0, 5, True), (5, 5, True), (10, 2, False),
    ]  # fmt: skip


def test_texts_beside_a_clip_are_small_files_in_utf8(tmp_path):
    file = tmp_path / "prompt.txt"
    assert own_text(file) is None
    file.write_bytes(b"\xef\xbb\xbfa fox \n")
    assert own_text(file) == "a fox"
    file.write_bytes(b"\xff")
    with pytest.raises(ValueError, match="prompt.txt: no text in UTF-8"):
        own_text(file)
    file.write_text("x" * 70_000)
    with pytest.raises(ValueError, match="prompt.txt: over 64 KB"):
        own_text(file)
    file.unlink()
    file.mkdir()
    with pytest.raises(ValueError, match="prompt.txt: no regular file"):
        own_text(file)
    assert printable("a\x1b[31m\nb\u202e", 100) == r"a\x1b[31m\nb\u202e"
    assert printable("x" * 50, 20) == "x" * 16 + " ..."
