"""Jobs in worker processes that may die or hang, each at the cost of its own job only."""

import multiprocessing
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
    the jobs run in this process.
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
        self.executor = ProcessPoolExecutor(count, mp_context=context, initializer=start)
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
        for process in list(self.executor._processes.values()):
            process.kill()  # the executor has no way of its own before Python 3.14
        return wait(self.running).done

    def _hand_out(self, waiting: deque[tuple[str, tuple]]) -> None:
        while waiting and len(self.running) < self.count and not self.broken:
            name, arguments = waiting[0]
            try:
                self.running[self.executor.submit(self.work, *arguments)] = name, arguments
                self.begun[name] = time.monotonic()
                waiting.popleft()
            except BrokenExecutor:  # an idle process died: no job is to blame
                self.broken = True
