"""Windows: reproducible draws, value ranges, backgrounds, composition, sketches, test sets."""

import shutil

import numpy as np
import pytest
import torch
from PIL import Image
from torch.utils.data import DataLoader

from train.data.backgrounds import PAINTERS
from train.data.compose import as_layer, inked, outlined, over, panned, placed
from train.data.filters.base import FilterConfig
from train.data.options import PrepareConfig
from train.data.picking import PickConfig
from train.data.prepare import prepare
from train.data.sketch import xdog
from train.data.splits import SplitConfig
from train.data.store import Store, stable_hash
from train.data.windows import ClipWindows, WindowConfig
from train.eval.heldout import HeldoutConfig, write_heldout


@pytest.fixture(scope="module")
def store(tmp_path_factory, lottie_folder) -> Store:
    out = tmp_path_factory.mktemp("store")
    options = {"data": str(lottie_folder), "out": str(out), "size": 64, "workers": 0}
    split = SplitConfig(test_share=0.3, least_large=1, large_change=4.0)
    filters = FilterConfig(sketch="xdog", text=0)
    return prepare(PrepareConfig(**options, split=split, filters=filters))


def windows_of(store, split="train", size=64, **options) -> ClipWindows:
    return ClipWindows(store, split, height=size, width=size, **options)


def test_item_has_the_agreed_form(store):
    windows = windows_of(store, frames=16, seed=3)
    for item in (windows[i] for i in range(12)):
        video = item["video"]
        assert video.shape == (3, 16, 64, 64) and video.dtype == torch.float32
        assert video.is_contiguous() and video.min() >= -1 and video.max() <= 1
        assert (video[:, 1:] - video[:, :-1]).abs().amax((0, 2, 3)).max() > 0.05
        assert 5 <= item["fs"] <= 30 and isinstance(item["prompt"], str)


def test_draws_depend_on_seed_and_index_alone(store):
    first = windows_of(store, seed=1)
    again = windows_of(Store(store.root), seed=1)
    order = [7, 2, 9]
    videos = {i: first[i]["video"] for i in sorted(order)}
    for i in order:
        assert torch.equal(again[i]["video"], videos[i])
    assert not torch.equal(videos[2], videos[7])
    assert not torch.equal(windows_of(store, seed=2)[2]["video"], videos[2])


def test_a_loader_resumes_in_the_middle(store):
    windows = windows_of(store, seed=1)
    batches = list(DataLoader(windows, batch_size=2, sampler=range(0, 8)))
    resumed = list(DataLoader(windows, batch_size=2, sampler=range(4, 8), num_workers=1))
    assert torch.equal(resumed[0]["video"], batches[2]["video"])
    assert resumed[1]["prompt"] == batches[3]["prompt"]


def test_splits_do_not_share_a_clip_and_still_clips_are_left_out(store):
    train = {record.group for record in windows_of(store).picker.records}
    test = {record.group for record in windows_of(store, "test").picker.records}
    assert train and test and not train & test
    assert "still" not in {record.id for record in windows_of(store).picker.records}
    with pytest.raises(ValueError, match="'val'"):
        windows_of(store, "val")
    with pytest.raises(ValueError, match="no moving window of 90 frames"):
        windows_of(store, frames=90)


def test_look_alikes_share_their_draws(store):
    picker = windows_of(store).picker
    groups = [record.group for record in picker.records]
    assert list(picker.weights) == [groups.count(group) ** -0.5 for group in groups]
    assert len(set(picker.weights)) > 1


@pytest.mark.parametrize("begin", [0, 100])
def test_a_clip_whose_motion_cannot_be_read_is_left_out(store, tmp_path, caplog, begin):
    """Whether it is no archive any more, or one whose contents are wrong."""
    shutil.copytree(store.root, tmp_path / "store")
    lost = windows_of(store).picker.records[0]
    with (tmp_path / "store" / lost.shard).open("r+b") as shard:
        shard.seek(lost.places.motion[0] + begin)
        shard.write(b"garbage" * 6)
    records = windows_of(Store(tmp_path / "store")).picker.records
    assert lost.id not in {record.id for record in records} and records
    (warning,) = [r.message for r in caplog.records if lost.id in r.message]
    assert "cannot be read" in warning


