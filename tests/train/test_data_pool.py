"""Jobs whose process dies: each costs itself, and the others go on in few new processes."""

import gc
import operator
import os
import time

import pytest

from train.data.pool import Lost, run_jobs


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
    found = list(run_jobs(time.sleep, jobs, 1, gc.collect, limit=6))
    assert [name for name, _ in found] == list(jobs) and time.monotonic() - begin < 300
    assert found[0] == ("hangs", Lost.LATE)


def test_what_a_job_raises_is_raised():
    with pytest.raises(TypeError, match="bad operand"):
        dict(run_jobs(operator.neg, {"a": ("text",), "b": (1,)}, 2))


def test_without_workers_jobs_run_here():
    assert dict(run_jobs(os.getpid, {"a": ()}, 0)) == {"a": os.getpid()}
    assert dict(run_jobs(os.getpid, {}, 2)) == {}
