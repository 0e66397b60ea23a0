"""The runs of the plan, several at a time, each then in a process of its own."""

from __future__ import annotations

import logging
import multiprocessing
import signal
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from multiprocessing.connection import wait
from multiprocessing.context import SpawnProcess
from types import FrameType

from train.ablation import running
from train.ablation.plan import Places, Run
from train.data.pool import end_with_parent
from train.engine.command import errors_told

Busy = dict[str, SpawnProcess]  # by the run's name


def finish_all(runs: Sequence[Run], places: Places, jobs: int) -> None:
    """Bring every run to its result: in this process one after the other, or `jobs` at a time, a
    run when those are done that it starts from. SystemExit where one failed or was told to stop;
    the others are then stopped, too, and go on from there with the next call."""
    for run in runs:
        if jobs == 1 or running.is_done(run, places):
            running.finish(run, places)
    left = [run for run in runs if not running.is_done(run, places)]
    with _processes() as busy:
        while left or busy:
            for run in _startable(left, busy)[: jobs - len(busy)]:
                left.remove(run)
                busy[run.name] = _begun(run, places)
            wait([process.sentinel for process in busy.values()])
            _take_ended(busy)


def _startable(left: Sequence[Run], busy: Busy) -> list[Run]:
    unfinished = {run.name for run in left} | busy.keys()
    return [run for run in left if run.needs not in unfinished]


def _begun(run: Run, places: Places) -> SpawnProcess:
    context = multiprocessing.get_context("spawn")
    process = context.Process(target=_finish, args=(run, places), name=run.name)
    process.start()
    return process


def _finish(run: Run, places: Places) -> None:
    logging.basicConfig(level=logging.INFO, format=f"{run.name}: %(message)s")
    end_with_parent()
    with errors_told():
        running.finish(run, places)


def _take_ended(busy: Busy) -> None:
    for name, process in list(busy.items()):
        if process.exitcode is None:
            continue
        del busy[name]
        if process.exitcode:
            sys.exit(f"error: {name} ended with code {process.exitcode}; its reason is above")


@contextmanager
def _processes() -> Iterator[Busy]:
    """Those that still run at the end are told to save and stop, and are waited for; so does a
    SIGTERM to this process."""
    busy: Busy = {}
    before = signal.signal(signal.SIGTERM, _exit)
    try:
        yield busy
    finally:
        for process in busy.values():
            process.terminate()
        for process in busy.values():
            process.join()
        signal.signal(signal.SIGTERM, before)


def _exit(number: int, _: FrameType | None) -> None:
    sys.exit(128 + number)
