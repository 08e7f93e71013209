"""How a job ended, from S3, AWS Batch and the log, where any of them may be silent or broken."""

import datetime
import io
from concurrent.futures import ThreadPoolExecutor

import pytest
from aws_doubles import Time, refused, retrier
from botocore.parsers import ResponseParserError
from sample_plan import PLAN

from snakemake_executor_plugin_hutchbatch.aws import cloudwatch
from snakemake_executor_plugin_hutchbatch.aws.clients import Clients
from snakemake_executor_plugin_hutchbatch.planning.work import History, SentWork
from snakemake_executor_plugin_hutchbatch.settlement.evidence import Endings
from snakemake_executor_plugin_hutchbatch.settlement.failure_cause import Cause
from snakemake_executor_plugin_hutchbatch.supervisor import status_names, taskspec
from snakemake_executor_plugin_hutchbatch.supervisor.problems import Facts, Problem
from snakemake_executor_plugin_hutchbatch.supervisor.taskspec import Status
from snakemake_executor_plugin_hutchbatch.tracking.news import Ended

SINCE = datetime.datetime(2026, 11, 27, tzinfo=datetime.UTC)
OUTPUT = "s3://b/out"
STORED = Status(
    "j",
    1,
    "stage_out",
    212,
    "STAGE_OUT",
    "s3",
    Facts(activity="outputs", file="s3://b/ünï", http_status=403, words="AccessDenied"),
)


class Bucket:
    """Has one status, or answers with an error."""

    def __init__(self, status=None, error=None):
        self.status, self.error = status, error

    def get_object(self, Bucket, Key):
        if self.error:
            raise self.error
        assert Key == "status/j.1.json"
        body = self.status if isinstance(self.status, bytes) else taskspec.dumps(self.status)
        content = io.BytesIO(body if isinstance(body, bytes) else body.encode())
        return {"Body": content, "LastModified": SINCE}

    def head_object(self, Bucket, Key):
        raise refused("404", 404)

    def list_objects_v2(self, **_):
        return {}


class Log:
    def __init__(self, answer):
        self.answer = answer

    def get_log_events(self, **_):
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer


def events(*lines):
    return {"events": [{"message": line} for line in lines]}


def failed(exit_code):
    container = {"exitCode": exit_code, "logStreamName": "stream"}
    return {"status": "FAILED", "container": container, "attempts": [{}]}


def end(job, bucket, log, foresee=False, job_id="j"):
    with ThreadPoolExecutor(1) as pool:
        clients = Clients("r", None, None, Log(log), bucket)
        endings = Endings(clients, pool, retrier(Time(), []))
        work = SentWork(None, 1, "a", "a", "", PLAN, History(), (OUTPUT,), "s3://b/status/", SINCE)
        ended = Ended(job_id, work, job)
        if foresee:
            endings.foresee([ended])
        return endings.end(ended)


@pytest.mark.parametrize("foresee", [True, False])
def test_a_status_that_s3_did_not_take_is_found_in_the_log(foresee):
    log = events("some output", taskspec.status_line(STORED), "a last word")
    ending = end(failed(212), Bucket(error=refused("NoSuchKey", 404)), log, foresee)
    assert ending.status == STORED
    assert ending.failure.cause is Cause.STAGE_OUT
    assert "s3://b/ünï" in ending.failure.sentence
    assert "job role" in ending.failure.sentence


class Listing:
    """A bucket with a single job's output and its status, which is only in a name."""

    def __init__(self, job_id, number):
        self.status = Status(job_id, 1, "done", 0)
        url = status_names.url("s3://b/status/", self.status, listed=True, number=number)
        self.keys = [url.removeprefix("s3://b/"), "out"]

    def get_object(self, Bucket, Key):
        raise refused("NoSuchKey", 404)

    def head_object(self, Bucket, Key):
        return {"LastModified": SINCE, "ContentLength": 1, "ETag": "e"}

    def list_objects_v2(self, Prefix, **_):
        found = [{"Key": k, "LastModified": SINCE} for k in self.keys if k.startswith(Prefix)]
        return {"Contents": found}


