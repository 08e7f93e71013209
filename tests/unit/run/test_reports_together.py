"""Successes of a poll are reported to Snakemake together, each once, and none is lost."""

from contextlib import nullcontext
from types import SimpleNamespace
from unittest.mock import MagicMock

import pytest

from snakemake_executor_plugin_hutchbatch.run import endings
from snakemake_executor_plugin_hutchbatch.run.endings import TOGETHER, EndedJobs


class Snakemake:
    def __init__(self, broken=()):
        self.heard, self.failures, self.broken = [], [], broken

    def succeeded(self, job, job_id):
        if job.jobid in self.broken:
            raise RuntimeError("no scheduler")
        self.heard.append(job.jobid)

    def failed(self, job, job_id, message, copies=()):
        self.failures.append((job.jobid, message))


@pytest.fixture(autouse=True)
def _plain_jobs(monkeypatch):
    monkeypatch.setattr(endings, "members", lambda job: [job])
    monkeypatch.setattr(endings, "rule_name", lambda job: "one")
    monkeypatch.setattr(endings.tracebacks, "logged", lambda what: nullcontext())
    monkeypatch.setattr(endings.tracebacks, "log", lambda what: None)


def success(number):
    job = SimpleNamespace(jobid=number, is_group=lambda: False)
    work = SimpleNamespace(job=job, number=number, label=f"one {number}", plan=MagicMock())
    outcome = SimpleNamespace(what=work, job_id=f"id-{number}", description=None)
    return SimpleNamespace(outcome=outcome, failure=None, step=None, status=None)


def ended_jobs(snakemake):
    run = MagicMock(hide=str)
    run.cancelled.is_set.return_value = False
    run.limit.text = ""
    return EndedJobs(snakemake, run, MagicMock())


def test_successes_wait_for_each_other_and_for_no_more_than_are_reported_together():
    snakemake = Snakemake()
    ended = ended_jobs(snakemake)
    for number in range(TOGETHER - 1):
        ended.settled(success(number))
    assert snakemake.heard == []
    ended.settled(success(TOGETHER - 1))
    assert snakemake.heard == list(range(TOGETHER))
    ended.settled(success(TOGETHER))
    ended.report()
    ended.report()
    assert snakemake.heard == list(range(TOGETHER + 1))
    assert snakemake.failures == []


def test_a_success_that_cannot_be_reported_is_a_failure_and_the_others_are_reported():
    snakemake = Snakemake(broken={1})
    ended = ended_jobs(snakemake)
    for number in range(3):
        ended.settled(success(number))
    ended.report()
    assert snakemake.heard == [0, 2]
    assert [number for number, _ in snakemake.failures] == [1]
    assert "could not be reported" in snakemake.failures[0][1]
