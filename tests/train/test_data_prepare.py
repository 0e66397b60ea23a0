"""The cache: what is in it, what is skipped, resuming, splits and look-alikes."""

import json
import tarfile
from pathlib import Path

import numpy as np
import pytest

from train.data import cache as cache_module
from train.data.cache import Cache, Record
from train.data.lookalikes import find_groups, motion_signature
from train.data.motion import WindowRules, is_good, measure_motion, window_stats
from train.data.splits import SplitConfig, assign_splits
from train.engine.config import read
from train.prepare import PrepareConfig, prepare


@pytest.fixture(scope="module")
def prepared(tmp_path_factory, lottie_folder) -> Cache:
    out = tmp_path_factory.mktemp("cache")
    return prepare(read(PrepareConfig, None, [f"data={lottie_folder}", f"out={out}", "size=64"]))


def test_records_and_skipped_files(prepared):
    by_id = {record.id: record for record in prepared.records}
    assert by_id["1f438"].prompt == "frog face" and by_id["red box"].frames == 31
    assert prepared.frames(by_id["red box"]).shape == (31, 64, 64, 4)
    skipped = json.loads((prepared.root / "index.json").read_text())["skipped"]
    assert set(skipped) == {"broken", "short"}
    assert "not valid JSON" in skipped["broken"] and "at least 16" in skipped["short"]


def test_look_alikes_share_a_group(prepared):
    groups = {record.id: record.group for record in prepared.records}
    assert groups["red box"] == groups["blue box"]
    assert len({groups[name] for name in ("red box", "down", "corner", "spin", "rise")}) == 5


def test_a_second_run_renders_only_what_changed(tmp_path, lottie_folder, write_lottie, monkeypatch):
    data, out = tmp_path / "data", tmp_path / "out"
    data.mkdir()
    for name in ("down.json", "spin.json"):
        (data / name).write_bytes((lottie_folder / name).read_bytes())
    config = read(PrepareConfig, None, [f"data={data}", f"out={out}", "size=64"])
    prepare(config)
    before = {file.name: file.stat().st_mtime_ns for file in out.glob("clips/*.npy")}
    write_lottie(data / "spin.json", spin=90)
    records = prepare(config).records
    after = {file.name: file.stat().st_mtime_ns for file in out.glob("clips/*.npy")}
    assert before["down.npy"] == after["down.npy"] and before["spin.npy"] < after["spin.npy"]
    assert [record.id for record in records] == ["down", "spin"]


def test_a_tar_gives_the_same_cache(tmp_path, lottie_folder, prepared):
    archive = tmp_path / "clips.tar.xz"
    with tarfile.open(archive, "w:xz") as tar:
        for name in ("down.json", "spin.json"):
            tar.add(lottie_folder / name, name)
    out = tmp_path / "out"
    taken = prepare(read(PrepareConfig, None, [f"data={archive}", f"out={out}", "size=64"]))
    for record in taken.records:
        assert np.array_equal(taken.frames(record), prepared.frames(record))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["data=x", "out=y", "sise=64"], "sise.*known keys"),
        (["data=x", "out=y", "size=big"], "big"),
        (["out=y"], "data is needed"),
        (["data=x", "out=y", "split.share=1"], "share"),
    ],
)
def test_wrong_options_are_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        read(PrepareConfig, None, arguments)


def test_nothing_readable_and_no_cache_are_named(tmp_path):
    data = tmp_path / "data"
    data.mkdir()
    (data / "bad.json").write_text("{")
    with pytest.raises(ValueError, match="no readable clip among 1"):
        prepare(PrepareConfig(data=str(data), out=str(tmp_path / "out"), workers=1))
    with pytest.raises(ValueError, match="train.prepare"):
        Cache(tmp_path / "nowhere")


def moving(offsets) -> np.ndarray:
    """A white 24 pixel square on transparent ground, at the given left edges."""
    frames = np.zeros((len(offsets), 64, 64, 4), np.uint8)
    for frame, left in zip(frames, offsets, strict=True):
        frame[20:44, left : left + 24] = (40, 0, 160, 255)
    return frames


