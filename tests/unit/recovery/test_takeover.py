"""A job of a killed run stands for a new one only if it may, whatever AWS leaves out or however far
its clocks are apart."""

from dataclasses import replace
from types import SimpleNamespace

import pytest
from aws_doubles import Time
from found_jobs_helpers import job
from sample_plan import PLAN

from snakemake_executor_plugin_hutchbatch.aws.retry import Retrier
from snakemake_executor_plugin_hutchbatch.planning.work import History, Work
from snakemake_executor_plugin_hutchbatch.recovery.adoption_record import AdoptionRecord
from snakemake_executor_plugin_hutchbatch.recovery.earlier_jobs import (
    LOOK_SECONDS,
    SETTLE_SECONDS,
    EarlierJobs,
)
from snakemake_executor_plugin_hutchbatch.recovery.earlier_outputs import EarlierOutputs
from snakemake_executor_plugin_hutchbatch.recovery.outdated_jobs import OutdatedJobs
from snakemake_executor_plugin_hutchbatch.recovery.result_check import ResultCheck
from snakemake_executor_plugin_hutchbatch.recovery.takeover import NOT_YET, Takeover
from snakemake_executor_plugin_hutchbatch.recovery.unfinished_jobs import Earlier, Trace
from snakemake_executor_plugin_hutchbatch.tracking.news import LOST_AFTER_SECONDS

OUTPUT, TASK, INPUT = "s3://b/out.txt", "s3://b/task.json", "s3://b/in.txt"
#: As the record has it, with the id that AWS gave.
TRACE = Trace(
    "r1", "same", (OUTPUT,), "jdoe-a-1", -1, "q", "id", "s3://b/status/", TASK, 0.0, number=1
)
#: S3's times of the task, and Batch's of the job: five hours apart.
SENT, AHEAD = 1_000_000.0, 5 * 3600


class Batch:
    """Knows one job; DescribeJobs leaves it out for the first ``hidden`` asks. ``ended`` jobs have
    failed; all others are in ``status``."""

    def __init__(self, status="SUCCEEDED", hidden=0, listed=True, **job):
        self.status, self.hidden, self.listed, self.job = status, hidden, listed, job
        self.asked = 0
        self.ended = set()

    def describe_jobs(self, jobs):
        assert len(jobs) <= 100
        self.asked += 1
        if self.asked <= self.hidden:
            return {"jobs": []}
        at = int(SENT + AHEAD) * 1000
        reported = {"createdAt": at + 1000, "startedAt": at + 61_000, **self.job}
        states = {job: "FAILED" if job in self.ended else self.status for job in jobs}
        return {"jobs": [{"jobId": j, "status": state, **reported} for j, state in states.items()]}

    def list_jobs(self, jobQueue, filters):
        return {"jobSummaryList": [{"jobId": "id", "status": self.status}] if self.listed else []}


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
    module = "snakemake_executor_plugin_hutchbatch.recovery.result_check"
    monkeypatch.setattr(f"{module}.inputs_of", lambda job: [INPUT])
    return Work(job, 1, "a", "jdoe-a-2", "", PLAN, History(), (OUTPUT,), "s3://b/new/")


def takeover(batch, inventory, time, traces=(TRACE,), termination=None):
    """Where nothing may sleep."""
    wait = Retrier(print, sleep=lambda _: pytest.fail("it slept"))
    return Takeover(
        EarlierJobs(batch, wait, traces, time.clock),
        EarlierOutputs(Earlier(traces=traces)),
        ResultCheck(inventory),
        OutdatedJobs(termination, print),
        AdoptionRecord(None, "r2"),
        print,
    )


def resolved(made, work, time, identity="same"):
    """The answer when there is one, and after how many seconds."""
    begun = time.now
    assert made.concerns(work.outputs)
    while (found := made.resolve(work, identity)) is NOT_YET:
        time.sleep(LOOK_SECONDS)
    return found, time.now - begun


def taken(work, batch, inventory, identity="same", trace=TRACE):
    time = Time()
    time.now = 10_000.0
    return resolved(takeover(batch, inventory, time, (trace,)), work, time, identity)


