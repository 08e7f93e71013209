"""What AWS's words and the supervisor's codes mean."""

import pytest

from snakemake_executor_plugin_hutchbatch.supervisor import taskspec
from snakemake_executor_plugin_hutchbatch.verdict import Cause, meaning, read

ESSENTIAL = "Essential container in task exited"


def job(status_reason=ESSENTIAL, reason=None, exit_code=None, status="FAILED"):
    container = {"image": "img:1", "resourceRequirements": [{"type": "MEMORY", "value": "500"}]}
    if reason is not None:
        container["reason"] = reason
    if exit_code is not None:
        container["exitCode"] = exit_code
    return {
        "status": status,
        "statusReason": status_reason,
        "container": container,
        "attempts": [{}],
        "timeout": {"attemptDurationSeconds": 600},
    }


# Every reason of FACTS.md section 2.
REASONS = [
    (job("Host EC2 (instance i-0abc) terminated."), Cause.SPOT),
    (job(exit_code=1), Cause.COMMAND),
    (job(exit_code=137), Cause.COMMAND),
    (
        job(exit_code=137, reason="OutOfMemoryError: Container killed due to memory usage"),
        Cause.OUT_OF_MEMORY,
    ),
    (job("Job attempt duration exceeded timeout", exit_code=137), Cause.TIMEOUT),
    (job("Task failed to start", reason="CannotPullContainerError: no such image"), Cause.IMAGE),
    (job("Task failed to start", reason="DockerTimeoutError: slow"), Cause.HOST),
    (job("Task failed to start", reason="CannotInspectContainerError: x"), Cause.HOST),
    (job("Task failed to start", reason="ResourceInitializationError: x"), Cause.HOST),
    (job("Task failed to start"), Cause.HOST),
    (job("Container Overrides length must be at most 8192"), Cause.REJECTED),
    (job("something new"), Cause.HOST),
    (job("Task failed to start", reason="CannotPullContainerError: i/o timeout"), Cause.HOST),
    (job(exit_code=taskspec.EXIT_STAGE_IN), Cause.STAGE_IN),
    (job(exit_code=taskspec.EXIT_STAGE_OUT), Cause.STAGE_OUT),
    (job(exit_code=taskspec.EXIT_MISSING_OUTPUT), Cause.MISSING_OUTPUT),
    (job(exit_code=taskspec.EXIT_NO_PYTHON), Cause.IMAGE),
    (job(exit_code=taskspec.EXIT_NO_SHELL), Cause.IMAGE),
    (job(exit_code=taskspec.EXIT_SCRATCH), Cause.HOST),
    (job(exit_code=taskspec.EXIT_SPEC), Cause.HOST),
]


@pytest.mark.parametrize(("description", "cause"), REASONS)
def test_each_reason_has_its_cause_and_a_sentence(description, cause):
    failure = read(description)
    assert failure is not None
    assert failure.cause is cause
    assert len(failure.sentence) > 10


def test_a_success_is_no_failure():
    assert read(job(exit_code=0, status="SUCCEEDED")) is None


def test_the_supervisors_own_word_is_taken_for_its_exit():
    status = taskspec.Status(
        job_id="j", attempt=1, phase="run", exit_code=3, cause="COMMAND", message="rule a failed."
    )
    failure = read(job(exit_code=3), status)
    assert failure is not None
    assert failure.sentence == "rule a failed"


def test_a_status_of_another_exit_is_not_believed():
    status = taskspec.Status(
        job_id="j", attempt=1, phase="run", exit_code=3, cause="STAGE_IN", message="x"
    )
    failure = read(job(exit_code=1), status)
    assert failure is not None
    assert failure.cause is Cause.COMMAND


def test_awss_word_on_memory_goes_before_the_supervisors():
    status = taskspec.Status(
        job_id="j", attempt=1, phase="run", exit_code=137, cause="COMMAND", message="killed"
    )
    failure = read(job(exit_code=137, reason="OutOfMemoryError: Container killed"), status)
    assert failure is not None
    assert failure.cause is Cause.OUT_OF_MEMORY
    assert "500 MiB" in failure.sentence


@pytest.mark.parametrize(
    ("code", "words"), [(127, "not found"), (139, "SIGSEGV"), (137, "memory"), (2, "exit code 2")]
)
def test_exit_codes_are_told_with_their_meaning(code, words):
    assert words in meaning(code)
