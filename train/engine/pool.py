"""Jobs in worker processes that may die or hang, each at the cost of its own job only."""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from enum import Enum
from math import inf
from multiprocessing.connection import Connection, wait
from traceback import format_exc
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

    What a job raises is raised here. `start` is called in every process first, and `begun` here
    with the name of each job that is handed out; with 0 `workers` the jobs run in this process.
    Where this process is killed, or leaves early, as by Ctrl-C, the others are killed.
    """
    if workers == 0:
        for name, arguments in jobs.items():
            begun(name)
            yield name, work(*arguments)
        return
    waiting = deque(jobs.items())
    busy: dict[Connection, _Worker] = {}
    idle: list[_Worker] = []
    try:
        while waiting or busy:
            while waiting and len(busy) < workers:
                worker = idle.pop() if idle else _Worker(work, start)
                if worker.process.is_alive():  # else it died idle: no job is to blame
                    busy[worker.pipe] = worker
                    worker.take(*waiting.popleft())
                    begun(worker.job)
            for worker in _ready(busy, limit):
                result = worker.result()
                del busy[worker.pipe]
                if not isinstance(result, Lost):
                    idle.append(worker)
                yield worker.job, result
        for worker in idle:
            worker.pipe.close()  # which ends it
            worker.process.join()
    except BaseException:
        for worker in (*idle, *busy.values()):
            worker.process.kill()
            worker.process.join()
        raise


def _ready(busy: Mapping[Connection, _Worker], limit: float) -> list[_Worker]:
    """Workers that have a result or have died; where none does in time, those that are late."""
    left = min(worker.begun for worker in busy.values()) + limit - time.monotonic()
    ready = wait(list(busy), None if left == inf else max(0.0, left))
    if ready:
        return [worker for pipe, worker in busy.items() if pipe in ready]
    return [worker for worker in busy.values() if time.monotonic() - worker.begun >= limit]


class _Worker:
    """A process that does one job after the other."""

    def __init__(self, work: Work, start: Work | None) -> None:
        self.pipe, inner = SPAWN.Pipe()
        self.process = SPAWN.Process(target=_serve, args=(inner, work, start))
        self.job, self.begun = "", 0.0
        with _without_interrupts():
            self.process.start()
        inner.close()  # so that the pipe ends with the process

    def take(self, job: str, arguments: tuple) -> None:
        self.job, self.begun = job, time.monotonic()
        self.pipe.send(arguments)

    def result(self) -> Any:
        """The job's, or raised what it raised; `Lost`, and the process with it, where it has none
        yet or will have none."""
        try:
            done, result = self.pipe.recv() if self.pipe.poll() else (True, Lost.LATE)
        except (EOFError, ConnectionError):
            done, result = True, Lost.DIED
        if not done:
            raise result
        if isinstance(result, Lost):
            self.process.kill()
            self.process.join()
        return result


def _serve(pipe: Connection, work: Work, start: Work | None) -> None:
    end_with_parent()
    if start is not None:
        start()
    with suppress(EOFError):  # nothing is left to do
        while True:
            arguments = pipe.recv()
            try:
                pipe.send((True, work(*arguments)))
            except Exception as error:
                error.add_note(f"In a worker process:\n{format_exc()}")
                pipe.send((False, error))


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
