"""`open_windows` on plain folders of clips."""

from types import SimpleNamespace

import numpy as np
import pytest
import torch
from PIL import Image

from train.data.filters.sketches import xdog
from train.data.shards import stable_hash
from train.data.source import held_out, open_windows, windows_to_show
from train.data.store import FolderStore, split_by_name
from train.data.windows.dataset import WindowConfig


def write_clip(folder, count=24, size=(80, 48), fps=None, prompt=None):
    """A square that moves to the right over a gradient."""
    folder.mkdir(parents=True)
    ramp = np.linspace(0, 255, size[0]).astype(np.uint8)
    for number in range(count):
        image = np.zeros((size[1], size[0], 3), np.uint8)
        image[..., 2] = ramp
        image[10:30, number : number + 16, 0] = 255
        Image.fromarray(image).save(folder / f"frame_{number:03d}.png")
    if fps:
        (folder / "fps.txt").write_text(f"{fps}\n")
    if prompt:
        (folder / "prompt.txt").write_text(prompt)


def options(data, **changes):
    given = {"data": str(data), "height": 48, "width": 64, "frames": 8, "seed": 5}
    given |= {"buckets": False, "batch": 2, "windows": WindowConfig()}
    return SimpleNamespace(**(given | changes))


@pytest.fixture
def clips(tmp_path):
    write_clip(tmp_path / "walk", fps=24, prompt="a square walks")
    write_clip(tmp_path / "run", fps=12)
    return tmp_path


