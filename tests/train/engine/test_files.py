"""The files of a run: whole or as they were, named where they cannot be written or read, and in a
folder that one command has at a time."""

import errno
import io
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from toy_recipe import train

from toon_core.weights.save import write
from train.engine import checkpoint, files
from train.engine.files import OutFolder, write_text

ROOT = Path(__file__).parents[3]


class FullDisk(io.BytesIO):
    def write(self, data):
        if self.tell() > 100_000:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return super().write(data)


def test_a_full_disk_leaves_the_checkpoint_before(tmp_path, monkeypatch):
    checkpoint.save(tmp_path, 5, {"x": torch.zeros(3)}, 2)
    with monkeypatch.context() as patch:
        patch.setattr(Path, "open", lambda *_: FullDisk())
        with pytest.raises(OSError, match="No space left.*step_00000005") as caught:
            checkpoint.save(tmp_path, 6, {"x": torch.zeros(300_000)}, 2)
    assert str(tmp_path) in str(caught.value)
    assert checkpoint.load_latest(tmp_path)["step"] == 5
    checkpoint.save(tmp_path, 6, {"x": torch.zeros(300_000)}, 2)
    assert checkpoint.load_latest(tmp_path)["step"] == 6


def test_a_log_or_sheet_that_cannot_be_written_is_only_told(tmp_path, caplog):
    (tmp_path / "log").write_text("in the way")
    (tmp_path / "sheets" / "step_00000000.png.part").mkdir(parents=True)
    job = train(out=str(tmp_path), steps=2, sample_every=2)
    assert job.step == 2 and (tmp_path / "result.json").is_file()
    assert [p.name for p in (tmp_path / "sheets").iterdir() if p.is_file()] == ["step_00000002.png"]
    told = [r.message for r in caplog.records if "training goes on" in r.message]
    assert len(told) == 2 and any("step_00000000.png" in message for message in told)


def test_a_result_that_cannot_be_written_names_file_cause_and_checkpoint(tmp_path):
    (tmp_path / "result.json").mkdir()
    with pytest.raises(OSError, match=r"result\.json.*Last good checkpoint: .*step_00000003"):
        train(out=str(tmp_path), steps=3)
    (tmp_path / "result.json").rmdir()
    assert train(out=str(tmp_path), steps=3).step == 3, "it only writes its result"
    assert json.loads((tmp_path / "result.json").read_text())["data_stamp"] == "toys"


def test_files_are_whole_or_as_they_were(tmp_path):
    model, text = tmp_path / "a.safetensors", tmp_path / "a.json"
    write({"x": torch.zeros(2)}, model, {})
    write_text(text, "before")
    before = model.read_bytes()
    (tmp_path / "a.safetensors.part").mkdir()
    (tmp_path / "a.json.part").mkdir()
    with pytest.raises(OSError, match=r"a\.safetensors cannot be written"):
        write({"x": torch.ones(2)}, model, {})
    with pytest.raises(OSError, match=r"a\.json cannot be written"):
        write_text(text, "after")
    assert (model.read_bytes(), text.read_text()) == (before, "before")


def test_a_spoiled_checkpoint_is_named(tmp_path):
    path = checkpoint.save(tmp_path, 5, {}, 2)
    path.write_bytes(b"not a checkpoint")
    with pytest.raises(ValueError, match=path.name):
        checkpoint.load_latest(tmp_path)


def test_a_result_does_not_replace_what_it_is_made_of(tmp_path):
    base, linked = tmp_path / "result.pt", tmp_path / "linked.pt"
    base.write_text("weights")
    linked.symlink_to(base)
    for name in (base, linked):
        with pytest.raises(ValueError, match=f"base={name} is the file that the result would"):
            train(out=str(tmp_path), steps=1, base=str(name))
    assert {p.name for p in tmp_path.iterdir()} - {".lock"} == {"result.pt", "linked.pt"}
    assert base.read_text() == "weights"


def test_a_run_at_its_end_rewrites_nothing(tmp_path):
    train(out=str(tmp_path), steps=2)
    before = {p: p.stat().st_mtime_ns for p in tmp_path.rglob("*") if p.is_file()}
    assert train(out=str(tmp_path), steps=1, lr=1e-3).step == 2
    assert {p: p.stat().st_mtime_ns for p in tmp_path.rglob("*") if p.is_file()} == before
    (tmp_path / "result.pt").unlink()
    train(out=str(tmp_path), steps=2)
    assert (tmp_path / "result.pt").is_file(), "a result that is gone is written again"


HOLDER = """
import sys, time
from pathlib import Path
from train.engine.files import OutFolder
with OutFolder(Path(sys.argv[1])).locked():
    print("held", flush=True)
    time.sleep(600)
"""


def test_a_second_command_is_refused_until_the_first_ends_or_is_killed(tmp_path, monkeypatch):
    out = tmp_path / "run"
    command = [sys.executable, "-c", HOLDER, str(out)]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as holder:
        assert holder.stdout.readline() == "held\n"
        monkeypatch.setattr(files, "PATIENCE", 0)
        with (
            pytest.raises(ValueError, match=r"run: another command writes there now"),
            OutFolder(out).locked(),
        ):
            pass
        holder.kill()
        holder.wait()
        monkeypatch.setattr(files, "PATIENCE", 5)
        with OutFolder(out).locked():
            pass
    with OutFolder(out).locked(), OutFolder(tmp_path / "other").locked():
        pass


def test_folders_that_cannot_be_written_into_are_refused_at_once(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(ValueError, match="file is a file: give a folder"):
        OutFolder(tmp_path / "file")
    with (
        pytest.raises(OSError, match="out=.* cannot be made or written"),
        OutFolder(tmp_path / "file" / "below").locked(),
    ):
        pass
    for inside in (tmp_path, tmp_path / "a" / "b", tmp_path / "a" / ".."):
        with pytest.raises(ValueError, match="lies in data="):
            OutFolder(inside, tmp_path)
    OutFolder(tmp_path, tmp_path / "clips")
    OutFolder(tmp_path, "none")
