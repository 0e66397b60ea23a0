"""Shards and index: what is in them, what is dropped and why, and what is refused."""

import json
import tarfile

import numpy as np
import pytest
from pieces import open_clip
from PIL import Image

from train.data.filters.base import FilterConfig
from train.data.motion import measure_motion
from train.data.prepare import run as module
from train.data.prepare.config import PrepareConfig
from train.data.shards import read_index
from train.data.source import open_windows
from train.data.store import Store
from train.data.windows.dataset import TrainingConfig
from train.engine.config import read
from train.engine.stop import exit_on_user_error
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
        (["data=x", "out=y", "sise=64"], "sise: unknown option; did you mean size"),
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
        ("filters.sketch=pencil", "filters.sketch=pencil: expected auto"),
        ("filters.shots=all", "filters.shots=all: expected auto or transnet"),
        ("filters.caption_model=nowhere", "nowhere: no such model"),
    ],
)
def test_wrong_models_end_the_run_before_it_starts(tmp_path, lottie_folder, option, message):
    with pytest.raises(SystemExit, match=message), exit_on_user_error():
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


def test_the_same_file_twice_is_read_once(tmp_path, write_lottie, monkeypatch):
    data = tmp_path / "data"
    data.mkdir()
    write_lottie(data / "a.json")
    write_lottie(data / "b.json", start=(50, 15), end=(50, 85))
    (data / "a copy.json").write_bytes((data / "a.json").read_bytes())
    read, process = [], module.process
    monkeypatch.setattr(
        module, "process", lambda c, n, *rest: (read.append(n), process(c, n, *rest))[1]
    )
    out = tmp_path / "out"
    prepare(PrepareConfig(data=str(data), out=str(out), **FAST))
    assert read == ["a", "b"]
    assert {r.id: r.reason for r in read_index(out) if not r.kept} == {
        "a copy": "duplicate: of a, the same file"
    }
    with (out / "costs.csv").open() as file:
        assert [line.split(",")[0] for line in file][1:] in (["a", "b"], ["b", "a"])
    both = FilterConfig(sketch="xdog", text=0, duplicate=0)
    options = {**FAST, "filters": both}
    store = prepare(PrepareConfig(data=str(data), out=str(tmp_path / "both"), **options))
    assert len(store.records) == 3, "where duplicates may stay"


def test_whose_a_clip_is_stands_in_the_index_and_moves_nothing(tmp_path, write_lottie, monkeypatch):
    data, out = tmp_path / "data", tmp_path / "out"
    (data / "ours" / "old").mkdir(parents=True)
    write_lottie(data / "a.json")
    write_lottie(data / "ours" / "b.json", start=(50, 15), end=(50, 85))
    write_lottie(data / "ours" / "old" / "c.json", start=(15, 15), end=(85, 85))

    def prepared(**changes) -> Store:
        return prepare(PrepareConfig(data=str(data), out=str(out), **FAST, **changes))

    before = prepared()
    assert {record.licence for record in before.records} == {""}
    (data / "ours" / "licence.txt").write_text("(c) The Studio,\nall rights reserved\n")
    monkeypatch.setattr(module, "process", None)  # nothing is read again
    store = prepared(licence="CC BY 4.0, somebody")
    ours = "(c) The Studio, all rights reserved"
    found = {record.id: record.licence for record in store.records}
    assert found == {"a": "CC BY 4.0, somebody", "ours__b": ours, "ours__old__c": ours}
    assert store.stamp() == before.stamp(), "a run on these clips goes on"
    options = TrainingConfig(data=str(store.root), out="", frames=8)
    trained = {record.licence for record in store.split("train")}
    assert open_windows(options).licences() == sorted(trained) and ours in trained
    (data / "ours" / "licence.txt").write_bytes(b"\xff\xfe")
    with pytest.raises(ValueError, match="licence.txt: no text"):
        prepared()