def test_a_folder_of_clips_gives_windows_of_the_wanted_shape(clips):
    windows = open_windows(options(clips), items=12)
    items = [windows[i] for i in range(12)]
    for item in items:
        assert item["video"].shape == (3, 8, 48, 64) and item["video"].dtype == torch.float32
        assert item["video"].is_contiguous() and item["video"].abs().max() <= 1
    rates = {(item["name"], item["fs"], item["stride"]) for item in items}
    assert rates <= {("walk", 24 // s, s) for s in (1, 2, 3)} | {
        ("run", 12 // s, s) for s in (1, 2)
    }
    assert {item["prompt"] for item in items} == {"a square walks", "run"}
    assert len(windows) == 12


def test_a_plain_window_is_the_frames_cropped_to_the_centre(clips):
    windows = open_windows(options(clips), items=40)
    item = next(i for i in map(windows.__getitem__, range(40)) if i["stride"] == 2)
    numbers = [item["start"] + 2 * k for k in range(8)]
    frames = FolderStore(clips).frames(FolderStore(clips).split("train")[0], numbers)
    expected = torch.from_numpy(frames[:, :, 8:72, :3] / 127.5 - 1).movedim(-1, 0).float()
    mirrored = expected.flip(-1)
    assert any(torch.allclose(item["video"], e, atol=1e-5) for e in (expected, mirrored))


def test_windows_are_resized_by_their_short_side(clips):
    item = open_windows(options(clips, height=24, width=24))[0]
    assert item["video"].shape == (3, 8, 24, 24)
    assert item["video"][2, 0, 0].max() < 0.7, "the sides of the wide picture are cut off"


def test_draws_depend_on_seed_and_index_alone(clips):
    one, other = open_windows(options(clips)), open_windows(options(clips, seed=6))
    videos = [one[i]["video"] for i in range(6)]
    again = open_windows(options(clips))
    assert all(torch.equal(again[i]["video"], videos[i]) for i in reversed(range(6)))
    assert any(not torch.equal(other[i]["video"], videos[i]) for i in range(6))


def test_a_short_clip_goes_at_the_rate_it_has(tmp_path):
    write_clip(tmp_path / "fast", count=10, fps=60)
    assert open_windows(options(tmp_path))[0]["fs"] == 60
    with pytest.raises(ValueError, match="no moving window of 16 frames"):
        open_windows(options(tmp_path, frames=16))


def test_where_the_held_out_clips_have_no_window_those_of_training_are_shown(tmp_path, caplog):
    names = [f"clip{number}" for number in range(8)]
    (held_out,) = (name for name, split in split_by_name(names).items() if split == "test")
    for name in names:
        write_clip(tmp_path / name, count=4 if name == held_out else 8)
    windows, stands_in = windows_to_show(options(tmp_path), 2)
    assert stands_in and windows[0]["name"] != held_out
    (told,) = [r.message for r in caplog.records if "train split" in r.message]
    assert "in split 'test'" in told and "split.test_share" in told
    with pytest.raises(ValueError, match=rf"data={tmp_path}: no .* in split 'train'.* split\.seed"):
        windows_to_show(options(tmp_path, frames=9), 2)


def test_without_sheets_no_window_is_asked_for(tmp_path):
    write_clip(tmp_path / "one", count=4)
    assert held_out(options(tmp_path), 0, 0) == ([], [])
    write_clip(tmp_path / "two", count=8)
    shown, scored = held_out(options(tmp_path), 2, 4)
    assert [item["name"] for item in shown] == ["two"] * 2
    assert scored == [], "a clip of training says nothing of what is learned"


def test_held_out_windows_have_the_sketches_that_are_asked_for(tmp_path):
    """So that a sheet shows the kind of lines that is trained on."""
    write_clip(tmp_path / "two", count=8)
    (item,) = held_out(options(tmp_path), 1, 0, ("video", "sketches"), "xdog")[0]
    assert item["sketches"].shape == (1, 8, 48, 64)
    drawn = xdog(item["video"].movedim(0, 1)).movedim(1, 0)
    assert (item["sketches"] - drawn).abs().mean() < 0.02


def test_clips_are_held_out_where_there_are_enough(tmp_path):
    for number in range(16):
        write_clip(tmp_path / f"clip{number}", count=8)
    store = FolderStore(tmp_path)
    train, test = ({r.id for r in store.split(s)} for s in ("train", "test"))
    assert len(train) == 14 and len(test) == 2 and not train & test
    by_hash = sorted(train | test, key=lambda name: stable_hash("folder", name))
    assert test == set(by_hash[:2]), "another clip more moves few of them"


def test_a_folder_that_is_one_clip_is_one(clips):
    assert open_windows(options(clips / "walk"))[0]["prompt"] == "a square walks"


def test_a_bad_frame_costs_a_clip_and_not_the_run(clips, caplog):
    for file in (clips / "run").glob("*.png"):
        file.write_bytes(b"no picture")
    windows = open_windows(options(clips), items=12)
    assert {windows[i]["name"] for i in range(12)} == {"walk"}
    assert "run/frame_" in caplog.text.replace("\\", "/")
    for file in (clips / "walk").glob("*.png"):
        file.write_bytes(file.read_bytes()[:60])  # its header, as a file that was cut off
    with pytest.raises(ValueError, match="none can be read"):
        open_windows(options(clips))[0]


def test_wrong_folders_are_named(tmp_path):
    with pytest.raises(ValueError, match="no such folder"):
        open_windows(options(tmp_path / "none"))
    with pytest.raises(ValueError, match="train.prepare"):
        open_windows(options(tmp_path))


def test_a_batch_has_the_shape_of_one_bucket(tmp_path):
    write_clip(tmp_path / "wide", size=(200, 80))
    write_clip(tmp_path / "tall", size=(80, 200))
    windows = open_windows(
        options(tmp_path, height=128, width=128, buckets=True, batch=3), items=60
    )
    items = [windows[i] for i in range(60)]
    shapes = {"wide": (3, 8, 64, 192), "tall": (3, 8, 192, 64)}
    assert all(item["video"].shape == shapes[item["name"]] for item in items)
    names = [{item["name"] for item in items[i : i + 3]} for i in range(0, 60, 3)]
    assert all(len(batch) == 1 for batch in names) and len(set.union(*names)) == 2
    assert torch.equal(windows[7]["video"], items[7]["video"])
    plain = held_out(options(tmp_path, height=96, width=96, buckets=True), 1, 0)[0]
    assert plain[0]["video"].shape == (3, 8, 96, 96)


@pytest.mark.parametrize(
    ("name", "text"), [("prompt.txt", b"\xff\xfe caf\xe9"), ("fps.txt", b"24 fps\n")]
)
def test_a_clip_whose_texts_cannot_be_read_is_left_out(clips, caplog, name, text):
    (clips / "walk" / name).write_bytes(text)
    windows = open_windows(options(clips), items=12)
    assert {windows[i]["name"] for i in range(12)} == {"run"}
    (warning,) = [r.message for r in caplog.records if "walk" in r.message]
    assert "is left out" in warning
    (clips / "run" / name).write_bytes(text)
    with pytest.raises(ValueError, match="none of its clips can be read"):
        open_windows(options(clips))
