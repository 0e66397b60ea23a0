"""Shards and index: what is in them, what is dropped and why, splits, look-alikes."""

import json
import tarfile

import numpy as np
import pytest
from PIL import Image

from train.data.filters.base import FilterConfig
from train.data.lookalikes import (
    alike_pairs,
    find_duplicates,
    find_groups,
    motion_signature,
    thumbnails,
)
from train.data.motion import WindowRules, is_good, measure_motion, window_stats
from train.data.options import PrepareConfig
from train.data.shards import write_atomic
from train.data.splits import SplitConfig, assign_splits
from train.data.store import Record, Store, read_index
from train.engine.config import read
from train.prepare import main, prepare

FAST = {"size": 64, "workers": 0, "filters": FilterConfig(sketch="xdog", text=0)}


@pytest.fixture(scope="module")
def prepared(tmp_path_factory, lottie_folder) -> Store:
    out = tmp_path_factory.mktemp("store")
    return prepare(PrepareConfig(data=str(lottie_folder), out=str(out), **FAST))


def members(root) -> dict[str, bytes]:
    """Every file of every shard, as any tar reader sees it."""
    found = {}
    for shard in sorted(root.glob("*.tar")):
        with tarfile.open(shard) as tar:
            for info in tar:
                assert info.mtime == 0 and info.name not in found
                found[info.name] = tar.extractfile(info).read()
    return found


def test_the_index_tells_of_every_clip_kept_or_dropped(prepared):
    records = read_index(prepared.root)
    assert [record.id for record in records] == sorted(record.id for record in records)
    kept = {record.id: record for record in records if record.kept}
    assert kept["1f438"].caption == "frog face" and kept["1f438"].caption_by == "name"
    box = kept["red box"]
    assert (box.frames, box.height, box.width, box.bucket) == (31, 64, 64, "1:1")
    assert box.fps == 30 and box.alpha and box.sketch == "xdog" and box.motion > 5
    assert box.no_model == ("captions", "agreement")
    reasons = {record.id: record.reason for record in records if not record.kept}
    assert set(reasons) == {"broken", "short", "still", "spin"}
    assert (
        reasons["broken"].startswith("read: broken.json: not valid JSON")
        and "at least 16" in reasons["short"]
    )
    assert reasons["still"].startswith("static: still")


def test_members_are_at_their_places_and_in_webdataset_form(prepared):
    files = members(prepared.root)
    for record in prepared.records:
        data = (prepared.root / record.shard).read_bytes()
        places = {
            f"{record.id}.json": record.places.json,
            f"{record.id}.motion.npz": record.places.motion,
            f"{record.id}.0007.webp": record.places.frames[7],
            f"{record.id}.0007.sketch.webp": record.places.sketches[7],
        }
        for name, (start, size) in places.items():
            assert data[start : start + size] == files[name]
        facts = json.loads(files[f"{record.id}.json"])
        assert facts["caption"] == record.caption and facts["split"] == record.split
        assert record.shard.startswith(record.split)
    assert len(files) == sum(2 + 2 * record.frames for record in prepared.records)


def test_webdataset_reads_the_shards(prepared):
    webdataset = pytest.importorskip("webdataset")
    urls = [str(shard) for shard in sorted(prepared.root.glob("*.tar"))]
    samples = {s["__key__"]: s for s in webdataset.WebDataset(urls, shardshuffle=False)}
    assert set(samples) == {record.id for record in prepared.records}
    assert json.loads(samples["roll"]["json"])["frames"] == 51
    assert samples["roll"]["0000.webp"][:4] == b"RIFF"


def test_frames_are_kept_without_loss(prepared, lottie_folder):
    from train.data.clips import open_clip

    [record] = [record for record in prepared.records if record.id == "roll"]
    clip = open_clip(lottie_folder / "roll.json", size=64)
    assert np.array_equal(prepared.frames(record), clip.frames)
    assert np.array_equal(prepared.frames(record, [5, 2]), clip.frames[[5, 2]])
    assert prepared.sketches(record, [3]).shape == (1, 64, 64)
    assert prepared.sketches(record).max() > 200
    expected = measure_motion(clip.frames).change
    assert np.nanmax(np.abs(prepared.motion(record).change - expected)) < 0.1


