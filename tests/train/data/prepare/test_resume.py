"""A run that is killed goes on; the same input gives the same bytes; a bad file ends nothing."""

import errno
import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from train.data.filters.base import FilterConfig
from train.data.prepare import run as module
from train.data.prepare import worker
from train.data.prepare.config import PrepareConfig
from train.data.prepare.run import prepare
from train.data.shards import INDEX, Record, from_line, read_index, to_line
from train.data.store import Store
from train.engine.pool import Lost

FILTERS = FilterConfig(sketch="xdog", text=0.0)
ROOT = Path(__file__).resolve().parents[4]


class Killer(type(Path())):
    """Stands for a file whose reader crashes: the worker dies when it receives it."""

    def __reduce__(self):
        return os._exit, (1,)


def options(data, out, **changes) -> PrepareConfig:
    given = {"size": 32, "workers": 0, "filters": FILTERS, "shard_mb": 1}
    return PrepareConfig(data=str(data), out=str(out), **(given | changes))


def contents(out: Path) -> dict[str, bytes]:
    files = [*out.glob("*.tar"), out / "index.jsonl", out / "sheet.png"]
    return {file.name: file.read_bytes() for file in files}


@pytest.fixture(scope="module")
def whole(tmp_path_factory, lottie_folder) -> dict[str, bytes]:
    """What an uninterrupted run writes."""
    out = tmp_path_factory.mktemp("whole")
    prepare(options(lottie_folder, out))
    return contents(out)


def test_two_workers_write_the_same_bytes(tmp_path, lottie_folder, whole):
    prepare(options(lottie_folder, tmp_path, workers=2))
    assert contents(tmp_path) == whole


def test_a_killed_run_goes_on_and_ends_the_same(tmp_path, lottie_folder, whole):
    words = [f"data={lottie_folder}", f"out={tmp_path}", "size=32", "workers=0", "shard_mb=1"]
    words += ["filters.sketch=xdog", "filters.text=0"]
    run = subprocess.Popen(
        [sys.executable, "-m", "train.prepare", *words], cwd=ROOT, stderr=subprocess.DEVNULL
    )
    deadline = time.monotonic() + 120
    while len(list(tmp_path.glob("work/*.json"))) < 3 and time.monotonic() < deadline:
        time.sleep(0.02)
    run.kill()
    run.wait()
    finished = {file.name: file.stat().st_mtime_ns for file in tmp_path.glob("work/*.json")}
    assert 3 <= len(finished) < 11 and not (tmp_path / "index.jsonl").exists()
    prepare(options(lottie_folder, tmp_path))
    assert contents(tmp_path) == whole
    after = {file.name: file.stat().st_mtime_ns for file in tmp_path.glob("work/*.json")}
    assert {name: after[name] for name in finished} == finished, "finished work is kept"


@pytest.mark.parametrize("stage", ["assembly.write_sheet", "run._finish"])
def test_a_run_killed_while_it_assembles_goes_on(
    tmp_path, lottie_folder, whole, monkeypatch, stage
):
    class Killed(BaseException):
        pass

    def killed(*_):
        raise Killed

    with monkeypatch.context() as patch:
        patch.setattr(f"train.data.prepare.{stage}", killed)
        with pytest.raises(Killed):
            prepare(options(lottie_folder, tmp_path))
    monkeypatch.setattr(module, "process", killed)  # nothing is read again
    prepare(options(lottie_folder, tmp_path))
    assert contents(tmp_path) == whole


def test_a_finished_run_is_left_alone(tmp_path, lottie_folder, monkeypatch):
    config = options(lottie_folder, tmp_path)
    prepare(config)
    before = {file: file.stat().st_mtime_ns for file in tmp_path.iterdir()}
    assert not list(tmp_path.glob("work/*.tar")), "the shards alone hold the frames"
    monkeypatch.setattr(module, "assemble", None)
    prepare(config)
    assert {file: file.stat().st_mtime_ns for file in tmp_path.iterdir()} == before


def test_only_what_changed_is_read_again(tmp_path, lottie_folder, write_lottie, monkeypatch):
    data, out = tmp_path / "data", tmp_path / "out"
    data.mkdir()
    for name in ("down.json", "roll.json", "rise.json"):
        (data / name).write_bytes((lottie_folder / name).read_bytes())
    prepare(options(data, out))
    write_lottie(data / "roll.json", start=(90, 80), end=(10, 20), frames=100)
    (data / "rise.json").unlink()
    write_lottie(data / "new.json", start=(20, 80), end=(80, 10), frames=70)
    read, process = [], module.process
    monkeypatch.setattr(
        module, "process", lambda c, n, *rest: (read.append(n), process(c, n, *rest))[1]
    )
    store = prepare(options(data, out))
    assert read == ["new", "roll"]
    assert [record.id for record in store.records] == ["down", "new", "roll"]
    fresh = prepare(options(data, tmp_path / "fresh"))
    assert contents(out) == contents(fresh.root)


def test_other_limits_need_no_reading_where_only_the_assembly_changes(
    tmp_path, lottie_folder, monkeypatch
):
    prepare(options(lottie_folder, tmp_path, shard_mb=256))
    monkeypatch.setattr(module, "process", None)
    store = prepare(options(lottie_folder, tmp_path, shard_mb=0, families=("down", "roll$|down")))
    assert len(list(tmp_path.glob("*.tar"))) == len(store.records), "one clip a shard"
    groups = {record.id: record.group for record in store.records}
    assert groups["down"] == groups["roll"] != groups["rise"]
    assert all(len(store.frames(record)) == record.frames for record in store.records)


