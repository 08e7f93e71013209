"""A job of a killed run stands for a new one only if it may, whatever AWS leaves out or however far
its clocks are apart."""

from dataclasses import replace
from types import SimpleNamespace

import pytest
from test_aws import Time, patience
from test_definitions import PLAN
from test_found_jobs import job

from snakemake_executor_plugin_hutchbatch.moves import History
from snakemake_executor_plugin_hutchbatch.takeover import Takeover
from snakemake_executor_plugin_hutchbatch.traces import Earlier, Trace
from snakemake_executor_plugin_hutchbatch.tracking import LOST_AFTER_SECONDS
from snakemake_executor_plugin_hutchbatch.work import Work

OUTPUT, TASK, INPUT = "s3://b/out.txt", "s3://b/task.json", "s3://b/in.txt"
#: As the record has it, with the id that AWS gave.
TRACE = Trace(
    "r1", "same", (OUTPUT,), "jdoe-a-1", -1, "q", "id", "s3://b/status/", TASK, 0.0, number=1
)
#: S3's times of the task, and Batch's of the job: five hours apart.
SENT, AHEAD = 1_000_000.0, 5 * 3600


class Batch:
    """Knows one job; DescribeJobs leaves it out for the first ``hidden`` asks."""

    def __init__(self, status="SUCCEEDED", hidden=0, listed=True, **job):
        self.status, self.hidden, self.listed, self.job = status, hidden, listed, job
        self.asked = 0

    def describe_jobs(self, jobs):
        self.asked += 1
        if self.asked <= self.hidden:
            return {"jobs": []}
        at = int(SENT + AHEAD) * 1000
        told = {"createdAt": at + 1000, "startedAt": at + 61_000, **self.job}
        return {"jobs": [{"jobId": j, "status": self.status, **told} for j in jobs]}

    def list_jobs(self, jobQueue, filters):
        return {"jobSummaryList": [{"jobId": "id"}] if self.listed else []}


class Inventory:
    """Times of objects, by S3's clock."""

    def __init__(self, **times):
        known = {TASK: SENT, OUTPUT: times.get("output"), INPUT: times.get("input", SENT - 10)}
        self.known = {url: at for url, at in known.items() if at is not None}

    def look(self, urls, pool=None):
        pass

    def find(self, url):
        return SimpleNamespace(modified=self.known[url]) if url in self.known else None


@pytest.fixture
def work(monkeypatch):
    job = SimpleNamespace()
    module = "snakemake_executor_plugin_hutchbatch.takeover"
    monkeypatch.setattr(f"{module}.inputs_of", lambda job: [INPUT])
    return Work(job, 1, "a", "jdoe-a-2", "", PLAN, History(), (OUTPUT,), "s3://b/new/")


def taken(work, batch, inventory, identity="same", trace=TRACE):
    time, said = Time(), []
    time.now = 10_000.0
    wait = patience(time, [])
    earlier = Earlier(traces=(trace,))
    made = Takeover(
        batch, inventory, None, wait, earlier, None, "r2", said.append, clock=time.clock
    )
    assert made.concerns(work.outputs)
    return made.resolve(work, identity), time.now - 10_000.0


def test_a_result_counts_though_batchs_clock_is_hours_ahead_of_s3s(work):
    found, _ = taken(work, Batch(), Inventory(output=SENT + 70))
    assert found.batch_id == "id"
    assert found.work.begun.timestamp() == SENT


def test_an_older_result_or_a_missing_one_does_not_count(work):
    assert taken(work, Batch(), Inventory(output=SENT - 1))[0] is None
    assert taken(work, Batch(), Inventory())[0] is None


def test_an_input_that_changed_after_the_job_began_makes_it_anew(work):
    assert taken(work, Batch(), Inventory(output=SENT + 70, input=SENT + 59))[0]
    assert taken(work, Batch(), Inventory(output=SENT + 70, input=SENT + 61))[0] is None


def test_changed_work_is_never_satisfied(work):
    assert taken(work, Batch(), Inventory(output=SENT + 70), identity="other")[0] is None


def test_a_job_that_batch_leaves_out_for_a_while_is_waited_for(work):
    found, waited = taken(work, Batch("RUNNING", hidden=30), Inventory())
    assert found.batch_id == "id"
    assert 0 < waited < LOST_AFTER_SECONDS


def test_a_job_that_batch_has_forgotten_is_not_waited_for(work):
    found, waited = taken(work, Batch("RUNNING", hidden=10**9, listed=False), Inventory())
    assert found is None
    assert waited < 5


def test_a_job_that_is_never_described_again_is_given_up(work):
    found, waited = taken(work, Batch("RUNNING", hidden=10**9), Inventory())
    assert found is None
    assert LOST_AFTER_SECONDS <= waited < LOST_AFTER_SECONDS + 60


@pytest.mark.parametrize(
    "trace", [replace(TRACE, number=None), replace(TRACE, batch_id=None)], ids=["mark", "name"]
)
def test_a_job_that_is_known_by_its_names_alone_must_run_what_a_new_one_would(work, trace):
    good, other = job(), job(command=["/bin/sh", "-c", "id"])
    inventory = Inventory(output=SENT + 70)
    found, _ = taken(work, Batch(container=good["container"]), inventory, trace=trace)
    assert found.batch_id == "id"
    assert taken(work, Batch(container=other["container"]), inventory, trace=trace)[0] is None
    assert taken(work, Batch(), inventory, trace=trace)[0] is None


def test_a_job_whose_id_aws_gave_to_the_earlier_run_is_its_own(work):
    # Also where this hutchbatch is another version, which would send another command.
    other = job(command=["/bin/sh", "-c", "of an earlier version"])
    found, _ = taken(work, Batch(container=other["container"]), Inventory(output=SENT + 70))
    assert found.batch_id == "id"
