"""How a command ends: errors of the user's and Ctrl-C are one line, and processes part."""

import pytest
import torch
import torch.distributed as dist

from train.engine.stop import GO_ON, exit_on_user_error


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
    with pytest.raises(RuntimeError, match="a bug"), exit_on_user_error():
        raise RuntimeError("a bug")


def test_a_process_that_is_done_leaves_the_others(tmp_path):
    """What is left of a group may abort the process as it ends."""
    with exit_on_user_error():
        dist.init_process_group("gloo", init_method=f"file://{tmp_path}/met", rank=0, world_size=1)
    assert not dist.is_initialized()


def test_no_memory_later_is_one_line_too():
    told = r"^error: out of memory \(CUDA.*\): more run.accumulate"
    with pytest.raises(SystemExit, match=told), exit_on_user_error():
        raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20.00 MiB.\nA list")