def test_a_crashing_reader_costs_one_clip_only(tmp_path, lottie_folder, monkeypatch):
    paths = {"bad": Killer(tmp_path / "killer.mp4"), "good": lottie_folder / "roll.json"}
    fingerprints = dict.fromkeys(paths, "-")
    config = options(lottie_folder, tmp_path, workers=1)
    outcomes = module._work(config, paths, fingerprints)
    assert outcomes["good"].records[0].kept
    assert outcomes["bad"].records[0].reason == "read: its reader crashed"


@pytest.mark.parametrize(
    ("lost", "reason", "more"),
    [(Lost.DIED, "its reader crashed", 2), (Lost.LATE, "took longer than longest_minutes=2", 3)],
)
def test_what_was_lost_is_tried_again(tmp_path, lottie_folder, monkeypatch, lost, reason, more):
    """After a crash by the next run, for want of time by one that has more; no other clip is."""
    data, asked, bad = tmp_path / "data", [], {"roll": lost}
    data.mkdir()
    for name in ("down.json", "roll.json", "rise.json"):
        (data / name).write_bytes((lottie_folder / name).read_bytes())

    def tried(work, jobs, *_):
        asked.append(sorted(jobs))
        return ((n, bad.get(n) or work(*arguments)) for n, arguments in jobs.items())

    def run(minutes, out="out"):
        return prepare(options(data, tmp_path / out, workers=1, longest_minutes=minutes))

    monkeypatch.setattr(module, "run_jobs", tried)
    for minutes in (2, 2, 1):
        run(minutes)
    assert asked[0] == ["down", "rise", "roll"]
    assert all(jobs == ["roll"] * (lost is Lost.DIED) for jobs in asked[1:])
    dropped = [r for r in read_index(tmp_path / "out") if not r.kept]
    assert [(r.id, r.reason) for r in dropped] == [("roll", f"read: {reason}")]
    bad.clear()
    assert {r.id for r in run(more).records} == {"down", "rise", "roll"}
    run(more, "fresh")
    assert contents(tmp_path / "out") == contents(tmp_path / "fresh")


def test_an_unforeseen_fault_is_a_reason_and_a_full_disk_ends_the_run(
    tmp_path, lottie_folder, monkeypatch
):
    real = worker.open_segments

    def faulty(path, *rest):
        if path.stem == "roll":
            raise RuntimeError("decoder fault")
        return real(path, *rest)

    monkeypatch.setattr(worker, "open_segments", faulty)
    store = prepare(options(lottie_folder, tmp_path))
    reasons = {record.id: record.reason for record in read_index(tmp_path)}
    assert reasons["roll"] == "read: unexpected RuntimeError: decoder fault"
    assert isinstance(store, Store) and len(store.records) > 3

    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(worker, "open_segments", full)
    with pytest.raises(OSError, match="No space left"):
        prepare(options(lottie_folder, tmp_path / "full"))
    assert not (tmp_path / "full" / "index.jsonl").exists()


def test_no_other_tar_is_deleted(tmp_path, write_lottie):
    data, out = tmp_path / "clips", tmp_path / "out"
    for folder in (data, out):
        folder.mkdir()
    write_lottie(data / "a.json")
    others = [out / name for name in ("mine.tar", "train.tar.xz", "train-1.tar", "test-a.tar")]
    for other in others:
        other.write_text("kept")
    prepare(options(data, out))
    (out / "train-000007.tar").write_text("of a run with more clips")
    prepare(options(data, out, shard_mb=2))
    assert [other.read_text() for other in others] == ["kept"] * len(others)
    assert not (out / "train-000007.tar").exists()


@pytest.mark.parametrize("name", ["train-000000.tar", "clips.tar"])
def test_an_out_that_holds_the_archive_is_refused(tmp_path, name):
    archive = tmp_path / name
    archive.write_text("all there is")
    with pytest.raises(ValueError, match="lies in out="):
        prepare(options(archive, tmp_path))
    assert archive.read_text() == "all there is"


def test_an_out_with_shards_of_someone_else_is_refused(tmp_path, lottie_folder):
    shard = tmp_path / "train-000000.tar"
    shard.write_text("of a cache")
    with pytest.raises(ValueError, match=r"holds train-000000.tar, which train.prepare did not"):
        prepare(options(lottie_folder, tmp_path))
    assert shard.read_text() == "of a cache"


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"shard": "../../x.tar"}, "is no name of a clip or shard"),
        ({"id": "../x"}, "is no name of a clip or shard"),
        ({"frames": 10**9}, "1000000000 frames in 0 places"),
        ({"fps": "fast"}, "fps is no float"),
        ({"places": {"json": [-1, 4]}}, r"\(-1, 4\) is no place in a shard"),
    ],
)
def test_an_index_leads_nowhere_else(change, said):
    line = json.dumps({**json.loads(to_line(Record(id="walk"))), **change})
    with pytest.raises(ValueError, match=f"index.jsonl, line 3: no line of train.prepare .*{said}"):
        from_line(line, "index.jsonl, line 3")


def test_an_index_that_is_no_text_is_named(tmp_path):
    (tmp_path / INDEX).write_bytes(b"\xff\n")
    with pytest.raises(ValueError, match="index.jsonl: no text in UTF-8"):
        read_index(tmp_path)


def test_a_full_disk_is_named_with_what_to_do(tmp_path, lottie_folder, monkeypatch):
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(worker._Source, "_add", full)
    with pytest.raises(OSError, match="out=.*No space left on device. Make room there and start"):
        prepare(options(lottie_folder, tmp_path))