def test_frames_that_cannot_be_read_are_told_of_once(store, tmp_path, caplog):
    shutil.copytree(store.root, tmp_path / "store")
    windows = windows_of(Store(tmp_path / "store"), frames=4)
    lost = windows.picker.records[0]
    with (tmp_path / "store" / lost.shard).open("r+b") as shard:
        for start, size in lost.places.frames:
            shard.seek(start)
            shard.write(bytes(size))
    items = [windows[i] for i in range(20)]
    assert lost.id not in {item["name"] for item in items}
    told = [r.message for r in caplog.records if lost.id in r.message]
    again = windows_of(Store(tmp_path / "store"), frames=4)
    assert torch.equal(again[7]["video"], items[7]["video"]), "whatever was read before"
    assert told and len(told) == len(set(told))


def test_a_shard_that_cannot_be_opened_is_an_error_that_names_it(store, tmp_path):
    shutil.copytree(store.root, tmp_path / "store")
    opened = Store(tmp_path / "store")
    record = opened.records[0]
    (tmp_path / "store" / record.shard).unlink()
    for read in (opened.frames, opened.motion):
        with pytest.raises(ValueError, match=f"{record.shard}.*{record.id}.*No such file"):
            read(record)


def test_strides_are_within_the_frame_rates(store):
    config = WindowConfig(pick=PickConfig(min_fps=10, max_fps=20))
    windows = windows_of(store, frames=8, config=config)
    assert {windows[i]["fs"] for i in range(30)} == {10, 15}


def test_characters_are_moved_as_told():
    frames = np.zeros((2, 64, 64, 4), np.uint8)
    frames[:, 30:34, 30:34] = 255
    layer = as_layer(frames)
    moved = placed(layer, (64, 64), 1.0, (10, -6), (5, 0))
    for number, left in enumerate((40, 45)):
        expected = torch.zeros(4, 64, 64)
        expected[:, 24:28, left : left + 4] = 1
        assert torch.allclose(moved[number], expected, atol=1e-4)
    small = placed(layer, (64, 64), 0.5, (0, 0))
    assert small[0, 3].sum() == pytest.approx(4, rel=0.02)
    assert torch.equal(placed(layer, (64, 64), 1.0, (0, 0)), layer)


def test_over_is_porter_duff():
    layer = torch.tensor([0.2, 0.1, 0.0, 0.4])[None, :, None, None]
    ground = torch.tensor([1.0, 0.5, 0.0])[:, None, None]
    assert torch.allclose(over(layer, ground)[0, :, 0, 0], torch.tensor([0.8, 0.4, 0.0]))


def test_outline_surrounds_the_silhouette():
    frames = np.zeros((1, 32, 32, 4), np.uint8)
    frames[:, 10:20, 10:20] = (0, 255, 0, 255)
    inked = outlined(as_layer(frames), (51, 0, 0), 2)
    assert torch.equal(inked[0, :, 10:20, 10:20], as_layer(frames)[0, :, 10:20, 10:20])
    assert torch.allclose(inked[0, :, 15, 8], torch.tensor([0.2, 0, 0, 1]))
    assert not inked[0, 3, 15, 7] and not inked[0, 3, 8, 8]


def test_inner_lines_are_drawn_between_colours_and_not_beyond_the_figure():
    frames = np.zeros((1, 64, 64, 4), np.uint8)
    frames[:, 16:48, 16:32] = (0, 255, 0, 255)
    frames[:, 16:48, 32:48] = (255, 200, 0, 255)
    layer = as_layer(frames)
    drawn = inked(layer, (20, 0, 0))
    assert torch.equal(drawn[:, 3], layer[:, 3]) and (drawn[:, :3] <= drawn[:, 3:]).all()
    assert drawn[0, 1, 32, 30:34].min() < 0.4, "a line between the two colours"
    assert torch.allclose(drawn[0, :, 32, 22], layer[0, :, 32, 22], atol=0.02), "none within one"


def test_inner_lines_are_an_option_of_the_windows(store):
    plain, lined = (
        windows_of(store, config=WindowConfig(outline=1.0, inner_lines=share))
        for share in (0.0, 1.0)
    )
    assert not torch.equal(plain[3]["video"], lined[3]["video"])


