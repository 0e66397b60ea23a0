"""One command at a time in an output folder, and what folder that may be."""

import subprocess
import sys
from pathlib import Path

import pytest
import torch.distributed as dist

from train.engine import files as claim
from train.engine.files import check_out, locked_folder
from train.engine.stop import GO_ON, exit_on_user_error

ROOT = Path(__file__).parents[2]
HOLDER = """
import sys, time
from pathlib import Path
from train.engine.files import locked_folder
with locked_folder(Path(sys.argv[1])):
    print("held", flush=True)
    time.sleep(600)
"""


def test_a_second_command_is_refused_until_the_first_ends_or_is_killed(tmp_path, monkeypatch):
    out = tmp_path / "run"
    command = [sys.executable, "-c", HOLDER, str(out)]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as holder:
        assert holder.stdout.readline() == "held\n"
        monkeypatch.setattr(claim, "PATIENCE", 0)
        with (
            pytest.raises(ValueError, match=r"run: another command writes there now"),
            locked_folder(out),
        ):
            pass
        holder.kill()
        holder.wait()
        monkeypatch.setattr(claim, "PATIENCE", 5)
        with locked_folder(out):
            pass
    with locked_folder(out), locked_folder(tmp_path / "other"):
        pass


def test_folders_that_cannot_be_written_into_are_refused_at_once(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(ValueError, match="file is a file: give a folder"):
        check_out(tmp_path / "file")
    with (
        pytest.raises(OSError, match="out=.* cannot be made or written"),
        locked_folder(tmp_path / "file" / "below"),
    ):
        pass
    for inside in (tmp_path, tmp_path / "a" / "b", tmp_path / "a" / ".."):
        with pytest.raises(ValueError, match="lies in data="):
            check_out(inside, tmp_path)
    check_out(tmp_path, tmp_path / "clips")
    check_out(tmp_path, "none")


def test_ctrl_c_is_one_line_and_code_130(capsys):
    with (
        pytest.raises(SystemExit) as ended,
        exit_on_user_error(GO_ON),
    ):
        raise KeyboardInterrupt
    assert ended.value.code == 130
    assert capsys.readouterr().err.strip() == GO_ON


def test_messages_are_short_and_leave_the_terminal_alone():
    with pytest.raises(SystemExit) as ended, exit_on_user_error():
        raise ValueError("\x1b[31m" + "x" * 5000)
    assert ended.value.code.startswith(r"error: \x1b[31mx") and len(ended.value.code) < 1100
    with pytest.raises(SystemExit, match="error: out of memory"), exit_on_user_error():
        raise RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried 9 bytes")
    with pytest.raises(SystemExit, match="^error: clip: cut$"), exit_on_user_error():
        raise ValueError("Caught\nTraceback (most recent call last):\n x\nValueError: clip: cut\n")
    with pytest.raises(RuntimeError, match="a bug"), exit_on_user_error():
        raise RuntimeError("a bug")


def test_a_process_that_is_done_leaves_the_others(tmp_path):
    """What is left of a group may abort the process as it ends."""
    with exit_on_user_error():
        dist.init_process_group("gloo", init_method=f"file://{tmp_path}/met", rank=0, world_size=1)
    assert not dist.is_initialized()