def test_the_sheet_shows_kept_and_dropped(prepared):
    with Image.open(prepared.root / "sheet.png") as sheet:
        colours = {colour for _, colour in sheet.convert("RGB").getcolors(1 << 20)}
    assert {(16, 110, 40), (170, 30, 30)} <= colours


def test_look_alikes_share_a_group(prepared):
    groups = {record.id: record.group for record in prepared.records}
    assert groups["red box"] == groups["blue box"]
    assert len({groups[name] for name in ("red box", "down", "corner", "roll", "rise")}) == 5


def test_the_rest_of_a_long_lottie_is_a_drop(tmp_path, write_lottie):
    (tmp_path / "data").mkdir()
    write_lottie(tmp_path / "data" / "long.json")
    options = {**FAST, "max_frames": 20}
    prepare(PrepareConfig(data=str(tmp_path / "data"), out=str(tmp_path / "out"), **options))
    kept, rest = read_index(tmp_path / "out")
    assert (kept.id, kept.kept, kept.frames) == ("long-f000000", True, 20)
    assert (rest.id, rest.kept, rest.start) == ("long-rest", False, 20)
    assert rest.reason.startswith("read: long.json: 11 frames are left out")


def test_a_near_duplicate_is_dropped(tmp_path, write_lottie):
    data = tmp_path / "data"
    data.mkdir()
    write_lottie(data / "a.json")
    write_lottie(data / "b.json", colour=(0.99, 0, 0))
    write_lottie(data / "c.json", colour=(0, 0, 1))
    out = tmp_path / "out"
    store = prepare(PrepareConfig(data=str(data), out=str(out), **FAST))
    assert [record.id for record in store.records] == ["a", "c"]
    assert [r.reason for r in read_index(out) if not r.kept] == ["duplicate: of a"]


def test_a_tar_gives_the_same_clips(tmp_path, lottie_folder, prepared):
    archive = tmp_path / "clips.tar.xz"
    with tarfile.open(archive, "w:xz") as tar:
        for name in ("down.json", "roll.json"):
            tar.add(lottie_folder / name, name)
    taken = prepare(PrepareConfig(data=str(archive), out=str(tmp_path / "out"), **FAST))
    by_id = {record.id: record for record in prepared.records}
    for record in taken.records:
        assert np.array_equal(taken.frames(record), prepared.frames(by_id[record.id]))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["data=x", "out=y", "sise=64"], "sise.*known keys"),
        (["data=x", "out=y", "size=big"], "big"),
        (["out=y"], "data is needed"),
        (["data=x", "out=y", "split.share=1"], "share"),
        (["data=x", "out=y", "filters.txt=1"], "txt"),
        (["data=x", "out=y", "families=['(']"], "'\\('.*no regular expression"),
    ],
)
def test_wrong_options_are_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        read(PrepareConfig, None, arguments)


@pytest.mark.parametrize(
    ("option", "message"),
    [
        ("filters.sketch=pencil", "expected auto"),
        ("filters.shots=all", "expected auto, transnet"),
        ("filters.caption_model=nowhere", "nowhere: no such model"),
    ],
)
def test_wrong_models_end_the_run_before_it_starts(tmp_path, lottie_folder, option, message):
    with pytest.raises(SystemExit, match=message):
        main([f"data={lottie_folder}", f"out={tmp_path}", option])
    assert not (tmp_path / "work").exists()


def test_nothing_readable_and_no_store_are_named(tmp_path):
    data = tmp_path / "data"
    data.mkdir()
    (data / "bad.json").write_text("{")
    with pytest.raises(ValueError, match="none of its 1 clips was kept"):
        prepare(PrepareConfig(data=str(data), out=str(tmp_path / "out"), **FAST))
    with pytest.raises(ValueError, match="train.prepare"):
        Store(tmp_path / "nowhere")
    (tmp_path / "index.jsonl").write_text('{"id": 1}\n')
    with pytest.raises(ValueError, match="line 1: no line of train.prepare"):
        Store(tmp_path)


