"""Jobs in worker processes that may die or hang, each at the cost of its own job only."""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager, suppress
from enum import Enum
from math import inf
from typing import Any

Work = Callable[..., Any]
SPAWN = multiprocessing.get_context("spawn")


class Lost(Enum):
    """Why a job has no result."""

    DIED = "its process died"
    LATE = "it took longer than the limit, and was killed"


def run_jobs(
    work: Work,
    jobs: Mapping[str, tuple],
    workers: int,
    start: Work | None = None,
    limit: float = inf,
    begun: Callable[[str], object] = lambda job: None,
) -> Iterator[tuple[str, Any]]:
    """(name, work(*arguments)) as they come; `Lost` for a job whose process died, or that took more
    than `limit` seconds.

    What a job raises is raised here, with the traceback of there as its cause. `start` is called in
    every process first, and `begun` here with the name of each job that is handed out; with 0
    `workers` the jobs run in this process. Where this process is killed, or leaves early, as by
    Ctrl-C, the others are killed.
    """
    if workers == 0:
        for name, arguments in jobs.items():
            begun(name)
            yield name, work(*arguments)
        return
    waiting = deque(jobs.items())
    idle: list[ProcessPoolExecutor] = []  # of one process each, whose death costs no other
    busy: dict[Future, tuple[str, ProcessPoolExecutor, float]] = {}  # and the end of its time
    try:
        while waiting or busy:
            while waiting and len(busy) < workers:
                worker = idle.pop() if idle else ProcessPoolExecutor(1, SPAWN, _begin, (start,))
                name, arguments = waiting[0]
                with suppress(BrokenProcessPool), _without_interrupts():  # where it died idle
                    busy[worker.submit(work, *arguments)] = name, worker, time.monotonic() + limit
                    waiting.popleft()
                    begun(name)
            for future in wait(busy, 1, FIRST_COMPLETED).done:
                name, worker, end = busy.pop(future)
                idle.append(worker)
                try:
                    result = future.result()
                except BrokenProcessPool:
                    result = Lost.LATE if time.monotonic() > end else Lost.DIED
                yield name, result
            for _, worker, end in busy.values():
                if time.monotonic() > end:
                    _kill(worker)
    finally:
        for _, worker, _ in busy.values():
            _kill(worker)
            idle.append(worker)
        for worker in idle:
            worker.shutdown()


def _kill(worker: ProcessPoolExecutor) -> None:
    for process in worker._processes.values():  # Python 3.14 has kill_workers() for it
        process.kill()


def _begin(start: Work | None) -> None:
    """Let this process end when the one that started it does, even by a kill, which nobody else
    would tell it of."""
    parent = multiprocessing.parent_process()
    threading.Thread(target=lambda: (parent.join(), os._exit(1)), daemon=True).start()
    if start is not None:
        start()


@contextmanager
def _without_interrupts() -> Iterator[None]:
    """Processes begun in here ignore Ctrl-C, which a terminal sends to them, too: this one ends
    them. It is the main thread's matter."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
