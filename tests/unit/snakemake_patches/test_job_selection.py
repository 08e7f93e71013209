"""Which jobs start is what Snakemake's own scheduler would choose, without its linear program."""

import asyncio
import sys
import threading
from dataclasses import dataclass, field
from types import SimpleNamespace

import pytest

from snakemake_executor_plugin_hutchbatch.snakemake_patches import job_selection
from snakemake_executor_plugin_hutchbatch.snakemake_patches.job_selection import how_many

FREE = {"_cores": sys.maxsize, "_nodes": 3, "_job_count": sys.maxsize}
ONE = {"_cores": 2, "_nodes": 1, "_job_count": 1}


@pytest.mark.parametrize(
    ("needs", "left", "number"),
    [
        ([ONE] * 3, FREE, 3),
        ([ONE] * 5, FREE, 3),
        ([ONE] * 5, {**FREE, "_nodes": 0}, 0),
        ([ONE] * 5, {**FREE, "_nodes": -1}, 0),
        ([], FREE, 0),
        ([{**ONE, "disk": 2}] * 3, {**FREE, "disk": 5}, 2),
        ([{**ONE, "disk": 2}] * 3, {**FREE, "disk": 6}, 3),
        # Which of them fit is a question.
        ([{**ONE, "disk": 2}, {**ONE, "disk": 1}], {**FREE, "disk": 2}, None),
        ([{**ONE, "disk": 2}, ONE], {**FREE, "disk": 1}, None),
        # Not for us.
        ([{**ONE, "disk": 0}], {**FREE, "disk": -1}, None),
        ([], {**FREE, "disk": -1}, None),
        ([{**ONE, "disk": "much"}], {**FREE, "disk": 2}, None),
        ([ONE], {**FREE, "site": "hutch"}, None),
    ],
)
def test_a_number_of_jobs_fits_where_they_need_the_same_of_what_is_short(needs, left, number):
    assert how_many(needs, left) == number


@dataclass(eq=False)
class File:
    flags: dict = field(default_factory=dict)


@dataclass(eq=False)
class Job:
    name: str
    priority: int = 0
    scheduler_resources: dict = field(default_factory=lambda: dict(ONE))
    input: tuple = ()


class Limiter:
    def __init__(self, free=100):
        self.free, self.registered = free, 0

    def get_free_jobs(self):
        return self.free

    def register_jobs(self, number):
        self.registered += number


class Own:
    __module__ = "snakemake.scheduling.milp"


class Scheduler:
    _scheduler = Own()
    _executor_error = _user_kill = None

    def __init__(self, free=100, **resources):
        self.resources = {**FREE, **resources}
        self.job_rate_limiter = Limiter(free)
        self._lock = threading.Lock()
        self._open_jobs = threading.Semaphore(4)
        self._tofinish, self._toerror, self.asked = [], [], 0
        self.seen = []
        self.sized = []
        self.workflow = SimpleNamespace(async_run=asyncio.run)

    async def update_input_sizes(self, jobs):
        self.sized += [job.name for job in jobs]

    def validate_job(self, job):
        self.seen.append(job)

    def update_available_resources(self, jobs):
        for name in self.resources:
            self.resources[name] -= sum(j.scheduler_resources.get(name, 0) for j in jobs)

    def select(self, *jobs):
        def original(scheduler, jobs):
            scheduler.asked += 1
            return []

        return [j.name for j in job_selection.job_selector(original)(self, jobs)]


def test_all_jobs_that_fit_start_at_once_and_what_they_need_is_taken():
    scheduler = Scheduler(_nodes=10)
    assert sorted(scheduler.select(*map(Job, "abc"))) == ["a", "b", "c"]
    assert (scheduler.resources["_nodes"], scheduler.job_rate_limiter.registered) == (7, 3)
    assert (scheduler.asked, len(scheduler.seen)) == (0, 3)


def test_what_is_short_goes_to_priorities_then_vcpus_then_jobs_that_free_temporary_files():
    large = Job("large", scheduler_resources={**ONE, "_cores": 8})
    jobs = [
        Job("plain"),
        Job("frees", input=(File(), File({"temp": True}))),
        large,
        Job("urgent", 5),
    ]
    assert Scheduler(_nodes=3).select(*jobs) == ["urgent", "large", "frees"]
    assert Scheduler(_nodes=9, free=1).select(*jobs) == ["urgent"]


def test_jobs_of_a_rule_start_beside_each_other():
    jobs = [Job(name) for name in "abcabc"]
    assert Scheduler(_nodes=9).select(*jobs) == list("aabbcc")
    assert Scheduler(_nodes=3).select(*jobs) == list("aab")
    assert Scheduler(_nodes=9).select(*jobs, Job("c", 5)) == list("caabbcc")


def test_the_sizes_of_the_inputs_of_what_starts_are_looked_up_for_learning():
    scheduler = Scheduler(_nodes=1)
    assert scheduler.select(Job("later"), Job("first", 5)) == ["first"]
    assert scheduler.sized == ["first"]


def test_other_cases_stay_snakemakes():
    unlike = [Job("a", scheduler_resources={"disk": 2}), Job("b", scheduler_resources={"disk": 1})]
    short = Scheduler(disk=2)
    assert short.select(*unlike) == []
    assert short.asked == 1
    limited = Scheduler(free=0)
    assert limited.select(Job("a")) == []
    assert limited.asked == 1
    plugin = Scheduler()
    plugin._scheduler = object()
    plugin.select(Job("a"))
    assert plugin.asked == 1


def test_many_endings_are_one_round_and_what_ends_later_is_another():
    scheduler, rounds = Scheduler(), []

    def plain(self):
        rounds.append(list(self._tofinish))
        self._tofinish.clear()

    def ends(name):
        scheduler._tofinish.append(name)
        scheduler._open_jobs.release()

    finish = job_selection.finish_jobs(plain)
    for name in "abc":
        ends(name)
    finish(scheduler)
    assert rounds == [["a", "b", "c"]]
    assert not scheduler._open_jobs.acquire(blocking=False)
    ends("d")
    assert scheduler._open_jobs.acquire(blocking=False)
