"""Jobs of runs that no record knows: what cannot be read of one hides no other."""

import io
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from types import SimpleNamespace

import pytest
from aws_doubles import Time, refused

from snakemake_executor_plugin_hutchbatch.aws.retry import Retrier
from snakemake_executor_plugin_hutchbatch.planning import naming
from snakemake_executor_plugin_hutchbatch.recovery import rebuild_from_aws
from snakemake_executor_plugin_hutchbatch.recovery.run_marker import RunMarker
from snakemake_executor_plugin_hutchbatch.supervisor.taskspec import Step, TaskSpec, dumps
from snakemake_executor_plugin_hutchbatch.tracking.news import LOST_AFTER_SECONDS

PREFIX = "s3://b/w/"
MARK = RunMarker("r1", "elsewhere", 5, 1.0, 1000.0, "j.doe", "/x", PREFIX, 9999.0)
HEAD = naming.job_name_head(MARK.user)


def task(output):
    step = Step("a", "true")
    return dumps(TaskSpec("a", "s3://b/s/", (step,), identity="same", makes=(output,))).encode()


class S3:
    def __init__(self, **objects):
        self.objects = objects

    def get_object(self, Bucket, Key):
        if Key.removeprefix("w/") not in self.objects:
            raise refused("NoSuchKey", 404)
        body = io.BytesIO(self.objects[Key.removeprefix("w/")])
        return {"Body": body, "LastModified": datetime.now(UTC)}


class Batch:
    """Jobs by id, in queues; each is named after its user, and tagged with its run."""

    def __init__(self, time, **jobs):
        self.time = time
        self.jobs = jobs
        self.denied, self.broken, self.hidden = set(), set(), {}

    def list_jobs(self, jobQueue, filters, nextToken=None):
        if jobQueue in self.broken:
            raise refused("ClientException", 400, "queue is odd")
        if jobQueue in self.denied:
            raise refused("AccessDeniedException", 403)
        (wanted,) = filters[0]["values"]
        assert wanted.endswith("*")
        here = [j for j in self.jobs.items() if j[1]["queue"] == jobQueue]
        found = [
            {"jobId": job_id, "status": "RUNNING", "createdAt": 2_000_000}
            for job_id, job in here
            if job["name"].startswith(wanted[:-1])
        ]
        # One a page, an empty one before.
        at = int(nextToken or 0)
        more = {"nextToken": str(at + 1)} if at < len(found) else {}
        return {"jobSummaryList": found[at - 1 : at] if at else [], **more}

    def describe_jobs(self, jobs):
        shown = [i for i in jobs if self.hidden.get(i, 0) <= self.time.now]
        return {"jobs": [described(i, **self.jobs[i]) for i in shown]}


def job(queue="q", name=f"{HEAD}-a-1", run="r1", **variables):
    return {"queue": queue, "name": name, "run": run, "variables": variables}


def described(job_id, queue, name, run, variables):
    environment = [{"name": f"HUTCHBATCH_{k}", "value": v} for k, v in variables.items()]
    environment.append({"name": "EMPTY"})  # AWS's model has no value that must be there
    return {
        "jobId": job_id,
        "jobName": name,
        "jobQueue": f"arn:aws:batch:us-west-2:1:job-queue/{queue}",
        "createdAt": 2_000_000,
        "tags": {"hutchbatch-run": run},
        "container": {"environment": environment},
    }


class Rebuilding:
    def __init__(self):
        self.time, self.said = Time(), []

    def __call__(self, batch, s3, queues=("q",), marks=(MARK,)):
        retrier = Retrier(self.said.append, clock=self.time.clock, sleep=self.time.sleep)
        clients = SimpleNamespace(batch=batch, s3=s3)
        with ThreadPoolExecutor(2) as pool:
            found = rebuild_from_aws.traces(clients, marks, queues, retrier, pool, self.said.append)
        return sorted(t.outputs[0] for t in found.traces), found.complete


@pytest.fixture
def rebuilt():
    return Rebuilding()


def test_jobs_are_found_by_the_name_that_their_user_has_in_names(rebuilt):
    batch = Batch(rebuilt.time, one=job(TASK=f"{PREFIX}one"), two=job(TASK=f"{PREFIX}two", run="x"))
    assert rebuilt(batch, S3(one=task("s3://b/1"), two=task("s3://b/2"))) == (["s3://b/1"], True)


@pytest.mark.parametrize(
    "variables",
    [
        {"TASK": f"{PREFIX}one", "TASK_SIZE": "abc"},
        {"TASK": f"{PREFIX}one", "TASK_SIZE": "-1"},
        {"TASK": f"{PREFIX}one", "TASK_SIZE": "9" * 5000},
        {"TASK": f"{PREFIX}one", "TASK_SIZE": "7", "TASK_INDEX": "x"},
        {"TASK": f"{PREFIX}one", "TASK_SIZE": "7", "TASK_INDEX": "12345678"},
        {"TASK": f"{PREFIX}gone"},
        {"TASK": f"{PREFIX}garbage"},
        {"TASK": f"{PREFIX}large"},
        {"TASK": "s3://elsewhere/one"},
        {"TASK": "one"},
        {},
    ],
)
def test_a_job_that_says_nonsense_hides_no_other(rebuilt, monkeypatch, variables):
    monkeypatch.setattr(rebuild_from_aws.pinned, "MAX_BYTES", 1000)
    batch = Batch(rebuilt.time, good=job(TASK=f"{PREFIX}good"), bad=job(**variables))
    s3 = S3(good=task("s3://b/good"), one=task("s3://b/1"), garbage=b"[" * 999, large=b" " * 1001)
    assert rebuilt(batch, s3)[0] == ["s3://b/good"]


@pytest.mark.parametrize(("trouble", "reported"), [("denied", 0), ("broken", 1)])
def test_a_queue_that_cannot_be_listed_hides_no_other(rebuilt, trouble, reported):
    batch = Batch(rebuilt.time, good=job(TASK=f"{PREFIX}good"))
    getattr(batch, trouble).add("odd")
    found = rebuilt(batch, S3(good=task("s3://b/good")), queues=("odd", "q"))
    assert found == (["s3://b/good"], False)
    assert len(rebuilt.said) == reported


def test_a_job_that_is_not_described_yet_is_asked_for_again(rebuilt):
    batch = Batch(rebuilt.time, one=job(TASK=f"{PREFIX}one"), two=job(TASK=f"{PREFIX}two"))
    s3 = S3(one=task("s3://b/1"), two=task("s3://b/2"))
    # As long as for a job that is followed: it may live, and a second one run beside it.
    batch.hidden["one"] = rebuilt.time.now + LOST_AFTER_SECONDS - 5
    assert rebuilt(batch, s3) == (["s3://b/1", "s3://b/2"], True)
    (line,) = rebuilt.said
    assert "waits for that" in line
    rebuilt.said.clear()
    batch.hidden["one"] = float("inf")
    assert rebuilt(batch, s3) == (["s3://b/2"], False)
    assert "lists 1 jobs" in rebuilt.said[-1]
    assert "submitted again" in rebuilt.said[-1]
