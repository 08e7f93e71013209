"""What ended jobs mean, and what it costs to know."""

import datetime
from concurrent.futures import ThreadPoolExecutor

import pytest
from test_aws import Time, patience
from test_definitions import PLAN

from snakemake_executor_plugin_hutchbatch.endings import Ending
from snakemake_executor_plugin_hutchbatch.moves import History
from snakemake_executor_plugin_hutchbatch.settlement import Settlement
from snakemake_executor_plugin_hutchbatch.supervisor.taskspec import Status
from snakemake_executor_plugin_hutchbatch.tracking import Ended
from snakemake_executor_plugin_hutchbatch.verdict import not_entered
from snakemake_executor_plugin_hutchbatch.work import Work

BEGUN = datetime.datetime(2026, 11, 27, tzinfo=datetime.UTC)


class Account:
    """Describes children that succeeded at their second attempt; counts its calls."""

    def __init__(self):
        self.calls = []

    def describe_jobs(self, jobs):
        assert len(jobs) <= 100
        self.calls.append(len(jobs))
        return {"jobs": [{"jobId": j, "status": "SUCCEEDED", "attempts": [{}, {}]} for j in jobs]}


class Bucket:
    """Has a status of each job's last attempt only, as after a lost machine."""

    def foresee(self, outcomes):
        self.foreseen = len(outcomes)

    def end(self, job_id, job, **known):
        attempt = max(1, len(job.get("attempts") or []))
        if attempt == 1 and not job_id.startswith("plain"):
            return Ending(not_entered(0), None)
        return Ending(None, Status(job_id, attempt, "done", 0))


class NoCopies:
    def keep(self, source):
        return ()


@pytest.fixture
def pool():
    with ThreadPoolExecutor(4) as threads:
        yield threads


def ended(job_id):
    work = Work(None, 1, job_id, "name", "", PLAN, History(), (), "s3://b/status/", begun=BEGUN)
    return Ended(job_id, work, {"status": "SUCCEEDED"})


def test_children_that_need_a_second_look_are_described_by_hundreds(pool):
    account = Account()
    settlement = Settlement(account, Bucket(), {}, patience(Time(), []), pool, NoCopies())
    jobs = [ended(f"array:{i}") for i in range(250)] + [ended("plain:1")]
    found = list(settlement.settle(jobs))
    assert [s.outcome.job_id for s in found] == [job.job_id for job in jobs]
    assert all(s.failure is None for s in found)
    assert {s.status.attempt for s in found[:250]} == {2}
    assert sorted(account.calls) == [50, 100, 100]


def test_children_whose_first_attempt_was_good_cost_no_call(pool):
    account = Account()
    settlement = Settlement(account, Bucket(), {}, patience(Time(), []), pool, NoCopies())
    assert [s.failure for s in settlement.settle([ended("plain:1"), ended("plain:2")])] == [
        None
    ] * 2
    assert account.calls == []


def test_an_ending_that_cannot_be_read_is_that_jobs_failure_alone(pool):
    class Broken(Bucket):
        def end(self, job_id, job, **known):
            if job_id == "plain:1":
                raise RuntimeError("odd")
            return super().end(job_id, job, **known)

    settlement = Settlement(Account(), Broken(), {}, patience(Time(), []), pool, NoCopies())
    bad, good = settlement.settle([ended("plain:1"), ended("plain:2")])
    assert "odd" in bad.failure.sentence
    assert good.failure is None