@pytest.mark.parametrize("foresee", [True, False])
@pytest.mark.parametrize(
    ("container", "is_found"),
    [
        ({"environment": [{"name": "X"}, {"name": status_names.VARIABLE, "value": "42"}]}, True),
        ({"environment": [None, {}, {"name": status_names.VARIABLE, "value": "4e1"}]}, False),
        ({"environment": None}, False),
    ],
)
def test_a_single_jobs_number_is_what_aws_batch_says(container, is_found, foresee):
    bucket = Listing("0123abcd-2222", 42)
    job = {"status": "SUCCEEDED", "container": {"exitCode": 0, **container}, "attempts": [{}]}
    ending = end(job, bucket, events(), foresee, job_id="0123abcd-2222")
    assert ending.status == (bucket.status if is_found else None)


@pytest.mark.parametrize(
    "line",
    [
        taskspec.status_line(STORED)[:-9],
        taskspec.STATUS_LINE + "[1]",
        taskspec.status_line(STORED).replace('"j"', '"other"'),
        "said: " + taskspec.status_line(STORED),
    ],
)
def test_no_other_line_of_a_log_is_taken_for_a_status(line):
    ending = end(failed(212), Bucket(error=refused("NoSuchKey", 404)), events(line))
    assert ending.status is None
    assert ending.failure.cause is Cause.STAGE_OUT


def test_a_status_in_the_log_is_not_shown_as_output():
    with ThreadPoolExecutor(1) as pool:
        log = Log(events("one", taskspec.status_line(STORED), "two"))
        endings = Endings(Clients("r", None, None, log, None), pool, retrier(Time(), []))
        assert endings.last_lines(failed(1), "g") == ("stream", ["one", "two"])


@pytest.mark.parametrize(
    "answer",
    [
        {},
        {"events": None},
        {"events": [None]},
        {"message": "<html>"},
        ResponseParserError("no XML"),
        RuntimeError("a fault of ours"),
        refused("AccessDeniedException", 403),
        refused("ResourceNotFoundException", 400),
    ],
)
def test_a_broken_answer_of_the_logs_service_hides_no_cause(answer):
    assert cloudwatch.tail(Log(answer), "g", "stream", 5) == []
    for code, cause in ((137, Cause.COMMAND), (213, Cause.MISSING_OUTPUT), (143, Cause.HOST)):
        ending = end(failed(code), Bucket(error=refused("NoSuchKey", 404)), answer)
        assert ending.failure.cause is cause


@pytest.mark.parametrize(
    "error",
    [refused("NoSuchKey", 404), refused("AccessDenied", 403), ResponseParserError("no XML")],
)
@pytest.mark.parametrize("foresee", [True, False])
def test_a_status_that_cannot_be_read_hides_no_cause(error, foresee):
    ending = end(failed(211), Bucket(error=error), events("a line"), foresee)
    assert ending.failure.cause is Cause.STAGE_IN


def test_an_entrypoint_is_blamed_only_where_a_status_would_be_seen():
    blamed = {
        code: end(failed(1), Bucket(error=refused("x", code)), events("usage")).failure.problem
        for code in (403, 404)
    }
    assert blamed == {403: Problem.EXITED, 404: Problem.NOT_ENTERED}


def test_a_status_of_an_older_hutchbatch_is_read_as_far_as_it_is_understood():
    old = b'{"job_id":"j","attempt":1,"phase":"run","exit_code":3,"message":"it said","version":1}'
    ending = end(failed(3), Bucket(old), events())
    assert ending.failure.cause is Cause.COMMAND
    assert ending.status.exit_code == 3
    assert (
        end(failed(3), Bucket(old.replace(b"message", b"facts")), events()).failure.exit_code == 3
    )
