"""Jobs that wait too long leave their queue, whatever CancelJob does."""

from dataclasses import replace
from types import SimpleNamespace

import pytest
from aws_doubles import Time, refused, retrier
from sample_plan import PLAN

from snakemake_executor_plugin_hutchbatch.aws.termination import Termination
from snakemake_executor_plugin_hutchbatch.planning.plan import Budgets
from snakemake_executor_plugin_hutchbatch.planning.work import History
from snakemake_executor_plugin_hutchbatch.queues.choice import Ladder
from snakemake_executor_plugin_hutchbatch.settlement import starvation
from snakemake_executor_plugin_hutchbatch.settlement.starvation import StarvationWatch
from snakemake_executor_plugin_hutchbatch.tracking.tracker import Tracker

LADDER = Ladder(("cpu-spot-30", "cpu-spot-50"), "set by you")
WORK = SimpleNamespace(
    plan=replace(PLAN, queue="cpu-spot-30", ladder=LADDER, budgets=Budgets(starve_minutes=10)),
    history=History(),
    label="align",
)


class Account:
    """Jobs that CancelJob leaves RUNNABLE."""

    def __init__(self, *ids):
        self.states = dict.fromkeys(ids, "RUNNABLE")
        self.cancelled, self.terminated = [], []
        self.denied = self.deaf = False

    def describe_jobs(self, jobs):
        if self.deaf:
            raise refused("ServerException", 500)
        return {"jobs": [{"jobId": j, "status": self.states[j]} for j in jobs]}

    def __getattr__(self, name):
        if name.endswith("_jobs"):  # botocore before 2026
            raise AttributeError(name)
        return self._deny  # whatever explains why jobs wait

    def _deny(self, **_):
        raise refused("AccessDeniedException", 403)

    def cancel_job(self, jobId, reason):
        self.cancelled.append(jobId)

    def terminate_job(self, jobId, reason):
        if self.denied:
            raise refused("AccessDeniedException", 403)
        assert reason == starvation.LEAVING
        self.terminated.append(jobId)


class Watched:
    """A watch over jobs, which are looked at every ten seconds."""

    def __init__(self, *ids):
        self.time, self.said, self.account = Time(), [], Account(*ids)
        self.tracker = Tracker(self.account, self.said.append, self.time.clock)
        ending = Termination(self.account, retrier(Time(), []))
        self.watch = StarvationWatch(
            self.tracker, self.account, ending, {}, self.said.append, clock=self.time.clock
        )
        for job_id in ids:
            self.tracker.add(job_id, WORK)

    def until(self, seconds):
        while self.time.now < seconds:
            self.watch.look(self.tracker.poll())
            self.time.sleep(10)


def test_a_job_that_stays_runnable_after_its_cancellation_is_terminated_two_minutes_later():
    watched = Watched("a", "b")
    watched.until(610 + 110)
    assert (watched.account.cancelled, watched.account.terminated) == (["a", "b"], [])
    watched.account.states["b"] = "FAILED"
    watched.until(610 + 140)
    assert watched.account.terminated == ["a"]
    watched.until(610 + 230)
    assert watched.account.terminated == ["a"]


def test_one_that_has_begun_to_start_runs_on():
    watched = Watched("a")
    watched.until(700)
    watched.account.states["a"] = "STARTING"
    watched.until(1000)
    assert (watched.account.cancelled, watched.account.terminated) == (["a"], [])
    # Its host is lost, and it waits once more.
    watched.account.states["a"] = "RUNNABLE"
    watched.until(2000)
    assert watched.account.cancelled == ["a", "a"]


def test_whether_it_still_waits_is_asked_just_before():
    watched = Watched("a")
    watched.until(720)
    (live,) = watched.tracker.departing()
    watched.account.states["a"] = "RUNNING"
    watched.tracker.poll = starvation.Poll  # as of an array whose children are not listed
    watched.until(800)
    assert live.state == "RUNNABLE"
    assert watched.account.terminated == []
    watched.account.deaf = True
    watched.until(1000)
    assert watched.account.terminated == []


def test_where_termination_is_denied_it_is_said_once():
    watched = Watched("a")
    watched.account.denied = True
    watched.until(2000)
    assert sum("could not be taken out" in line for line in watched.said) == 1


@pytest.mark.parametrize(
    ("job", "moved"),
    [
        ({"statusReason": starvation.LEAVING}, True),
        ({"statusReason": "Host EC2 (instance i-1) terminated."}, False),
        ({}, False),
        (None, False),
    ],
)
def test_a_job_that_a_killed_run_took_out_of_its_queue_moves_too(job, moved):
    assert starvation.was_taken_out(job) is moved
