"""Waiting for the end of jobs that were ended by hand."""

from types import SimpleNamespace

import pytest

from snakemake_executor_plugin_hutchbatch.cli import cancelling
from snakemake_executor_plugin_hutchbatch.cli.cancelling import Canceller
from snakemake_executor_plugin_hutchbatch.record.schema import Run
from snakemake_executor_plugin_hutchbatch.reporting.cancel_targets import CancelTargets


class Batch:
    """Ends one job more between two looks."""

    def __init__(self, *ids):
        self.live, self.asked = list(ids), []

    def terminate_jobs(self, jobs, **_):
        return {"successful": list(jobs), "errors": []}

    def terminate_job(self, **_):
        return {}

    def describe_jobs(self, jobs):
        self.asked.append(len(jobs))
        found = [
            {"jobId": each, "status": "RUNNING" if each in self.live else "FAILED"} for each in jobs
        ]
        self.live = self.live[1:]
        return {"jobs": found}


@pytest.fixture
def canceller(monkeypatch):
    def make(batch):
        monkeypatch.setattr(cancelling.clients, "session", lambda region: None)
        monkeypatch.setattr(cancelling.clients, "clients", lambda _: SimpleNamespace(batch=batch))
        return Canceller(None, Run("r", 1.0))

    return make


def test_jobs_that_have_ended_are_not_asked_about_again(canceller):
    batch = Batch("a", "b", "c")
    ending = canceller(batch)
    assert ending.end(CancelTargets(singles=("a", "b", "c"), jobs=3)) == (3, 0, "")
    assert ending.wait(clock=lambda: 0.0, sleep=lambda _: None) == 0
    assert batch.asked == [3, 3, 2, 1]


def test_a_wait_has_an_end_and_says_what_is_left(canceller):
    batch, times = Batch(*["a"] * 99), iter(range(0, 1000, 30))
    ending = canceller(batch)
    ending.end(CancelTargets(singles=("a",), jobs=1))
    assert ending.wait(clock=lambda: float(next(times)), sleep=lambda _: None) == 1