def test_windows_that_move_are_kept_and_cuts_fades_rests_and_loops_are_not():
    steady = moving(range(0, 32, 2))
    cut = moving([0] * 8 + [36] * 8)
    rest = moving([4] * 16)
    share = np.linspace(0, 1, 16)[:, None, None, None]
    fade = (steady[0] * (1 - share) + moving([36])[0] * share).astype(np.uint8)
    there_and_back = moving([*range(0, 32, 4), *range(30, -2, -4)])
    verdicts = [
        is_good(window_stats(measure_motion(frames), 16), WindowRules()).tolist()
        for frames in (steady, cut, rest, fade, there_and_back)
    ]
    assert verdicts == [[True], [False], [False], [False], [False]]


def test_window_statistics_are_those_of_the_frames():
    frames = moving([0, 1, 3, 6, 10, 15, 21, 28, 36])
    stats = window_stats(measure_motion(frames), 3, stride=2)
    white = frames[..., :3].astype(float) + 255 - frames[..., 3:]
    steps = [np.abs(white[i] - white[i + 2]).mean() for i in range(7)]
    assert len(stats.path) == 5
    assert stats.path == pytest.approx([steps[i] + steps[i + 2] for i in range(5)], rel=1e-5)
    assert stats.largest == pytest.approx([max(steps[i], steps[i + 2]) for i in range(5)])
    assert stats.ends == pytest.approx([np.abs(white[i] - white[i + 4]).mean() for i in range(5)])


def test_look_alikes_are_found_mirrored_recoloured_and_by_family():
    right = moving(range(0, 40))
    mirrored = right[:, :, ::-1].copy()
    recoloured = right[..., [2, 0, 1, 3]]
    late = moving([0] * 30 + list(range(0, 40, 4)))
    clips = [right, late, mirrored, recoloured, late[::-1]]
    signatures = np.stack([motion_signature(frames) for frames in clips])
    names = ["fish", "white flag", "duck", "hen", "flag"]
    assert find_groups(signatures, names) == [0, 1, 0, 0, 1]
    assert find_groups(signatures, ["fish", "ant", "duck", "hen", "cow"]) == [0, 1, 0, 0, 4]


def records(count: int) -> list[Record]:
    kinds = {"prompt": "", "fps": 30.0, "frames": 60, "alpha": True, "large": 2}
    return [Record(id=f"c{i}", name=f"c{i}", group=f"g{i // 3}", **kinds) for i in range(count)]


def test_split_holds_out_whole_groups_and_is_deterministic():
    config = SplitConfig(test_share=0.2, least_large=10)
    split = assign_splits(records(300), config)
    test = [record for record in split if record.split == "test"]
    assert 60 <= len(test) <= 63
    held_out = {record.group for record in test}
    assert all((record.group in held_out) == (record.split == "test") for record in split)
    shuffled = assign_splits(records(300)[::-1], config)
    assert {r.id for r in shuffled if r.split == "test"} == {r.id for r in test}
    other = assign_splits(records(300), SplitConfig(test_share=0.2, least_large=10, seed=1))
    assert {r.id for r in other if r.split == "test"} != {r.id for r in test}


def test_split_grows_until_it_has_enough_large_windows():
    config = SplitConfig(test_share=0.1, least_large=90)
    test = [r for r in assign_splits(records(300), config) if r.split == "test"]
    assert sum(record.large for record in test) >= 90


def test_an_interrupted_write_leaves_no_file(tmp_path):
    def fails(file):
        file.write(b"half")
        raise OSError("disk full")

    with pytest.raises(OSError):
        cache_module.write_atomic(tmp_path / "a.npy", fails)
    assert not (tmp_path / "a.npy").exists()


def test_clips_of_one_name_do_not_overwrite_each_other(tmp_path, write_lottie):
    data = Path(tmp_path / "data")
    for folder in ("one", "two"):
        (data / folder).mkdir(parents=True)
        write_lottie(data / folder / "walk.json")
    out = tmp_path / "out"
    taken = prepare(PrepareConfig(data=str(data), out=str(out), size=32, workers=1))
    assert [record.id for record in taken.records] == ["one__walk", "two__walk"]
