"""One request makes one job, whatever happens to the answer."""

import pytest
from aws_doubles import Time, refused, retrier
from botocore.exceptions import ReadTimeoutError

from snakemake_executor_plugin_hutchbatch.aws.retry import RateLimiter
from snakemake_executor_plugin_hutchbatch.submission.submit_job import (
    SubmissionError,
    Submitter,
    retry_strategy,
)

REQUEST = {
    "jobName": "jdoe-a-1",
    "jobQueue": "mixed",
    "jobDefinition": "arn:aws:batch:us-west-2:1:job-definition/x:1",
}


class Account:
    """A Batch account behind a bad line: what it did and what it answered are two things.

    ``late``: how many looks by name do not show a job yet.
    """

    def __init__(self, script, late=0):
        self.script = list(script)
        self.jobs = {}
        self.calls = []
        self.late = late
        self.terminated = []
        self.foreign = []

    def submit_job(self, **request):
        self.calls.append("SubmitJob")
        made, error = self.script.pop(0) if self.script else (True, None)
        if made:
            self.jobs[f"id-{len(self.jobs)}"] = request["jobName"]
        if error:
            raise error
        return {"jobId": list(self.jobs)[-1]}

    def list_jobs(self, *, jobQueue, filters):
        self.calls.append("ListJobs")
        (name,) = filters[0]["values"]
        if self.late:
            self.late -= 1
            return {"jobSummaryList": []}
        found = [{"jobId": i, "jobDefinition": REQUEST["jobDefinition"]} for i in self.named(name)]
        return {"jobSummaryList": [*self.foreign, *found]}

    def named(self, name):
        return [job_id for job_id, given in self.jobs.items() if given == name]

    def terminate_job(self, jobId, reason):
        self.terminated.append(jobId)


def submit(account):
    time = Time()
    limiter = RateLimiter(40, time.clock, time.sleep)
    return Submitter(account, account, retrier(time, []), limiter).submit(REQUEST)


def test_a_lost_answer_is_settled_by_name_and_not_sent_again():
    account = Account([(True, ReadTimeoutError(endpoint_url="x"))])
    assert submit(account) == "id-0"
    assert account.calls == ["SubmitJob", "ListJobs"]


def test_a_call_that_did_nothing_is_sent_again():
    account = Account([(False, refused("ServerException", 500))] * 2)
    assert submit(account) == "id-0"
    assert list(account.jobs) == ["id-0"]


def test_a_job_that_shows_late_is_found_and_not_made_twice():
    account = Account([(True, ReadTimeoutError(endpoint_url="x"))], late=1)
    assert submit(account) == "id-0"
    assert account.calls == ["SubmitJob", "ListJobs", "ListJobs"]


def test_of_two_jobs_made_by_lost_calls_only_the_first_goes_on():
    account = Account([(True, ReadTimeoutError(endpoint_url="x"))], late=2)
    assert submit(account) == "id-0"
    assert list(account.jobs) == ["id-0", "id-1"]
    assert account.terminated == ["id-1"]


def test_another_job_of_this_name_is_neither_taken_for_ours_nor_ended():
    account = Account([(True, ReadTimeoutError(endpoint_url="x"))], late=2)
    other = REQUEST["jobDefinition"].replace(":1", ":2")
    account.foreign = [{"jobId": "theirs", "jobDefinition": other, "createdAt": 0}]
    assert submit(account) == "id-0"
    assert account.terminated == ["id-1"]


def test_throttled_calls_are_sent_again_without_a_question():
    account = Account([(False, refused("TooManyRequestsException", 429))] * 5)
    assert submit(account) == "id-0"
    assert account.calls == ["SubmitJob"] * 6


def test_a_refusal_is_reported_in_awss_words():
    with pytest.raises(SubmissionError, match="image is odd"):
        submit(Account([(False, refused("ClientException", 400, "image is odd"))]))


def test_what_aws_lost_is_retried_by_batch_and_a_failing_command_never():
    assert retry_strategy(7)["attempts"] == 7
    rules = retry_strategy(7)["evaluateOnExit"]
    assert len(rules) <= 5
    ends = {
        "lost": ("Host EC2 (instance i-0abc) terminated.", None, None),
        "failed": ("Essential container in task exited", None, "1"),
        "killed": ("Essential container in task exited", "OutOfMemoryError: Container", "137"),
        "not started": ("Task failed to start", "CannotPullContainerError: x", None),
        "no word": (None, None, "1"),
        "no code": (None, "CannotStartContainerError", None),
    }
    # AWS does not say whether "*" matches what is not there: it must not matter.
    for absent_matches in (True, False):
        tried = {name for name, end in ends.items() if retried(rules, end, absent_matches)}
        assert tried == {"lost"}


def retried(rules, end, absent_matches):
    values = dict(zip(("onStatusReason", "onReason", "onExitCode"), end, strict=True))
    for rule in rules:
        ((name, pattern),) = [(k, v) for k, v in rule.items() if k != "action"]
        value = values[name]
        if absent_matches and pattern == "*":
            return rule["action"] == "RETRY"
        if value is not None and value.startswith(pattern.removesuffix("*")):
            return rule["action"] == "RETRY"
    return True
