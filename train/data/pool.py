"""Jobs in worker processes that may die or hang, each at the cost of its own job only."""

import multiprocessing
import os
import signal
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import (
    FIRST_COMPLETED,
    BrokenExecutor,
    Future,
    ProcessPoolExecutor,
    wait,
)
from contextlib import contextmanager
from enum import Enum
from typing import Any

Work = Callable[..., Any]


class Lost(Enum):
    """Why a job has no result."""

    DIED = "its process died"
    LATE = "it took longer than the limit, and was killed"


def run_jobs(
    work: Work,
    jobs: Mapping[str, tuple],
    workers: int,
    start: Work | None = None,
    limit: float = float("inf"),
) -> Iterator[tuple[str, Any]]:
    """(name, work(*arguments)) as they come; `Lost` for a job whose process died, or that took more
    than `limit` seconds.

    No more jobs are handed out than processes run, so that a death leaves few to suspect. Those
    run again one by one, where the next death names its job; all others go on in a new pool.
    What a job raises is raised here. `start` is called in every process first; with 0 `workers`
    the jobs run in this process. Where this process is killed, or leaves early, as by Ctrl-C, so
    are they.
    """
    if workers == 0:
        yield from ((name, work(*arguments)) for name, arguments in jobs.items())
        return
    waiting, suspects = deque(jobs.items()), {}
    while waiting:
        pool = _Pool(work, min(workers, len(waiting)), start, limit)
        yield from pool.run(waiting)
        suspects |= pool.died
    if workers == 1:
        yield from ((name, Lost.DIED) for name in suspects)
    else:
        yield from run_jobs(work, suspects, 1, start, limit)


class _Pool:
    """Processes that serve until one of them dies: `died` are the jobs that ran then. One that
    takes too long is no suspect, but ends as one that died alone."""

    def __init__(self, work: Work, count: int, start: Work | None, limit: float) -> None:
        context = multiprocessing.get_context("spawn")
        self.executor = ProcessPoolExecutor(
            count, mp_context=context, initializer=_begin, initargs=(start,)
        )
        self.work, self.count, self.limit, self.broken = work, count, limit, False
        self.running: dict[Future, tuple[str, tuple]] = {}
        self.begun: dict[str, float] = {}
        self.late: set[str] = set()
        self.died: dict[str, tuple] = {}

    def run(self, waiting: deque[tuple[str, tuple]]) -> Iterator[tuple[str, Any]]:
        """Take jobs from the left of `waiting`; the results."""
        try:
            self._hand_out(waiting)
            while self.running:
                for future in self._finished():
                    name, arguments = self.running.pop(future)
                    if name in self.late:
                        self.broken = True
                        yield name, Lost.LATE
                    elif isinstance(future.exception(), BrokenExecutor):
                        self.broken = True
                        self.died[name] = arguments
                    else:
                        yield name, future.result()
                self._hand_out(waiting)
        except BaseException:
            self._kill()
            raise
        finally:
            self.executor.shutdown(wait=True, cancel_futures=True)

    def _finished(self) -> set[Future]:
        """Jobs that have ended; where none does in time, all processes are killed first."""
        left = min(self.begun[name] for name, _ in self.running.values()) + self.limit
        timeout = None if left == float("inf") else max(0.0, left - time.monotonic())
        done = wait(self.running, timeout, FIRST_COMPLETED).done
        if done:
            return done
        now = time.monotonic()
        names = [name for name, _ in self.running.values()]
        self.late |= {name for name in names if now - self.begun[name] >= self.limit}
        self._kill()
        return wait(self.running).done

    def _kill(self) -> None:
        for process in list((self.executor._processes or {}).values()):
            process.kill()  # the executor has no way of its own before Python 3.14

    def _hand_out(self, waiting: deque[tuple[str, tuple]]) -> None:
        while waiting and len(self.running) < self.count and not self.broken:
            name, arguments = waiting[0]
            try:
                with _without_interrupts():
                    future = self.executor.submit(self.work, *arguments)
                self.running[future] = name, arguments
                self.begun[name] = time.monotonic()
                waiting.popleft()
            except BrokenExecutor:  # an idle process died: no job is to blame
                self.broken = True


def _begin(start: Work | None) -> None:
    end_with_parent()
    if start is not None:
        start()


def end_with_parent() -> None:
    """Let this process end when the one that started it does, even by a kill, which nobody else
    would tell it of."""
    parent = multiprocessing.parent_process()
    threading.Thread(target=lambda: (parent.join(), os._exit(1)), daemon=True).start()


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
