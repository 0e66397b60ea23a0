"""Runs cases, each in a forked process that is watched, and judges them.

A case may succeed or raise one clear error. It may not crash, wait, take more than 15 s of
processor time or 2 GB more than a plain run does, or leave anything behind that breaks the plain
run after it in the same process.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import sys
import time
import traceback
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil
from case import Case

SECONDS = 15.0  # of processor time, so that a busy machine changes no verdict
WAITING = 60.0  # of the clock: whoever has not ended by then waits for something
MEMORY = 2 << 30  # bytes beyond the plain run's peak
LONGEST = 1000  # characters of a message
POLL = 0.02

Good = Callable[[Path], None]


@dataclass
class Outcome:
    """fault: what is wrong with how the product took the case; empty where nothing is."""

    case: Case
    fault: str
    seconds: float
    peak: int
    message: str
    log: str


@dataclass
class _Child:
    case: Case
    folder: Path
    pid: int
    pipe: int
    process: psutil.Process
    started: float
    text: bytes = b""
    peak: int = 0
    seconds: float = 0.0
    stopped: str = ""
    phases: list[dict[str, Any]] = field(default_factory=list)


def run(cases: Sequence[Case], good: Good, folder: Path, *, jobs: int = 1) -> Iterator[Outcome]:
    """Outcomes in the order in which the cases end. RuntimeError where even a plain run fails."""
    [plain] = _run([Case(area="", name="plain", attempt=good, refused=False)], good, folder, 1, 0)
    if plain.fault:
        raise RuntimeError(f"the plain run fails by itself: {plain.fault}\n{plain.log}")
    yield from _run(cases, good, folder, jobs, plain.peak + MEMORY)


def _run(
    cases: Sequence[Case], good: Good, folder: Path, jobs: int, most: int
) -> Iterator[Outcome]:
    waiting, running = list(reversed(cases)), []
    try:
        while waiting or running:
            while waiting and len(running) < jobs:
                running.append(_start(waiting.pop(), good, folder))
            time.sleep(POLL)
            for child in list(running):
                _watch(child, most)
                ended, status = os.waitpid(child.pid, os.WNOHANG)
                if ended:
                    running.remove(child)
                    yield _judged(child, status)
    finally:
        for child in running:
            _kill(child)
            os.waitpid(child.pid, 0)


def _start(case: Case, good: Good, folder: Path) -> _Child:
    place = folder / f"{case.area}-{case.name}"
    for name in ("attempt", "good"):
        (place / name).mkdir(parents=True)
    reading, writing = os.pipe()
    sys.stdout.flush()
    sys.stderr.flush()
    pid = os.fork()
    if pid == 0:
        os.close(reading)
        _child(case, good, place, writing)
    os.close(writing)
    os.set_blocking(reading, False)
    return _Child(case, place, pid, reading, psutil.Process(pid), time.monotonic())


def _child(case: Case, good: Good, place: Path, pipe: int) -> None:
    """Never returns."""
    try:
        os.setsid()
        log = os.open(place / "log", os.O_WRONLY | os.O_CREAT)
        os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
        os.dup2(log, 1)
        os.dup2(log, 2)
        for name, work in (("attempt", case.attempt), ("good", good)):
            os.chdir(place / name)
            os.write(pipe, (json.dumps(_tried(work, place / name)) + "\n").encode())
    except BaseException:
        traceback.print_exc()
    finally:
        for stream in (sys.stdout, sys.stderr):
            stream.flush()
        os._exit(0)


def _tried(work: Callable[[Path], object], folder: Path) -> dict[str, Any]:
    try:
        work(folder)
    except BaseException as error:
        traceback.print_exc()
        text = str(error)
        kind = f"{type(error).__module__}.{type(error).__qualname__}"
        return {"kind": kind, "clear": _clear(error), "length": len(text), "text": text[:2000]}
    return {}


def _clear(error: BaseException) -> bool:
    """Whether an error is one that the project writes: its own classes, a plain ValueError or
    OSError, or a command's end with a message."""
    if isinstance(error, SystemExit):
        return isinstance(error.code, str)
    ours = ("toon_core.", "train.")
    return type(error) in (ValueError, OSError) or (
        isinstance(error, Exception) and any(name in type(error).__module__ for name in ours)
    )


def _watch(child: _Child, most: int) -> None:
    """Take in what a process says of itself, and stop it where it is over a limit."""
    _listen(child)
    seconds, memory = _costs(child.process)
    if not child.phases:
        child.seconds, child.peak = max(child.seconds, seconds), max(child.peak, memory)
        clock = time.monotonic() - child.started
        if child.seconds > SECONDS:
            child.stopped = f"over {SECONDS:g} s of processor time"
        elif most and child.peak > most:
            child.stopped = f"over {most >> 20} MB of memory"
        elif clock > WAITING:
            child.stopped = f"still waiting after {WAITING:g} s"
    elif time.monotonic() - child.started > 3 * WAITING:
        child.stopped = "the plain run after it does not end"
    if child.stopped:
        _kill(child)


def _listen(child: _Child) -> None:
    with contextlib.suppress(BlockingIOError):
        while more := os.read(child.pipe, 1 << 16):
            child.text += more
    child.phases = [json.loads(line) for line in child.text.split(b"\n")[:-1]]


def _costs(process: psutil.Process) -> tuple[float, int]:
    """Processor seconds and resident bytes of a process and all below it."""
    seconds, memory = 0.0, 0
    with contextlib.suppress(psutil.NoSuchProcess):
        for one in (process, *process.children(recursive=True)):
            with one.oneshot():
                seconds += sum(one.cpu_times()[:4])
                memory += one.memory_info().rss
    return seconds, memory


def _kill(child: _Child) -> None:
    try:
        below = child.process.children(recursive=True)
    except psutil.NoSuchProcess:
        below = []
    for process in (child.process, *below):
        with contextlib.suppress(psutil.NoSuchProcess):
            process.send_signal(signal.SIGKILL)


def _judged(child: _Child, status: int) -> Outcome:
    _listen(child)
    os.close(child.pipe)
    log = (child.folder / "log").read_text("utf-8", "replace") if child.folder.exists() else ""
    shutil.rmtree(child.folder, ignore_errors=True)
    attempt = child.phases[0] if child.phases else {}
    fault = child.stopped or _fault(child, status, attempt)
    text = attempt.get("text", "")
    return Outcome(child.case, fault, child.seconds, child.peak, text, log[-6000:])


def _fault(child: _Child, status: int, attempt: dict[str, Any]) -> str:
    during = "in the plain run after it" if child.phases else "in the case"
    if os.WIFSIGNALED(status):
        return f"ended by signal {os.WTERMSIG(status)} {during}"
    if len(child.phases) < 2:
        return f"ended by itself {during}"
    if child.phases[1]:
        return f"the plain run after it fails: {child.phases[1]['text'][:300]}"
    if not attempt:
        return "accepted, but must be refused" if child.case.refused else ""
    if child.case.refused is False:
        return f"refused, but must be accepted: {attempt['text'][:300]}"
    if not attempt["clear"]:
        return f"a raw {attempt['kind']}: {attempt['text'][:300]!r}"
    return _message_fault(child.case, attempt["text"], attempt["length"])


def _message_fault(case: Case, text: str, length: int) -> str:
    if length > LONGEST:
        return f"a message of {length} characters"
    if not text.strip():
        return "an error without a message"
    if not all(char.isprintable() or char == "\n" for char in text):
        return f"control characters in {text!r}"
    if case.names and not any(name in text for name in case.names):
        return f"names none of {case.names}: {text!r}"
    return ""
