"""Windows: reproducible draws, value ranges, backgrounds, composition, sketches, test sets."""

import shutil
from types import SimpleNamespace

import pytest
import torch
from PIL import Image
from torch.utils.data import DataLoader

from train.data.filters.base import FilterConfig
from train.data.filters.sketches import xdog
from train.data.prepare.config import PrepareConfig
from train.data.prepare.run import prepare
from train.data.prepare.splits import SplitConfig
from train.data.shards import stable_hash
from train.data.store import Store
from train.data.windows.dataset import ClipWindows, WindowConfig
from train.data.windows.sampler import SamplerConfig
from train.eval.testset import HeldoutConfig, write_heldout


@pytest.fixture(scope="module")
def store(tmp_path_factory, lottie_folder) -> Store:
    out = tmp_path_factory.mktemp("store")
    options = {"data": str(lottie_folder), "out": str(out), "size": 64, "workers": 0}
    split = SplitConfig(test_share=0.3, least_large=1, large_change=4.0)
    filters = FilterConfig(sketch="xdog", text=0)
    return prepare(PrepareConfig(**options, split=split, filters=filters))


def windows_of(
    store, split="train", sketch="", seed=0, frames=16, config=None, items=100
) -> ClipWindows:
    given = {"frames": frames, "seed": seed, "windows": config or WindowConfig()}
    options = SimpleNamespace(data=store.root, height=64, width=64, **given)
    windows = ClipWindows(options, split, items, sketch)
    windows.store = store
    return windows


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
    train = {record.group for record in windows_of(store).sampler.records}
    test = {record.group for record in windows_of(store, "test").sampler.records}
    assert train and test and not train & test
    assert "still" not in {record.id for record in windows_of(store).sampler.records}
    with pytest.raises(ValueError, match="'val'"):
        windows_of(store, "val")
    with pytest.raises(ValueError, match="no moving window of 90 frames"):
        windows_of(store, frames=90)


def test_look_alikes_share_their_draws(store):
    sampler = windows_of(store).sampler
    groups = [record.group for record in sampler.records]
    assert list(sampler.weights) == [groups.count(group) ** -0.5 for group in groups]
    assert len(set(sampler.weights)) > 1


@pytest.mark.parametrize("begin", [0, 100])
def test_a_clip_whose_motion_cannot_be_read_is_left_out(store, tmp_path, caplog, begin):
    """Whether it is no archive any more, or one whose contents are wrong."""
    shutil.copytree(store.root, tmp_path / "store")
    lost = windows_of(store).sampler.records[0]
    with (tmp_path / "store" / lost.shard).open("r+b") as shard:
        shard.seek(lost.places.motion[0] + begin)
        shard.write(b"garbage" * 6)
    records = windows_of(Store(tmp_path / "store")).sampler.records
    assert lost.id not in {record.id for record in records} and records
    (warning,) = [r.message for r in caplog.records if lost.id in r.message]
    assert "cannot be read" in warning


def test_frames_that_cannot_be_read_are_told_of_once(store, tmp_path, caplog):
    shutil.copytree(store.root, tmp_path / "store")
    windows = windows_of(Store(tmp_path / "store"), frames=4)
    lost = windows.sampler.records[0]
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
    config = WindowConfig(pick=SamplerConfig(min_fps=10, max_fps=20))
    windows = windows_of(store, frames=8, config=config)
    assert {windows[i]["fs"] for i in range(30)} == {10, 15}


def test_inner_lines_are_an_option_of_the_windows(store):
    plain, lined = (
        windows_of(store, config=WindowConfig(outline=1.0, inner_lines=share))
        for share in (0.0, 1.0)
    )
    assert not torch.equal(plain[3]["video"], lined[3]["video"])


def test_stored_sketches_serve_clips_that_fill_their_frame(store, clip_folders, tmp_path):
    filters = FilterConfig(sketch="xdog", text=0, shots="none", sharpness=0)
    options = {"data": str(clip_folders / "right"), "out": str(tmp_path), "size": 64, "workers": 0}
    films = prepare(PrepareConfig(**options, filters=filters))
    assert len(windows_of(films, "test").sampler.records) == 1, "a single clip is in both splits"
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
