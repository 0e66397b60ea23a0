"""A fixed twentieth of the hostile inputs, and that the harness finds what it is there to find."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from case import AREAS, Case
from runner import Outcome, run

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize("area", AREAS)
def test_a_twentieth(area: str) -> None:
    command = [sys.executable, ROOT / "tests/fuzz", area, "--one-in", "20"]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    done = subprocess.run(command, capture_output=True, text=True, timeout=600, env=environment)
    assert done.returncode == 0, done.stdout + done.stderr


def say(error: BaseException) -> Callable[[Path], None]:
    def attempt(_: Path) -> None:
        raise error

    return attempt


def judged(folder: Path, attempt: Callable[[Path], object], **options: object) -> Outcome:
    case = Case(area="harness", name="case", attempt=attempt, **options)
    [outcome] = run([case], lambda _: None, folder)
    return outcome


@pytest.mark.parametrize(
    ("attempt", "options", "fault"),
    [
        (lambda _: os.kill(os.getpid(), signal.SIGKILL), {}, "ended by signal 9"),
        (lambda _: os._exit(0), {}, "ended by itself"),
        (lambda _: bytearray(3 << 30), {}, "memory"),
        (say(KeyError("fs")), {}, "a raw builtins.KeyError"),
        (say(ValueError("")), {}, "without a message"),
        (say(ValueError("x" * 1001)), {}, "1001 characters"),
        (say(ValueError("a\x1b[31m")), {}, "control characters"),
        (say(ValueError("wrong")), {"names": ("model.ckpt",)}, "names none of"),
        (say(ValueError("wrong")), {"refused": False}, "must be accepted"),
        (lambda _: None, {"refused": True}, "must be refused"),
    ],
)
def test_the_harness_finds(tmp_path: Path, attempt, options, fault: str) -> None:
    assert fault in judged(tmp_path, attempt, **options).fault


def test_the_harness_stops_what_does_not_end(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr("runner.SECONDS", 0.5)
    monkeypatch.setattr("runner.WAITING", 2.0)

    def spin(_: Path) -> None:
        while True:
            pass

    assert "processor time" in judged(tmp_path / "a", spin).fault
    assert "still waiting" in judged(tmp_path / "b", lambda _: time.sleep(60)).fault


def test_the_harness_runs_plainly_after_each_case(tmp_path: Path) -> None:
    state = []

    def good(_: Path) -> None:
        if state:
            raise ValueError("broken by the case before")

    case = Case(area="harness", name="case", attempt=lambda _: state.append(1))
    [outcome] = run([case], good, tmp_path)
    assert "broken by the case before" in outcome.fault
    assert not state, "a case reached the process that runs all of them"


def test_the_harness_accepts_clear_errors(tmp_path: Path) -> None:
    clear = say(ValueError("model.ckpt: a damaged file. Download it again."))
    assert not judged(tmp_path / "a", clear, names=("model.ckpt",), refused=True).fault
    assert not judged(tmp_path / "b", say(SystemExit("error: out= is a file"))).fault