def test_a_result_counts_though_batchs_clock_is_hours_ahead_of_s3s(work):
    (earlier, followed), _ = taken(work, Batch(), Inventory(output=SENT + 70))
    assert earlier.batch_id == "id"
    assert followed.begun.timestamp() == SENT


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
    assert found[0].batch_id == "id"
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
    assert found[0].batch_id == "id"
    assert taken(work, Batch(container=other["container"]), inventory, trace=trace)[0] is None
    assert taken(work, Batch(), inventory, trace=trace)[0] is None


def test_a_job_whose_id_aws_gave_to_the_earlier_run_is_its_own(work):
    # Also where this hutchbatch is another version, which would send another command.
    other = job(command=["/bin/sh", "-c", "of an earlier version"])
    found, _ = taken(work, Batch(container=other["container"]), Inventory(output=SENT + 70))
    assert found[0].batch_id == "id"


# Others go on meanwhile


def another(number):
    output = f"s3://b/{number}.txt"
    trace = replace(TRACE, outputs=(output,), batch_id=f"id-{number}", submission=f"n-{number}")
    return trace, output


class OneHidden(Batch):
    """Never describes the job ``id``."""

    def describe_jobs(self, jobs):
        return super().describe_jobs([job for job in jobs if job != "id"])


def test_a_job_that_does_not_show_holds_up_no_other(work):
    time = Time()
    time.now = 10_000.0
    trace, output = another(1)
    made = takeover(OneHidden("RUNNING"), Inventory(), time, (TRACE, trace))
    assert made.resolve(work, "same") is NOT_YET
    found, waited = resolved(made, replace(work, number=2, outputs=(output,)), time)
    assert (found[0].batch_id, waited) == ("id-1", 0)
    assert made.left() == {"r1": 1}


def test_ten_thousand_earlier_jobs_are_asked_for_by_hundreds(work):
    time = Time()
    pairs = [another(number) for number in range(10_000)]
    batch = Batch("RUNNING")
    made = takeover(batch, Inventory(), time, [trace for trace, _ in pairs])
    for number, (trace, output) in enumerate(pairs):
        found, _ = resolved(made, replace(work, number=number, outputs=(output,)), time)
        assert found[0].batch_id == trace.batch_id
    assert batch.asked == 100


class Termination:
    """Takes every call; its jobs end when it is told so."""

    def __init__(self):
        self.calls = []

    def end(self, arrays, singles, reason):
        self.calls.append(list(singles))
        return []


def test_a_job_that_must_be_over_first_is_ended_once_and_holds_up_no_other(work):
    time, batch, termination = Time(), Batch("RUNNING"), Termination()
    time.now = 10_000.0
    trace, output = another(1)
    made = takeover(batch, Inventory(), time, (TRACE, trace), termination)
    for _ in range(3):
        assert made.resolve(work, "changed since") is NOT_YET
        time.sleep(LOOK_SECONDS)
    second = replace(work, number=2, outputs=(output,))
    assert made.resolve(second, "same")[0].batch_id == "id-1"
    batch.ended.add("id")
    assert resolved(made, work, time, "changed since")[0] is None
    assert termination.calls == [["id"]]


def test_a_result_that_a_rival_wrote_over_does_not_count_when_the_rival_is_over(work):
    time, termination = Time(), Termination()
    time.now = 10_000.0
    rival = replace(TRACE, identity="other", batch_id="rival", submission="n-rival")

    class DoneAndRival(Batch):
        def describe_jobs(self, jobs):
            reported = super().describe_jobs(jobs)["jobs"]
            alive = [
                job for job in reported if job["jobId"] == "rival" and job["status"] != "FAILED"
            ]
            for each in alive:
                each["status"] = "RUNNING"
            return {"jobs": reported}

    batch = DoneAndRival("SUCCEEDED")
    made = takeover(batch, Inventory(output=SENT + 70), time, (TRACE, rival), termination)
    assert made.resolve(work, "same") is NOT_YET
    batch.ended.add("rival")
    assert resolved(made, work, time)[0] is None


def test_a_submission_whose_answer_was_lost_is_waited_for_whatever_its_clock_said(work):
    time = Time()
    time.now = 10_000.0
    ahead = replace(TRACE, batch_id=None, prepared=10_000.0 + 5 * 3600)
    batch = Batch("RUNNING", listed=False)
    found, waited = resolved(takeover(batch, Inventory(), time, (ahead,)), work, time)
    assert found is None
    assert SETTLE_SECONDS <= waited <= SETTLE_SECONDS + 2 * LOOK_SECONDS
