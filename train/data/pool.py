"""Jobs in worker processes that may die, each at the cost of its own job only."""

import multiprocessing
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import (
    FIRST_COMPLETED,
    BrokenExecutor,
    Future,
    ProcessPoolExecutor,
    wait,
)
from typing import Any

Work = Callable[..., Any]


def run_jobs(
    work: Work, jobs: Mapping[str, tuple], workers: int, start: Work | None = None
) -> Iterator[tuple[str, Any]]:
    """(name, work(*arguments)) as they come; None for a job whose process died.

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
        pool = _Pool(work, min(workers, len(waiting)), start)
        yield from pool.run(waiting)
        suspects |= pool.died
    if workers == 1:
        yield from ((name, None) for name in suspects)
    else:
        yield from run_jobs(work, suspects, 1, start)


class _Pool:
    """Processes that serve until one of them dies: `died` are the jobs that ran then."""

    def __init__(self, work: Work, count: int, start: Work | None) -> None:
        context = multiprocessing.get_context("spawn")
        self.executor = ProcessPoolExecutor(count, mp_context=context, initializer=start)
        self.work, self.count, self.broken = work, count, False
        self.running: dict[Future, tuple[str, tuple]] = {}
        self.died: dict[str, tuple] = {}

    def run(self, waiting: deque[tuple[str, tuple]]) -> Iterator[tuple[str, Any]]:
        """Take jobs from the left of `waiting`; the results."""
        try:
            self._hand_out(waiting)
            while self.running:
                for future in wait(self.running, return_when=FIRST_COMPLETED).done:
                    name, arguments = self.running.pop(future)
                    if isinstance(future.exception(), BrokenExecutor):
                        self.broken = True
                        self.died[name] = arguments
                    else:
                        yield name, future.result()
                self._hand_out(waiting)
        finally:
            self.executor.shutdown(wait=True, cancel_futures=True)

    def _hand_out(self, waiting: deque[tuple[str, tuple]]) -> None:
        while waiting and len(self.running) < self.count and not self.broken:
            name, arguments = waiting[0]
            try:
                self.running[self.executor.submit(self.work, *arguments)] = name, arguments
                waiting.popleft()
            except BrokenExecutor:  # an idle process died: no job is to blame
                self.broken = True