def test_a_shard_cut_short_costs_its_clips(tmp_path, prepared, caplog):
    for file in prepared.root.iterdir():
        if file.is_file():
            (tmp_path / file.name).write_bytes(file.read_bytes())
    train = tmp_path / "train-000000.tar"
    train.write_bytes(train.read_bytes()[: train.stat().st_size // 2])
    lost = {record.id for record in prepared.records} - {r.id for r in Store(tmp_path).records}
    assert 0 < len(lost) < len(prepared.records) and "train-000000.tar" in caplog.text


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


def test_look_alikes_are_found_mirrored_recoloured_and_by_a_given_family():
    right = moving(range(0, 40))
    mirrored = right[:, :, ::-1].copy()
    recoloured = right[..., [2, 0, 1, 3]]
    late = moving([0] * 30 + list(range(0, 40, 4)))
    clips = [right, late, mirrored, recoloured, late[::-1]]
    signatures = np.stack([motion_signature(frames) for frames in clips])
    names = ["fish", "white flag", "duck", "hen", "flag"]
    assert find_groups(signatures, names, [r"\bbird\b", r"\bflag\b"]) == [0, 1, 0, 0, 1]
    assert find_groups(signatures, names) == [0, 1, 0, 0, 4], "words alone tell nothing"


def turned(maps: np.ndarray, way: int) -> np.ndarray:
    """A motion signature, mirrored or turned in one of eight ways."""
    return np.rot90(maps[..., ::-1] if way > 3 else maps, way, (1, 2))


def test_look_alikes_in_buckets_are_those_of_all_pairs():
    rng = np.random.default_rng(0)
    whole = rng.normal(size=(30, 24, 16, 16))
    copies = [turned(w + 0.5 * rng.normal(size=w.shape), i % 8) for i, w in enumerate(whole[:20])]
    signatures = np.concatenate([whole, copies, np.zeros((3, 24, 16, 16))]).astype(np.float32)
    signatures /= np.maximum(np.sqrt((signatures**2).sum((1, 2, 3), keepdims=True)), 1e-6)
    expected = [
        (i, j)
        for i, first in enumerate(signatures)
        for j in range(i + 1, len(signatures))
        if max((first * turned(signatures[j], way)).sum() for way in (0, 1, 2, 3, 4)) > 0.65
    ]
    assert len(expected) >= 12
    assert alike_pairs(signatures) == alike_pairs(signatures, chunk=7) == expected
    assert alike_pairs(signatures, whole=10) == expected


def records(count: int) -> list[Record]:
    kinds = {"fps": 30.0, "frames": 60, "alpha": True, "large": 2}
    return [Record(id=f"c{i}", group=f"g{i // 3}", **kinds) for i in range(count)]


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


def test_a_single_group_is_in_both_splits():
    assert {record.split for record in assign_splits(records(3), SplitConfig())} == {"both"}


def test_split_grows_until_it_has_enough_large_windows():
    config = SplitConfig(test_share=0.1, least_large=90)
    test = [r for r in assign_splits(records(300), config) if r.split == "test"]
    assert sum(record.large for record in test) >= 90


def test_an_interrupted_write_leaves_no_file(tmp_path):
    def fails(file):
        file.write(b"half")
        raise OSError("disk full")

    with pytest.raises(OSError):
        write_atomic(tmp_path / "a.npy", fails)
    assert not (tmp_path / "a.npy").exists()


def test_near_duplicates_are_told_from_look_alikes():
    clip = moving(range(0, 32, 2))
    noisy = np.clip(clip.astype(int) + np.random.default_rng(0).integers(-4, 5, clip.shape), 0, 255)
    shifted = moving(range(3, 35, 2))
    looks = [thumbnails(frames) for frames in (clip, shifted, noisy.astype(np.uint8), clip[::-1])]
    assert find_duplicates(np.stack(looks), 12) == {2: 0}


def test_a_clip_that_was_dropped_drops_no_other():
    a, b, c, d = np.zeros((4, *thumbnails(moving(range(4))).shape), np.uint8)
    b[0, 0, 0], c[0, 0, 0], d[0, 0, 0] = 10, 20, 30
    assert find_duplicates(np.stack([a, b, c, d]), 12) == {1: 0, 3: 2}, "a ~ b ~ c, but a !~ c"
