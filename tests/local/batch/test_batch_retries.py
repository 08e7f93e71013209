"""Which failed attempts are tried again."""

from __future__ import annotations

import pytest

from snakemake_executor_plugin_hutchbatch.local.batch.retries import glob_matches, is_retried
from snakemake_executor_plugin_hutchbatch.local.hosts.host import Exit

HOST = "Host EC2 (instance i-0123456789abcdef0) terminated."
EXITED = "Essential container in task exited"


@pytest.mark.parametrize(
    ("pattern", "value", "matches"),
    [
        ("Host EC2*", HOST, True),
        ("host ec2*", HOST, True),
        ("Host EC2", HOST, False),
        ("EC2*", HOST, False),
        ("137", "137", True),
        ("13*", "137", True),
        ("13", "137", False),
        ("*", None, True),
        ("OutOf*", None, False),
    ],
)
def test_globs_ignore_case_and_end_with_one_star(pattern, value, matches):
    assert glob_matches(pattern, value) is matches


SPOT_ONLY = [
    {"onStatusReason": "Host EC2*", "action": "RETRY"},
    {"onReason": "*", "action": "exit"},
]


@pytest.mark.parametrize(
    ("entries", "exit_code", "status_reason", "reason", "retried"),
    [
        ([], 1, EXITED, None, True),
        (SPOT_ONLY, None, HOST, None, True),
        (SPOT_ONLY, 1, EXITED, None, False),
        ([{"onExitCode": "2", "action": "EXIT"}], 1, EXITED, None, True),
        ([{"onExitCode": "1", "action": "EXIT"}], 1, EXITED, None, False),
        (
            [{"onExitCode": "1", "action": "RETRY"}, {"onExitCode": "*", "action": "EXIT"}],
            1,
            EXITED,
            None,
            True,
        ),
        (
            [{"onExitCode": "137", "onReason": "OutOfMemory*", "action": "EXIT"}],
            137,
            EXITED,
            None,
            True,
        ),
        (
            [{"onExitCode": "137", "onReason": "OutOfMemory*", "action": "EXIT"}],
            137,
            EXITED,
            "OutOfMemoryError: Container killed due to memory usage",
            False,
        ),
    ],
)
def test_the_first_match_decides_and_no_match_retries(
    entries, exit_code, status_reason, reason, retried
):
    strategy = {"attempts": 3, "evaluateOnExit": entries}
    assert is_retried(strategy, 1, exit_code, status_reason, reason) is retried
    assert not is_retried(strategy, 3, exit_code, status_reason, reason)


def test_each_attempt_has_its_own_number_task_and_log(make_cloud):
    aws = make_cloud(plan=lambda launch: (5.0, Exit(0 if launch.attempt == 3 else 1)))
    job = aws.submit(retryStrategy={"attempts": 5})
    aws.clock.run()
    found = aws.job(job)
    assert found["status"] == "SUCCEEDED"
    assert [each["container"]["exitCode"] for each in found["attempts"]] == [1, 1, 0]
    assert len({each["container"]["logStreamName"] for each in found["attempts"]}) == 3
    numbers = [launch.environment["AWS_BATCH_JOB_ATTEMPT"] for launch in aws.host.launches]
    assert numbers == ["1", "2", "3"]
    assert aws.states[job][1:] == ["RUNNABLE", "STARTING", "RUNNING"] * 3 + ["SUCCEEDED"]


def test_attempts_run_out(make_cloud):
    aws = make_cloud(exit_code=9)
    job = aws.submit(retryStrategy={"attempts": 2})
    aws.clock.run()
    assert aws.status(job) == "FAILED"
    assert len(aws.job(job)["attempts"]) == 2


def test_the_submissions_strategy_replaces_the_definitions(make_cloud):
    aws = make_cloud(exit_code=1)
    aws.define("eager", more={"retryStrategy": {"attempts": 3}})
    one = aws.submit(jobDefinition="eager")
    two = aws.submit(jobDefinition="eager", retryStrategy={"attempts": 1})
    aws.clock.run()
    assert [len(aws.job(each)["attempts"]) for each in (one, two)] == [3, 1]


def test_a_retried_job_goes_before_later_ones(make_cloud):
    aws = make_cloud(
        machine=(1, 4096), plan=lambda launch: (5.0, Exit(1 if launch.attempt == 1 else 0))
    )
    first = aws.submit("first", retryStrategy={"attempts": 2})
    aws.submit("second")
    aws.clock.advance(5)
    assert aws.host.launches[-1].job_id == first
