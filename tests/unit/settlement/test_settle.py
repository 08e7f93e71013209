"""What ended jobs mean, and what it costs to know."""

import datetime
import logging
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest
from aws_doubles import Time, retrier
from sample_plan import PLAN

from snakemake_executor_plugin_hutchbatch.planning.work import History, SentWork
from snakemake_executor_plugin_hutchbatch.queues.choice import Ladder
from snakemake_executor_plugin_hutchbatch.settlement import retry_policy
from snakemake_executor_plugin_hutchbatch.settlement.evidence import Settled
from snakemake_executor_plugin_hutchbatch.settlement.failure_cause import Cause, not_entered, read
from snakemake_executor_plugin_hutchbatch.settlement.settle import Settlement
from snakemake_executor_plugin_hutchbatch.supervisor.taskspec import Status
from snakemake_executor_plugin_hutchbatch.tracking.news import Ended

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

    def foresee(self, outcomes, since):
        self.foreseen = len(outcomes)

    def end(self, ended):
        job_id, job = ended.job_id, ended.description
        attempt = max(1, len(job.get("attempts") or []))
        if attempt == 1 and not job_id.startswith("plain"):
            return Settled(ended, not_entered(0))
        return Settled(ended, None, Status(job_id, attempt, "done", 0))


class NoCopies:
    def keep(self, source):
        return ()


class Job:
    """Of Snakemake's, what a copy of its logs asks for."""

    log = ()

    def is_group(self):
        return False


@pytest.fixture
def pool():
    with ThreadPoolExecutor(4) as threads:
        yield threads


def ended(job_id):
    work = SentWork(Job(), 1, job_id, "name", "", PLAN, History(), (), "s3://b/status/", BEGUN)
    return Ended(job_id, work, {"status": "SUCCEEDED"})


def test_children_that_need_a_second_look_are_described_by_hundreds(pool):
    account = Account()
    settlement = Settlement(account, Bucket(), {}, retrier(Time(), []), pool, NoCopies())
    jobs = [ended(f"array:{i}") for i in range(250)] + [ended("plain:1")]
    found = list(settlement.settle(jobs))
    assert [s.outcome.job_id for s in found] == [job.job_id for job in jobs]
    assert all(s.failure is None for s in found)
    assert {s.status.attempt for s in found[:250]} == {2}
    assert sorted(account.calls) == [50, 100, 100]


def test_children_whose_first_attempt_was_good_cost_no_call(pool):
    account = Account()
    settlement = Settlement(account, Bucket(), {}, retrier(Time(), []), pool, NoCopies())
    assert [s.failure for s in settlement.settle([ended("plain:1"), ended("plain:2")])] == [
        None
    ] * 2
    assert account.calls == []


def settled(pool, endings, *jobs, account=None, logs=None):
    """``jobs``, settled; no call of AWS's but ``account``'s."""
    account = account or Account()
    settlement = Settlement(account, endings, {}, retrier(Time(), []), pool, logs or NoCopies())
    return list(settlement.settle(jobs))


def failed(job_id, status_reason, **container):
    one = ended(job_id)
    job = {"status": "FAILED", "statusReason": status_reason, "container": container}
    return replace(one, description={**job, "attempts": [{}]})


LOST = "Host EC2 (instance i-0abc) terminated."


class Plain(Bucket):
    """All that is known is Batch's description."""

    def end(self, ended):
        return Settled(ended, read(ended.description))


class Unreadable(Plain):
    def end(self, ended):
        if ended.job_id.startswith("plain:1"):
            raise RuntimeError("odd")
        return super().end(ended)


@pytest.fixture
def log():
    """What Snakemake's logger gets."""
    records, handler = [], logging.Handler()
    handler.emit = lambda record: records.append(record.getMessage())
    logger = logging.getLogger("snakemake.logging")
    logger.addHandler(handler)
    yield records
    logger.removeHandler(handler)


def test_an_ending_that_cannot_be_read_is_that_jobs_failure_alone(pool, log):
    bad, good = settled(pool, Unreadable(), ended("plain:1"), ended("plain:2"))
    assert bad.failure.cause is Cause.LOST
    assert "odd" in bad.failure.sentence
    assert good.failure is None
    assert "Traceback" in log[0]
    assert "RuntimeError: odd" in log[0]


@pytest.mark.parametrize(
    ("reason", "container", "cause"),
    [
        ("Essential container in task exited", {"exitCode": 3}, Cause.COMMAND),
        ("Essential container in task exited", {"reason": "OutOfMemoryError: x"}, None),
        ("Task failed to start", {"reason": "CannotPullContainerError: not found"}, Cause.IMAGE),
    ],
)
def test_an_ending_that_cannot_be_read_in_full_keeps_the_cause_that_batch_tells(
    pool, log, reason, container, cause
):
    (one,) = settled(pool, Unreadable(), failed("plain:1", reason, **container))
    assert one.failure.cause is (cause or Cause.OUT_OF_MEMORY)
    assert "Traceback" in log[0]


def test_a_spot_loss_that_cannot_be_read_in_full_is_tried_again(pool, log):
    job = failed("plain:1", LOST)
    plan = replace(PLAN, ladder=Ladder((PLAN.queue, "another"), "set by you"))
    (one,) = settled(pool, Unreadable(), replace(job, what=replace(job.what, plan=plan)))
    assert one.failure.cause is Cause.SPOT
    assert one.step.plan.queue == "another"


def test_a_fault_of_the_retry_policy_makes_no_final_failure_of_a_lost_machine(
    pool, log, monkeypatch
):
    def broken(*_):
        raise ZeroDivisionError("a bug")

    monkeypatch.setattr(retry_policy, "after", broken)
    spot, host, command = settled(
        pool,
        Plain(),
        failed("plain:1", LOST),
        failed("plain:2", "Task failed to start", reason="DockerTimeoutError: slow"),
        failed("plain:3", "Essential container in task exited", exitCode=3),
    )
    assert [s.failure.cause for s in (spot, host, command)] == [
        Cause.SPOT,
        Cause.HOST,
        Cause.COMMAND,
    ]
    assert [s.step is not None for s in (spot, host, command)] == [True, True, False]
    assert spot.step.history.submissions == 2
    assert all("ZeroDivisionError: a bug" in reported for reported in log)
    assert len(log) == 3


def test_a_fault_of_copying_logs_leaves_the_failure_as_it_is(pool, log):
    class Broken:
        def keep(self, source):
            raise KeyError("events")

    job = failed("plain:1", "Essential container in task exited", exitCode=3)
    (one,) = settled(pool, Plain(), job, logs=Broken())
    assert (one.failure.cause, one.copies) == (Cause.COMMAND, ())
    assert "KeyError: 'events'" in log[0]


def test_a_fault_of_asking_in_bulk_loses_no_job(pool, log):
    class Broken(Plain):
        def foresee(self, outcomes, since):
            raise TypeError("an answer that is none")

    class Odd:
        def describe_jobs(self, jobs):
            return {"html": "<p>proxy</p>"}

    short = replace(failed("plain:1", "x"), description={"status": "FAILED", "container": {}})
    jobs = (short, failed("plain:2", "Essential container in task exited", exitCode=3))
    found = settled(pool, Broken(), *jobs, account=Odd())
    assert [s.outcome.job_id for s in found] == ["plain:1", "plain:2"]
    assert found[1].failure.cause is Cause.COMMAND
    assert ["TypeError" in log[0], "KeyError" in log[1]] == [True, True]
