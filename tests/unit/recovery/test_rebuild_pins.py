"""Jobs of earlier runs, read from AWS Batch and S3: what is believed of them is what their own
requests stand for."""

import hashlib
import io
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime
from types import SimpleNamespace

import pytest
from aws_doubles import Time, retrier
from sample_plan import PLAN

from snakemake_executor_plugin_hutchbatch.planning import arrays, fingerprint
from snakemake_executor_plugin_hutchbatch.recovery import rebuild_from_aws
from snakemake_executor_plugin_hutchbatch.recovery.run_marker import RunMarker
from snakemake_executor_plugin_hutchbatch.supervisor.taskspec import Step, TaskSpec, dumps

MARK = RunMarker("r1", "host", 1, 0.0, 1000.0, "jdoe", "/f", "s3://b/w/")
URL = "s3://b/w/runs/r1/tasks/x.json"


def task(name):
    made = TaskSpec(
        name, "s3://b/w/runs/r1/status/", (Step("a", f"make {name}"),), makes=(f"s3://b/{name}",)
    )
    return replace(made, identity=fingerprint.of(made, PLAN, {}))


GOOD = task("good")
TEXT = dumps(GOOD).encode()
DIGEST = hashlib.sha256(TEXT).hexdigest()


class Batch:
    """Knows one job and, of an array, its succeeded children; which of them have ``failed``
    instead, and which do not show yet (``late``)."""

    def __init__(self, size=0, failed=(), late=(), **variables):
        pairs = {"HUTCHBATCH_TASK": URL, **variables}
        succeeded = [n for n in range(size) if n not in (*failed, *late)]
        self.children = {"SUCCEEDED": succeeded, "FAILED": failed}
        self.job = {
            "jobId": "id",
            "jobName": "jdoe-a-1",
            "jobQueue": "arn:q/mixed",
            "status": "SUCCEEDED",
            "createdAt": 2_000_000,
            "tags": {"hutchbatch-run": "r1"},
            "container": {"environment": [{"name": k, "value": v} for k, v in pairs.items()]},
            **({"arrayProperties": {"size": size}} if size else {}),
        }

    def list_jobs(self, arrayJobId=None, jobStatus=None, **request):
        if arrayJobId is None:
            return {"jobSummaryList": [self.job]}
        found = self.children.get(jobStatus, ())
        return {"jobSummaryList": [{"jobId": f"id:{n}"} for n in found]}

    def describe_jobs(self, jobs):
        return {"jobs": [self.job]}


class S3:
    def __init__(self, content):
        self.content = content

    def get_object(self, Bucket, Key):
        return {"Body": io.BytesIO(self.content), "LastModified": datetime.now(UTC)}


def traces(batch, content):
    clients = SimpleNamespace(batch=batch, s3=S3(content))
    with ThreadPoolExecutor(1) as pool:
        wait = retrier(Time(), [])
        return list(rebuild_from_aws.traces(clients, [MARK], ["mixed"], wait, pool, print).traces)


def test_a_description_that_the_jobs_request_stands_for_is_believed():
    (found,) = traces(Batch(HUTCHBATCH_TASK_SHA256=DIGEST), TEXT)
    assert (found.identity, found.outputs) == (GOOD.identity, ("s3://b/good",))
    assert found.status == "s3://b/w/runs/r1/status/"


@pytest.mark.parametrize("pin", [{}, {"HUTCHBATCH_TASK_SHA256": "0" * 64}])
def test_of_another_description_no_identity_is_taken(pin):
    # What it says it writes must not be written beside it.
    (found,) = traces(Batch(**pin), TEXT)
    assert (found.identity, found.outputs) == ("", ("s3://b/good",))


def test_a_task_cannot_claim_another_ones_identity():
    claim = dumps(replace(task("evil"), identity=GOOD.identity)).encode()
    pin = hashlib.sha256(claim).hexdigest()
    (found,) = traces(Batch(HUTCHBATCH_TASK_SHA256=pin), claim)
    assert found.identity == ""


def array(texts):
    content, size, root = arrays.joined(texts)
    pins = {"HUTCHBATCH_TASK_SHA256": root, "HUTCHBATCH_TASK_SIZE": str(size)}
    return content, size, pins


def test_each_child_of_an_array_is_known_by_its_own_piece():
    tasks = [task("a"), task("b"), task("c")]
    content, size, pins = array([dumps(each).encode() for each in tasks])
    found = traces(Batch(size=3, **pins), content)
    assert [(t.child, t.identity) for t in found] == [(n, tasks[n].identity) for n in range(3)]
    swapped = content[size : 2 * size] + content[:size]
    found = traces(Batch(size=3, **pins), swapped + content[2 * size :])
    assert [t.identity for t in found] == ["", "", tasks[2].identity]


def test_children_of_an_array_that_do_not_show_yet_may_live():
    content, _, pins = array([dumps(task(name)).encode() for name in "abcd"])
    found = traces(Batch(size=4, failed=[1], late=[3], **pins), content)
    assert [(t.child, t.batch_id) for t in found] == [(0, "id:0"), (2, "id:2"), (3, "id:3")]


def test_a_child_that_was_sent_again_by_itself_is_known_by_its_piece():
    content, _, pins = array([TEXT, dumps(task("b")).encode()])
    (found,) = traces(Batch(HUTCHBATCH_TASK_INDEX="1", **pins), content)
    assert found.identity == task("b").identity
    assert found.child == -1


@pytest.mark.parametrize(
    "variables",
    [
        *({"HUTCHBATCH_TASK_SIZE": text} for text in ("abc", "-1", "²", "1" * 5000)),
        {"HUTCHBATCH_TASK_INDEX": "abc"},
        {"HUTCHBATCH_TASK": "file:///etc/passwd"},
        {"HUTCHBATCH_TASK": ""},
    ],
)
def test_a_job_with_variables_that_make_no_sense_is_passed_over(variables):
    assert traces(Batch(**variables), TEXT) == []


@pytest.mark.parametrize("content", [b"", b"{", b"[" * 100_000, b"\xff", b"{}"])
def test_a_description_that_is_none_is_passed_over(content):
    assert traces(Batch(HUTCHBATCH_TASK_SHA256=DIGEST), content) == []
