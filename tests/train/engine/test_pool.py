"""Jobs whose process dies: each costs itself, and the others go on in few new processes."""

import gc
import operator
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from pickle import PicklingError

import psutil
import pytest

from train.engine.pool import Lost, run_jobs


class Killer:
    """A job that kills its worker, which dies when it receives it."""

    def __reduce__(self):
        return os._exit, (1,)


@pytest.mark.parametrize("workers", [1, 2])
def test_a_death_costs_one_job_and_few_processes(workers):
    jobs = {f"good{i:02d}": () for i in range(24)}
    jobs = {**dict(list(jobs.items())[:9]), "bad": (Killer(),), **dict(list(jobs.items())[9:])}
    found = dict(run_jobs(os.getpid, jobs, workers, gc.collect))
    assert set(found) == set(jobs)
    assert [name for name, process in found.items() if process is Lost.DIED] == ["bad"]
    assert len(set(found.values()) - {Lost.DIED}) <= 2 * workers + 2


def test_several_deaths_are_told_apart():
    jobs = {f"bad{i}": (Killer(),) for i in range(3)} | {f"good{i}": (i,) for i in range(4)}
    found = dict(run_jobs(operator.neg, jobs, 2, gc.collect))
    assert found == {f"bad{i}": Lost.DIED for i in range(3)} | {f"good{i}": -i for i in range(4)}


def test_a_job_that_hangs_is_ended_and_the_others_go_on():
    jobs = {"hangs": (600,), **{f"quick{i}": (0,) for i in range(3)}}
    begin = time.monotonic()
    found = list(run_jobs(time.sleep, jobs, 1, gc.collect, limit=3))
    assert [name for name, _ in found] == list(jobs) and time.monotonic() - begin < 300
    assert found[0] == ("hangs", Lost.LATE)


def test_a_late_job_costs_no_other_process():
    jobs = {"hangs": (time.sleep, 600), **{f"quick{i}": (os.getpid,) for i in range(4)}}
    found = dict(run_jobs(operator.call, jobs, 2, gc.collect, limit=3))
    assert found.pop("hangs") is Lost.LATE
    assert len(found) == 4 and len(set(found.values())) == 1


def test_what_a_job_raises_is_raised():
    with pytest.raises(TypeError, match="bad operand") as caught:
        dict(run_jobs(operator.neg, {"a": ("text",), "b": (1,)}, 2))
    assert "Traceback" in str(caught.value.__cause__), "where it was, in the other process"


@pytest.mark.parametrize("job", [(lambda: 1,), (os.scandir, ".")])
def test_what_cannot_be_sent_is_an_error(job):
    """Arguments, or a result."""
    with pytest.raises((PicklingError, TypeError), match="pickle"):
        dict(run_jobs(operator.call, {"a": job}, 1))


def test_without_workers_jobs_run_here():
    assert dict(run_jobs(os.getpid, {"a": ()}, 0)) == {"a": os.getpid()}
    assert dict(run_jobs(os.getpid, {}, 2)) == {}


WAITING = """
import signal, time
from pathlib import Path
from train.engine.pool import run_jobs

def work(name):
    Path(name).touch()
    time.sleep(600)

if __name__ == "__main__":
    signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background ignores it
    list(run_jobs(work, {"a": ("a",), "b": ("b",)}, 2))
"""


@pytest.mark.parametrize("way", ["kill", "interrupt"])
def test_workers_end_with_the_one_that_started_them(tmp_path, way):
    """Ctrl-C reaches them, too, in a terminal; a kill nobody but the one that is killed."""
    (tmp_path / "main.py").write_text(WAITING)
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[3])}
    options = {"cwd": tmp_path, "env": environment, "stderr": subprocess.PIPE, "text": True}
    with subprocess.Popen([sys.executable, "main.py"], **options) as main:
        _until(lambda: (tmp_path / "a").exists() and (tmp_path / "b").exists(), main)
        workers = psutil.Process(main.pid).children(recursive=True)  # one multiprocessing's own
        if way == "kill":
            main.kill()
        else:
            for process in (*workers, psutil.Process(main.pid)):
                process.send_signal(signal.SIGINT)
        begin, said = time.monotonic(), main.communicate(timeout=60)[1]
    gone, alive = psutil.wait_procs(workers, timeout=30)
    assert not alive and len(gone) == 3 and time.monotonic() - begin < 30
    assert said.count("Traceback") == (way == "interrupt"), said
    assert main.returncode != 0


def _until(ready, process):
    end = time.monotonic() + 60
    while not ready():
        if time.monotonic() > end:
            process.kill()  # else leaving it would wait for it
            raise AssertionError("no workers were started")
        time.sleep(0.05)
