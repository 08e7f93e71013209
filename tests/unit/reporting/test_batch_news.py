"""What AWS Batch is asked about jobs that the record has from long ago."""

import pytest
from botocore.exceptions import NoCredentialsError

from snakemake_executor_plugin_hutchbatch.record.run_record import Record
from snakemake_executor_plugin_hutchbatch.record.schema import Placement, Run, Submission
from snakemake_executor_plugin_hutchbatch.reporting import batch_news, last_line

RUN = Run("r", 1000.0, beat=1060.0, region="here")


class Batch:
    """A Batch that knows some jobs. ``calls``: the sizes of what it was asked."""

    def __init__(self, **jobs):
        self.jobs = {name.replace("_", ":"): job for name, job in jobs.items()}
        self.calls = []
        self.lists = []

    def describe_jobs(self, jobs):
        self.calls.append(len(jobs))
        found = [{"jobId": i, "jobQueue": "arn:q", **self.jobs[i]} for i in jobs if i in self.jobs]
        return {"jobs": found}

    def list_jobs(self, arrayJobId, jobStatus, **_):
        self.lists.append(jobStatus)
        return {
            "jobSummaryList": [
                {"jobId": i, **job}
                for i, job in self.jobs.items()
                if i.startswith(f"{arrayJobId}:") and job["status"] == jobStatus
            ]
        }


def record(*ids, run=RUN):
    places = (Placement(i, -1, "r", n, state="RUNNING", batch_id=i) for n, i in enumerate(ids))
    return Record(run, placements=tuple(places))


def states(known):
    return [place.state for place in known.placements]


def test_many_jobs_take_one_call_a_hundred():
    batch = Batch(j7={"status": "FAILED", "stoppedAt": 5000})
    known = record(*(f"j{n}" for n in range(250)))
    heard = batch_news.heard([known], 2000.0, lambda region: batch)
    assert sorted(batch.calls) == [50, 100, 100]
    assert heard.old == ""
    (now,) = heard.records
    assert states(now).count("LOST") == 249
    assert (now.placements[7].state, now.placements[7].ended) == ("FAILED", 5.0)


def test_children_of_a_large_array_are_listed_by_its_counts():
    children = {f"p_{n}": {"status": "FAILED" if n else "SUCCEEDED"} for n in range(300)}
    counts = {"statusSummary": {"FAILED": 299, "SUCCEEDED": 1, "RUNNABLE": 0}}
    batch = Batch(p={"status": "FAILED", "arrayProperties": counts}, **children)
    known = record(*(f"p:{n}" for n in range(300)))
    (now,) = batch_news.heard([known], 2000.0, lambda region: batch).records
    assert batch.calls == [1]
    assert sorted(batch.lists) == ["FAILED", "SUCCEEDED"]
    assert states(now) == ["SUCCEEDED"] + 299 * ["FAILED"]


def test_listed_children_are_in_the_queue_of_their_array():
    """Whoever explains why jobs wait asks for it."""
    children = {f"p_{n}": {"status": "RUNNABLE"} for n in range(300)}
    counts = {"statusSummary": {"RUNNABLE": 300}}
    batch = Batch(p={"status": "PENDING", "arrayProperties": counts}, **children)
    news = batch_news.ask(batch, [f"p:{n}" for n in range(300)])
    assert len(news.jobs) == 300
    assert {job["jobQueue"] for job in news.jobs.values()} == {"arn:q"}


def test_what_would_take_too_many_calls_is_left_as_it_was():
    batch = Batch(a={"status": "SUCCEEDED"})
    news = batch_news.ask(batch, ["a", *(f"b{n}" for n in range(150))], most_calls=1)
    assert news.left_out == 51
    assert batch.calls == [100]


def test_without_access_to_aws_the_age_of_the_record_is_said():
    def refuses(region):
        raise NoCredentialsError

    heard = batch_news.heard([record("a", "b")], 1060.0 + 7200, refuses)
    assert states(heard.records[0]) == ["RUNNING", "RUNNING"]
    assert heard.old.startswith("The record is old: 2 jobs are shown as of ")
    assert "2 h 0 min ago, and may have ended since. No AWS credentials were found" in heard.old


def test_an_account_that_knows_none_of_the_fresh_jobs_is_not_the_runs():
    heard = batch_news.heard([record("a")], 1100.0, lambda region: Batch())
    assert "another account" in heard.old
    assert states(heard.records[0]) == ["RUNNING"]
    # After a week AWS Batch forgets jobs.
    heard = batch_news.heard([record("a")], 1e6, lambda region: Batch())
    assert (heard.old, states(heard.records[0])) == ("", ["LOST"])


def test_each_run_is_asked_about_in_its_own_region():
    other = Run("s", 1000.0, region="there")
    batches = {"here": Batch(a={"status": "FAILED"}), "there": Batch(b={"status": "SUCCEEDED"})}
    heard = batch_news.heard([record("a"), record("b", run=other)], 1100.0, batches.get)
    assert [states(each) for each in heard.records] == [["FAILED"], ["SUCCEEDED"]]


def test_a_job_whose_submission_had_no_answer_is_found_by_its_name():
    batch = Batch(p_0={"status": "FAILED"}, p_1={"status": "SUCCEEDED"})
    batch.list_jobs = lambda jobQueue, filters: {"jobSummaryList": [{"jobId": "p"}]}
    sent = Submission("name", "r", "queue", 2, 1000.0)
    places = tuple(Placement("name", child, "r", child) for child in range(2))
    lost = Record(RUN, submissions=(sent,), placements=places)
    (now,) = batch_news.heard([lost], 1100.0, lambda region: batch).records
    assert states(now) == ["FAILED", "SUCCEEDED"]


@pytest.mark.parametrize(
    ("ended", "live", "said"),
    [
        (3, 0, "3 jobs ended; nothing of this run is left on AWS Batch."),
        (1, 0, "1 job ended; nothing of this run is left on AWS Batch."),
        (0, 0, "Nothing of this run is left on AWS Batch."),
        (2, 1, "2 jobs ended; 1 job is still on AWS Batch: 'hutchbatch status r' shows it, "),
    ],
)
def test_the_last_line_says_what_is_left(ended, live, said):
    assert last_line.sentence("r", ended, live).startswith(said)