def test_camera_pans_by_fractions_of_a_pixel():
    ramp = torch.arange(40.0).expand(3, 34, 40)
    view = panned(ramp, (32, 32), 4, (1.5, 0))
    assert view[:, 0, 5, 10].tolist() == [10, 11.5, 13, 14.5]
    assert panned(ramp, (32, 32), 4, (-1.5, 0))[:, 0, 5, 10].tolist() == [17, 15.5, 14, 12.5]


@pytest.mark.parametrize("painter", PAINTERS, ids=lambda painter: painter.__name__)
def test_backgrounds_fill_the_picture_and_vary(painter):
    first, again, other = (painter(np.random.default_rng(seed), 48, 70) for seed in (1, 1, 2))
    assert first.shape == (48, 70, 3) and first.dtype == np.uint8
    assert np.array_equal(first, again) and not np.array_equal(first, other)


def test_sketch_draws_edges_bright_and_flat_areas_black():
    frame = torch.full((1, 3, 64, 64), 0.4)
    frame[:, 0, 20:44, 20:44] = -0.4  # another hue
    lines = xdog(frame)
    assert lines.shape == (1, 1, 64, 64) and lines.min() >= 0 and lines.max() <= 1
    assert lines[0, 0, 20:44, 18:22].amax(-1).min() > 0.8
    assert lines[0, 0, 28:36, 28:36].max() < 0.01 and lines[0, 0, :14].max() < 0.01
    assert xdog(torch.rand(1, 1, 1, 1).expand(1, 3, 32, 32)).max() == 0
    with pytest.raises(ValueError, match="expected"):
        xdog(frame[0])


def test_sketches_of_a_batch_equal_single_ones():
    frames = torch.rand(3, 3, 32, 32) * 2 - 1
    assert torch.allclose(xdog(frames)[1:2], xdog(frames[1:2]), atol=1e-6)


def test_stored_sketches_serve_clips_that_fill_their_frame(store, clip_folders, tmp_path):
    filters = FilterConfig(sketch="xdog", text=0, shots="none", sharpness=0)
    options = {"data": str(clip_folders / "right"), "out": str(tmp_path), "size": 64, "workers": 0}
    films = prepare(PrepareConfig(**options, filters=filters))
    assert len(windows_of(films, "test").picker.records) == 1, "a single clip is in both splits"
    stored = films.sketches
    films.sketches = lambda *chosen: 255 - stored(*chosen)  # to know them again
    for given, turned in ((films, True), (store, False)):
        windows = windows_of(given, seed=1, sketch="stored")
        for item in (windows[i] for i in range(4)):
            drawn = xdog(item["video"].movedim(1, 0)).movedim(1, 0)
            assert item["sketches"].shape == (1, 16, 64, 64) and drawn.any()
            expected = 1 - drawn if turned else drawn
            assert (item["sketches"] - expected).abs().mean() < 0.005, "mirrored as its picture"
            assert "sketches" not in windows_of(given, seed=1)[0]


def test_heldout_windows_are_written_as_a_test_set(store, tmp_path):
    out = tmp_path / "set"
    windows = SplitConfig(large_change=4.0)
    config = HeldoutConfig(data=str(store.root), out=str(out), count=3, windows=windows)
    chosen = write_heldout(config)
    assert 1 <= len(chosen) <= 3 and {w.record.split for w in chosen} == {"test"}
    order = [(w.rank, stable_hash(0, w.name)) for w in chosen]
    assert order == sorted(order)
    folder = out / chosen[0].name
    names = sorted(file.name for file in folder.iterdir())
    frames = [f"frame_{k:03d}.png" for k in range(16)]
    assert names == sorted([*frames, "fps.txt", "prompt.txt", "sketch_007.png"])
    assert Image.open(folder / "frame_000.png").size == (64, 64)
    assert (folder / "fps.txt").read_text() == "30\n"
    with pytest.raises(ValueError, match="not empty"):
        write_heldout(config)
    again = HeldoutConfig(data=str(store.root), out=str(tmp_path / "b"), count=3, windows=windows)
    write_heldout(again)
    for name in names:
        assert (tmp_path / "b" / folder.name / name).read_bytes() == (folder / name).read_bytes()
